"""Fuzz targets: images, as files by every decoder that is called, and as the body of a request."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest

from sam_edge.media.images import read_image
from sam_edge.media.png import encode_png
from sam_edge.serve import image_decoding
from tests.fuzz.target import FuzzTarget, of_file

MAX_REQUEST_PIXELS = 1 << 20
WRITTEN: dict[str, tuple[dict[str, Any], ...]] = {
    "jpeg": ({}, {"progressive": True}),
    "png": ({}, {"bits": 4}),
    "webp": ({}, {"lossless": True}),
    "tiff": ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}),
    "gif": ({},),
    "jpeg2000": ({},),
    "bmp": ({},),
    "ppm": ({},),
    "avif": ({},),
}
"""How Pillow writes the seeds of each kind; every kind is a target."""


def targets() -> Iterator[FuzzTarget]:
    """Yield the targets."""
    for kind in WRITTEN:
        yield of_file(f"image-{kind}", read_image, partial(_seeds, kind), file_name="image.bin")
    yield FuzzTarget("image-request", _read_request, _request_seeds)


def _read_request(data: bytes) -> object:
    return image_decoding.read_image(data, max_pixels=MAX_REQUEST_PIXELS)


def _picture() -> np.ndarray:
    small = np.random.default_rng(4).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (28, 20)), np.uint8)


def _seeds(kind: str) -> list[bytes]:
    images = pytest.importorskip("PIL.Image", reason="writes the seeds: pip install pillow")
    picture = images.fromarray(_picture())
    exif = images.Exif()
    exif[0x112] = 6
    modes = {
        "png": ("RGB", "RGBA", "P", "L"),
        "gif": ("P",),
        "tiff": ("RGB", "CMYK", "F"),
        "ppm": ("RGB", "L"),
    }
    seeds = []
    for mode in modes.get(kind, ("RGB",)):
        for options in WRITTEN[kind]:
            if (mode == "F" and options.get("compression") == "jpeg") or ("bits" in options and mode != "P"):
                continue
            handle = io.BytesIO()
            extra = {"exif": exif} if kind in ("jpeg", "png", "webp", "avif") else {}
            picture.convert(mode).save(handle, format=kind, **options, **extra)
            seeds.append(handle.getvalue())
    return seeds


def _request_seeds() -> list[bytes]:
    write: Callable[[str], bytes] = lambda ending: cv2.imencode(ending, _picture())[1].tobytes()  # noqa: E731
    deep = cv2.imencode(".png", _picture().astype(np.uint16) * 200)[1].tobytes()
    return [write(".jpg"), encode_png(_picture()), deep, write(".jpg") + b"\xff\xda\xff\xd9" * 8]
