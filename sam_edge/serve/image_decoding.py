"""Decodes images from the network. Their size is read from the header and checked before anything is decoded."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.media.image_decoder import DecodedImage, ImageError, decode_image
from sam_edge.media.image_size import PNG_CHANNELS
from sam_edge.media.image_type import identify_image, name_unread_image
from sam_edge.media.jpeg import read_jpeg_structure
from sam_edge.media.opencv_log import opencv_silenced
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.messages import ImageFormat, SceneFrame

MAX_SCANS = 64
"""Most scans of a JPEG. A progressive one has about ten; thousands of scans take minutes to decode."""
_START_OF_FRAME = {0xC0, 0xC1, 0xC2}
"""Markers of baseline, extended and progressive JPEGs with Huffman codes: what cameras and browsers write."""
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits of a channel by colour type, as the PNG specification has them."""
_PNG_SLACK = 4096
"""Bytes that a PNG may decompress to beyond its rows; interlaced ones have more rows, of fewer bytes."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file's header says."""

    size: tuple[int, int]
    """(height, width) as stored, pixels."""
    file_type: str
    """`jpeg` or `png`."""


def read_header(data: bytes | memoryview) -> ImageHeader:
    """Read the size of a JPEG or a PNG from its first bytes.

    Raises:
        ProtocolError: it is neither, or it is damaged, cut off, or of a type that is not accepted.
    """
    data = bytes(data)
    if data.startswith(_PNG):
        return ImageHeader(_png_size(data), "png")
    if data.startswith(b"\xff\xd8"):
        return ImageHeader(_jpeg_size(data), "jpeg")
    kind = identify_image(data)
    name = kind.value if kind else name_unread_image(data)
    raise _error(f"{f'a {name} file' if name else 'neither a JPEG nor a PNG'}; accepted: JPEG and PNG")


def read_image(data: bytes, *, max_pixels: int) -> DecodedImage:
    """Decode a JPEG or a PNG as `sam_edge.media.read_image` does: upright, deep values scaled, alpha on white.

    Raises:
        ProtocolError: it cannot be decoded, or has more pixels than accepted.
    """
    header = read_header(data)
    _check_pixels(header.size, max_pixels)
    if header.file_type == "png":
        _check_rows(data, header.size)
    try:
        decoded = decode_image(data)
    except ImageError as error:
        raise _error(str(error)) from error
    height, width = decoded.image.shape[:2]
    if (height, width) not in (header.size, header.size[::-1]):
        raise _error(f"it decodes to {width}x{height}, its header says {header.size[::-1]}")
    return decoded


def read_frame(frame: SceneFrame, *, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a frame to an own array, RGB uint8 (H, W, 3).

    Raises:
        ProtocolError: it cannot be decoded, has another size than announced, or has more pixels than accepted.
    """
    height, width = frame.size
    _check_pixels(frame.size, max_pixels)
    if frame.format is ImageFormat.JPEG:
        header = read_header(frame.data)
        if header.file_type != "jpeg" or header.size != frame.size:
            raise _error(
                f"a {header.file_type.upper()} of {header.size[1]}x{header.size[0]}; accepted: the JPEG of "
                f"{width}x{height} that the frame announces"
            )
        image = _decode(frame.data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image.shape[:2] != frame.size:
            raise _error(f"it decodes to {image.shape[1]}x{image.shape[0]}, announced were {width}x{height}")
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
            f"image: {size[1]}x{size[0]} are {size[0] * size[1]} pixels; accepted: {most}",
            ErrorCode.TOO_LARGE,
        )


def _decode(data: bytes | memoryview, flags: int) -> NDArray[np.uint8]:
    try:
        with opencv_silenced():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise _error(f"it cannot be decoded ({error.err})") from error
    if image is None or image.dtype != np.uint8 or image.ndim != 3:
        raise _error("it is damaged")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise _error("a PNG without a header; it was cut off, or is damaged")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    depth, colour = data[24], data[25]
    if depth not in _PNG_DEPTHS.get(colour, ()) or not width or not height:
        raise _error(f"a PNG of {width}x{height}, {depth} bits, colour type {colour}, which does not exist")
    return height, width


def _check_rows(data: bytes, size: tuple[int, int]) -> None:
    """Refuse a PNG that decompresses to more than its rows: libpng decompresses it all, up to 1000 times its size."""
    height, width = size
    row_bytes = (width * PNG_CHANNELS[data[25]] * data[24] + 7) // 8
    most = height * (8 + row_bytes) + _PNG_SLACK
    decompressor, count = zlib.decompressobj(), 0
    try:
        for part in _row_data(data):
            while part:
                count += len(decompressor.decompress(part, _CHUNK_BYTES))
                part = decompressor.unconsumed_tail
                if count > most:
                    raise _error(f"a PNG that decompresses to more than its {width}x{height} pixels")
    except zlib.error as error:
        raise _error(f"it is damaged ({error})") from error


def _row_data(data: bytes) -> Iterator[bytes]:
    """Yield the compressed rows of a PNG: its IDAT chunks."""
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        at += 12 + length


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Read the size from the frame header; what lies behind the image's end marker does not count."""
    structure = read_jpeg_structure(data)
    if structure.scans > MAX_SCANS:
        raise _error(f"a JPEG of more than {MAX_SCANS} scans")
    for frame in structure.frames:
        if frame.marker not in _START_OF_FRAME:
            raise _error(
                f"a JPEG with the marker {frame.marker:#04x}; accepted: baseline and progressive ones"
            )
        if len(structure.frames) > 1 or frame.bits != 8 or not all(frame.size):
            raise _error("a JPEG with two frames, no size, or other than 8 bits a channel")
    if structure.end is None:
        raise _error("a JPEG that was cut off")
    if not structure.frames or not structure.scans:
        raise _error("a JPEG without a frame header")
    return structure.frames[0].size


def _error(message: str) -> ProtocolError:
    return ProtocolError(f"image: {message}", ErrorCode.INVALID_IMAGE)
