"""The size that an image file states, and whether its bytes can hold so many pixels."""

from __future__ import annotations

from sam_edge.media.exif import read_tiff_directories
from sam_edge.media.image_type import ImageType
from sam_edge.media.jpeg import read_jpeg_structure

SUSPECT_PIXELS = 1 << 24
"""TIFF and BMP images of more pixels must have enough bytes for them: a white fax of any size is a few bytes long."""
PIXELS_PER_BYTE = 4096
"""No encoder packs more pixels of one colour into a byte of JPEG or GIF; of TIFF and BMP none does in practice."""
DEFLATE_LIMIT = 1032
"""Bytes that a byte of a PNG can decompress to, at most: a match of 258 bytes takes 2 bits (RFC 1951)."""
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Channels of a PNG by its colour type (PNG specification, third edition, 11.2.1)."""
LARGEST_PIXELS = 1 << 28
"""Most pixels of the formats that pack an image of one colour into a few bytes."""
_WIDTH_TAG, _HEIGHT_TAG = 0x100, 0x101


def find_size_fault(data: bytes, kind: ImageType) -> str | None:
    """Return what is wrong with the size that an image states, or None: a header must not take all memory."""
    size = read_stated_size(data, kind)
    if size is None:
        return None
    height, width = size
    if height * width <= _most_pixels(data, kind) and not _is_png_too_short(data, kind, size):
        return None
    return f"states {width}x{height} pixels in {len(data)} bytes: it is damaged, or made to take memory"


def _most_pixels(data: bytes, kind: ImageType) -> int:
    """Return the most pixels that a file of this kind and length may state."""
    if kind in (ImageType.WEBP, ImageType.JPEG2000):
        return LARGEST_PIXELS
    by_length = PIXELS_PER_BYTE * len(data)
    return by_length if kind in (ImageType.JPEG, ImageType.GIF) else max(SUSPECT_PIXELS, by_length)


def _is_png_too_short(data: bytes, kind: ImageType, size: tuple[int, int]) -> bool:
    """Return whether a PNG has fewer bytes than its rows can be compressed to."""
    if kind is not ImageType.PNG or len(data) < 26:
        return False
    bits_per_pixel = data[24] * PNG_CHANNELS.get(data[25], 1)
    return size[0] * (1 + (size[1] * bits_per_pixel + 7) // 8) > DEFLATE_LIMIT * len(data)


def read_stated_size(data: bytes, kind: ImageType) -> tuple[int, int] | None:
    """Return (height, width) as an image's header states them; None where it is not found."""
    if kind is ImageType.JPEG:
        frames = read_jpeg_structure(data).frames
        return frames[0].size if frames else None
    if kind is ImageType.PNG:
        return _big(data, 20, 4), _big(data, 16, 4)
    if kind is ImageType.GIF:
        return _little(data, 8, 2), _little(data, 6, 2)
    if kind is ImageType.BMP:
        wide = _little(data, 14, 4) > 12
        height = _little(data, 22, 4) if wide else _little(data, 20, 2)
        # A negative height says that rows go from the top downwards.
        return min(height, (1 << 32) - height), _little(data, 18, 4 if wide else 2)
    if kind is ImageType.TIFF:
        pages = read_tiff_directories(data, limit=1)
        return (pages[0].first(_HEIGHT_TAG), pages[0].first(_WIDTH_TAG)) if pages else None
    if kind is ImageType.JPEG2000:
        at = data.find(b"\xff\x51", 0, 65536)
        return None if at < 0 else (_big(data, at + 10, 4), _big(data, at + 6, 4))
    return _webp_size(data) if kind is ImageType.WEBP else None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] == b"VP8X":
        return _little(data, 27, 3) + 1, _little(data, 24, 3) + 1
    if data[12:16] == b"VP8L":
        bits = _little(data, 21, 4)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    return (_little(data, 28, 2) & 0x3FFF, _little(data, 26, 2) & 0x3FFF) if data[12:16] == b"VP8 " else None


def _big(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(data[at : at + count], "big")


def _little(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(data[at : at + count], "little")
