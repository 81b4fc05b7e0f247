"""Pictures from strangers: their size is read and checked before anything is unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.media.integrity import is_truncated_jpeg
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.messages import ImageFormat, SceneFrame

SCANS = 64
"""Most scans of a JPEG: a progressive one has about ten; thousands of them are a bomb of time."""
_START_OF_FRAME = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive, all with Huffman codes: what cameras and browsers write."""
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_SLACK = 4096
"""Bytes that a PNG may hold beyond its rows; interlaced ones have more rows, of fewer bytes."""
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says of itself."""

    size: tuple[int, int]
    """(height, width) as stored, pixels."""
    kind: str
    """`jpeg` or `png`."""


def header_of(data: bytes | memoryview) -> Header:
    """Read the size of a JPEG or a PNG from its first bytes.

    Raises:
        ProtocolError: it is neither, damaged, cut off, or of a kind that is not accepted.
    """
    whole = bytes(data)
    if whole.startswith(_PNG):
        return Header(_png_size(whole), "png")
    if whole.startswith(b"\xff\xd8"):
        return Header(_jpeg_size(whole), "jpeg")
    raise _refused("neither a JPEG nor a PNG; accepted: those two")


def read_picture(data: bytes, *, most_pixels: int) -> NDArray[np.uint8]:
    """Unpack a JPEG or a PNG as RGB uint8 (H, W, 3), upright as its EXIF says.

    Raises:
        ProtocolError: it cannot be read, or has more pixels than accepted.
    """
    header = header_of(data)
    _check_pixels(header.size, most_pixels)
    if header.kind == "png":
        _check_rows(data, header.size)
    image = _decoded(data, cv2.IMREAD_COLOR)
    if image.shape[:2] not in (header.size, header.size[::-1]):
        raise _refused(
            f"it unpacks to {image.shape[1]}x{image.shape[0]}, its header says {header.size[::-1]}"
        )
    return image


def read_frame(frame: SceneFrame, *, most_pixels: int) -> NDArray[np.uint8]:
    """Unpack a frame as RGB uint8 (H, W, 3) that nobody else writes to.

    Raises:
        ProtocolError: it cannot be read, is not of the size said, or has more pixels than accepted.
    """
    height, width = frame.size
    _check_pixels(frame.size, most_pixels)
    if frame.format is ImageFormat.JPEG:
        header = header_of(frame.data)
        if header.kind != "jpeg" or header.size != frame.size:
            raise _refused(
                f"a {header.kind.upper()} of {header.size[1]}x{header.size[0]}; accepted: the JPEG of "
                f"{width}x{height} that the frame announces"
            )
        image = _decoded(frame.data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image.shape[:2] != frame.size:
            raise _refused(
                f"it unpacks to {image.shape[1]}x{image.shape[0]}, announced were {width}x{height}"
            )
        return image
    values = np.frombuffer(frame.data, np.uint8)
    if frame.format is ImageFormat.NV12:
        planes = values.reshape(height * 3 // 2, width)
        return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12), np.uint8)
    channels = 3 if frame.format is ImageFormat.RGB else 4
    raw = values.reshape(height, width, channels)
    raw = raw[::-1] if frame.bottom_up else raw
    if channels == 4:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(raw), cv2.COLOR_RGBA2RGB), np.uint8)
    return np.array(raw, np.uint8)


def _check_pixels(size: tuple[int, int], most: int) -> None:
    if size[0] * size[1] > most:
        raise ProtocolError(
            f"picture: {size[1]}x{size[0]} are {size[0] * size[1]} pixels; accepted: {most}",
            ErrorCode.TOO_LARGE,
        )


def _decoded(data: bytes | memoryview, how: int) -> NDArray[np.uint8]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error as error:
        raise _refused(f"it cannot be unpacked ({error.err})") from error
    if image is None or image.dtype != np.uint8 or image.ndim != 3:
        raise _refused("it is damaged")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise _refused("a PNG without a header; it was cut off, or is damaged")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    depth, colour = data[24], data[25]
    if depth != 8 or colour not in _PNG_CHANNELS or not width or not height:
        raise _refused(f"a PNG of {depth} bits, colour type {colour}; accepted: 8 bits a channel")
    return height, width


def _check_rows(data: bytes, size: tuple[int, int]) -> None:
    """Refuse a PNG that unpacks to more than its rows: libpng reads on to the end, a thousand bytes for each one."""
    height, width = size
    most = height * (8 + width * _PNG_CHANNELS[data[25]]) + _PNG_SLACK
    unpacker, count = zlib.decompressobj(), 0
    try:
        for part in _rows_of(data):
            while part:
                count += len(unpacker.decompress(part, _PIECE))
                part = unpacker.unconsumed_tail
                if count > most:
                    raise _refused(f"a PNG that unpacks to more than its {width}x{height} pixels")
    except zlib.error as error:
        raise _refused(f"it is damaged ({error})") from error


def _rows_of(data: bytes) -> Iterator[bytes]:
    """Go through the parts of a PNG's compressed rows (its IDAT chunks)."""
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        at += 12 + length


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk over the segments up to the frame header (ITU-T T.81, annex B)."""
    if is_truncated_jpeg(data):
        raise _refused("a JPEG that was cut off")
    if data.count(b"\xff\xda") > SCANS:
        raise _refused(f"a JPEG of more than {SCANS} scans")
    found: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xFF or kind == 0x01 or 0xD0 <= kind <= 0xD8:
            at += 1 if kind == 0xFF else 2
            continue
        if kind in _OTHER_FRAMES:
            raise _refused(f"a JPEG with the marker {kind:#04x}; accepted: baseline and progressive ones")
        if kind in _START_OF_FRAME and at + 10 <= len(data):
            size = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            if found is not None or data[at + 4] != 8 or not all(size):
                raise _refused("a JPEG with two frames, no size, or other than 8 bits a channel")
            found = size
        if kind == 0xDA:
            break
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    if found is None:
        raise _refused("a JPEG without a frame header")
    return found


def _refused(message: str) -> ProtocolError:
    return ProtocolError(f"picture: {message}", ErrorCode.INVALID_IMAGE)
