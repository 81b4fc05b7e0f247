"""Fuzz targets: video containers, indexed and decoded, and the checks that go before."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from sam_edge.media.frames import open_frames
from tests.fuzz.target import FuzzTarget, of_file

CONTAINERS = {
    "mp4": ("mp4", "mpeg4", {}),
    "mp4-fragments": ("mp4", "mpeg4", {"movflags": "frag_keyframe+empty_moov"}),
    "matroska": ("matroska", "mpeg4", {}),
    "webm": ("webm", "libvpx", {}),
    "avi": ("avi", "mjpeg", {}),
    "mpegts": ("mpegts", "mpeg4", {}),
}
"""Container, codec and options of the seed of each target."""
FRAMES = 8


def targets() -> Iterator[FuzzTarget]:
    """Yield the targets."""
    for name in CONTAINERS:
        yield of_file(f"video-{name}", _read_frames, partial(_seeds, name), file_name="video.bin")


def _read_frames(path: Path) -> object:
    with open_frames(path, fps=25.0) as frames:
        return sum(1 for _ in frames)


@cache
def _seeds(name: str) -> list[bytes]:
    container, codec, options = CONTAINERS[name]
    handle = io.BytesIO()
    with av.open(handle, "w", format=container, options=options) as target:
        stream: Any = target.add_stream(codec, rate=25)
        stream.width, stream.height = 32, 16
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(FRAMES):
            # Noise, because FFmpeg's probes want a few kilobytes.
            image = np.random.default_rng(index).integers(0, 256, (16, 32, 3), dtype=np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        target.mux(stream.encode(None))
    return [handle.getvalue()]
