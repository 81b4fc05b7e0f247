"""What kind of image a file is, by its first bytes: names lie, and some kinds decode to something else in silence."""

from __future__ import annotations

import enum
from pathlib import Path

from sam_edge.media.exif import TiffDirectory, read_tiff_directories

HEAD_BYTES = 4096
"""Bytes that are enough to identify a file."""


class ImageType(enum.Enum):
    """Kinds of image files that are read; the value is what people call them."""

    JPEG = "JPEG"
    PNG = "PNG"
    BMP = "BMP"
    WEBP = "WebP"
    TIFF = "TIFF"
    GIF = "GIF"
    JPEG2000 = "JPEG 2000"
    HEIC = "HEIC"
    AVIF = "AVIF"
    PNM = "PNM"


IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jp2", ".j2k", ".heic",
    ".heif", ".hif", ".avif", ".pgm", ".ppm", ".pnm",
)  # fmt: skip
"""Endings, in lower case, of the files that count as images in a folder."""
ACCEPTED = "JPEG, PNG, BMP, WebP, TIFF, GIF, JPEG 2000, HEIC, AVIF, PNM"
_STARTS = (
    (b"\xff\xd8\xff", ImageType.JPEG),
    (b"\x89PNG\r\n\x1a\n", ImageType.PNG),
    (b"GIF87a", ImageType.GIF),
    (b"GIF89a", ImageType.GIF),
    (b"II*\0", ImageType.TIFF),
    (b"MM\0*", ImageType.TIFF),
    (b"II+\0", ImageType.TIFF),
    (b"MM\0+", ImageType.TIFF),
    (b"\0\0\0\x0cjP  \r\n\x87\n", ImageType.JPEG2000),
    (b"\xff\x4f\xff\x51", ImageType.JPEG2000),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2")
_AVIF_BRANDS = (b"avif", b"avis")
_NOT_READ = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIRS", "camera raw"),
    (b"MMOR", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"FOVb", "camera raw"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"\xabKTX", "KTX"),
    (b"DDS ", "DDS"),
)
_DNG_VERSION, _NEW_SUBFILE_TYPE, _SUB_IFDS = 0xC612, 0xFE, 0x14A
_REDUCED = 1


def identify_image(data: bytes) -> ImageType | None:
    """Return the kind of image that begins with `data`; None where it is none that is read."""
    for start, kind in _STARTS:
        if data.startswith(start):
            return kind
    if data[:2] == b"BM" and len(data) >= 18 and data[14] in (12, 16, 40, 52, 56, 64, 108, 124):
        return ImageType.BMP
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ImageType.WEBP
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return ImageType.PNM
    brands = _brands(data)
    if any(brand in brands for brand in _AVIF_BRANDS):
        return ImageType.AVIF
    if any(brand in brands for brand in _HEIC_BRANDS):
        return ImageType.HEIC
    return None


def name_unread_image(data: bytes) -> str | None:
    """Return what a file is whose kind is known and not read; None for others.

    Camera raw files are TIFF files whose first image is a small preview.
    """
    for start, name in _NOT_READ:
        if data.startswith(start):
            return name
    if data[128:132] == b"DICM":
        return "DICOM"
    if b"crx " in _brands(data):
        return "camera raw"
    if data.lstrip()[:5].lower() in (b"<?xml", b"<svg ") and b"<svg" in data[:HEAD_BYTES].lower():
        return "SVG"
    if identify_image(data) is ImageType.TIFF:
        directories = read_tiff_directories(data, limit=1)
        if data[8:10] == b"CR" or (directories and _is_raw(directories[0])):
            return "camera raw"
    return None


def is_image_file(path: Path) -> bool:
    """Return whether a path is a file that begins like an image, or bears an image's ending."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD_BYTES)
    except OSError:
        return path.suffix.lower() in IMAGE_SUFFIXES
    return identify_image(head) is not None or (
        path.suffix.lower() in IMAGE_SUFFIXES and head[:4] not in (b"RIFF", b"\x1a\x45\xdf\xa3")
    )


def _brands(data: bytes) -> tuple[bytes, ...]:
    """Return the brands of an ISO base media file (ISO 14496-12, 4.3), the major one first."""
    if data[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(data[:4], "big"), HEAD_BYTES, len(data))
    return (data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4)))


def _is_raw(directory: TiffDirectory) -> bool:
    reduced = directory.first(_NEW_SUBFILE_TYPE) & _REDUCED
    return _DNG_VERSION in directory.values or bool(reduced and _SUB_IFDS in directory.values)
