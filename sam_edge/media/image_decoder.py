"""Decoding of image files of every kind to RGB in 8 bits."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.media.exif import orientation_of, read_tiff_directories, turn_upright, without_orientation
from sam_edge.media.heif import HeifError, decode_heif
from sam_edge.media.image_size import find_size_fault
from sam_edge.media.image_type import (
    ACCEPTED,
    HEAD_BYTES,
    ImageType,
    identify_image,
    is_image_file,
    name_unread_image,
)
from sam_edge.media.jpeg import find_jpeg_fault
from sam_edge.media.opencv_log import opencv_silenced
from sam_edge.media.pixels import ValueRange, drop_alpha, scale_to_8_bits, to_rgb

_BITS_PER_SAMPLE, _NEW_SUBFILE_TYPE = 0x102, 0xFE
_REDUCED_OR_MASK = 5


class ImageError(ValueError):
    """An image that cannot be decoded. The message says why, and goes on after the file's name."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image as people see it, and what was decided for it."""

    image: NDArray[np.uint8]
    """RGB uint8 (H, W, 3), upright, C-contiguous."""
    notes: tuple[str, ...] = ()
    """What a person should know, each to be read after the file's name."""


def decode_image(data: bytes, *, value_range: ValueRange | None = None) -> DecodedImage:
    """Decode an image file.

    Args:
        data: the file.
        value_range: stored values that become black and white; see `scale_to_8_bits`.

    Raises:
        ImageError: it is not an image, of a kind that is not read, cut off, or damaged.
    """
    unread = name_unread_image(data)
    if unread is not None:
        raise ImageError(f"is a file of the kind {unread}, which is not read; convert it to PNG or JPEG")
    kind = identify_image(data)
    if kind is None:
        raise ImageError(f"not an image, or damaged; accepted: {ACCEPTED}")
    fault = find_size_fault(data, kind) or (find_jpeg_fault(data) if kind is ImageType.JPEG else None)
    if fault is not None:
        raise ImageError(f"the image {fault}; copy the file again")
    stored, notes = _decode(data, kind)
    converted = scale_to_8_bits(stored, bits=_stated_bits(data, kind), value_range=value_range)
    image = converted.image
    notes.append(converted.note)
    if image.ndim == 3 and image.shape[2] == 4:
        opaque = drop_alpha(image)
        image = opaque.image
        notes.append(opaque.note)
    if kind not in (ImageType.HEIC, ImageType.AVIF):
        image = np.asarray(turn_upright(image, orientation_of(data)), np.uint8)
    return DecodedImage(to_rgb(image), tuple(note for note in notes if note))


def is_still_image(path: Path) -> bool:
    """Return whether a path is a file with one image: not a video, and not an animated GIF or AVIF."""
    if not is_image_file(path):
        return False
    with path.open("rb") as handle:
        kind = identify_image(handle.read(HEAD_BYTES))
    if kind not in (ImageType.GIF, ImageType.AVIF):
        return True
    try:
        with av.open(str(path.resolve()), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            packets = (packet for packet in container.demux(stream) if packet.size)
            return next(packets, None) is None or next(packets, None) is None
    except (av.FFmpegError, IndexError):
        return True


def _decode(data: bytes, kind: ImageType) -> tuple[NDArray[np.integer[Any] | np.floating[Any]], list[str]]:
    """Return stored values, RGB order, and notes."""
    if kind in (ImageType.HEIC, ImageType.AVIF):
        try:
            return decode_heif(data), []
        except HeifError as error:
            raise ImageError(f"the image {error}; convert it to PNG or JPEG") from error
    if kind is ImageType.GIF:
        return _decode_gif(data)
    if kind is ImageType.TIFF:
        return _decode_tiff(data)
    return _decode_by_opencv(data, kind), []


def _decode_by_opencv(data: bytes, kind: ImageType) -> NDArray[np.integer[Any] | np.floating[Any]]:
    """Decode as stored: every channel and bit, not turned, because OpenCV's versions differ in what they turn."""
    try:
        with opencv_silenced():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f"the {kind.value} image cannot be decoded ({error.err})") from error
    if image is None:
        raise ImageError(
            f"the {kind.value} image is damaged, cut off, or of a variant that OpenCV does not read; "
            "convert it to PNG or JPEG"
        )
    return _reorder(image)


def _reorder(image: NDArray[Any]) -> NDArray[Any]:
    """Return OpenCV's BGR and BGRA as RGB and RGBA; grey with alpha as RGBA."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 3:
        return np.ascontiguousarray(image[..., ::-1])
    if channels == 4:
        return np.ascontiguousarray(image[..., [2, 1, 0, 3]])
    if channels == 2:
        return np.ascontiguousarray(image[..., [0, 0, 0, 1]])
    if channels > 4:
        raise ImageError(f"holds {channels} channels; accepted: grey, RGB, and either with alpha")
    return image


def _decode_gif(data: bytes) -> tuple[NDArray[np.uint8], list[str]]:
    """Decode the first frame of a GIF; OpenCV reads GIF since 4.11 only."""
    try:
        with av.open(io.BytesIO(data), format="gif", metadata_errors="replace") as container:
            frames = container.decode(video=0)
            image = np.asarray(next(frames).to_ndarray(format="rgba"), np.uint8)
            animated = next(frames, None) is not None
    except (av.FFmpegError, StopIteration) as error:
        raise ImageError("the GIF image is damaged or cut off") from error
    return image, ["is an animation: its first frame is read"] if animated else []


def _decode_tiff(data: bytes) -> tuple[NDArray[np.integer[Any] | np.floating[Any]], list[str]]:
    pages = read_tiff_directories(data)
    if not pages:
        raise ImageError("the TIFF image is damaged or cut off")
    image = _decode_by_opencv(without_orientation(data), ImageType.TIFF)
    count = sum(not page.first(_NEW_SUBFILE_TYPE) & _REDUCED_OR_MASK for page in pages)
    return image, [f"holds {count} pages: the first is read"] if count > 1 else []


def _stated_bits(data: bytes, kind: ImageType) -> int | None:
    """Return the significant bits of a channel that a file states beyond 8; None where it states none."""
    bits: int | None = None
    if kind is ImageType.PNG:
        at = data.find(b"sBIT", 0, 4096)
        bits = (
            max(data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")], default=0)
            if at > 0
            else None
        )
    elif kind is ImageType.JPEG2000:
        at = data.find(b"\xff\x51", 0, 65536)
        bits = (data[at + 40] & 0x7F) + 1 if 0 <= at < len(data) - 40 else None
    elif kind is ImageType.TIFF:
        bits = read_tiff_directories(data, limit=1)[0].first(_BITS_PER_SAMPLE)
    return bits if bits and 8 < bits < 16 else None
