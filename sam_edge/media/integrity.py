"""Checks for truncated files that decoders leave out.

FFmpeg plays what is left of a truncated video as if it were all. JPEG has an end marker (`jpeg` looks closer); AVI and
Matroska state how many bytes follow. (MP4 states how many frames there are:
`video_index` compares.)
"""

from __future__ import annotations

import codecs
import struct
from pathlib import Path

from sam_edge.media.jpeg import START, read_jpeg_structure

_ISO_FIRST = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"}
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"


def is_truncated_jpeg(data: bytes) -> bool:
    """Return True when `data` begins like a JPEG and its image has no end marker (ITU-T T.81, annex B)."""
    return data.startswith(START) and read_jpeg_structure(data).end is None


def find_video_fault(path: Path) -> str | None:
    """Return what is wrong with a video file, or None when nothing is known to be.

    Knows text files, which FFmpeg would play as images of letters or follow as play lists, and the stated
    lengths in AVI (RIFF) and Matroska/WebM (RFC 9559). Raises `OSError`.
    """
    length = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(4096)
        if not head:
            return "the file is empty"
        if _is_text(head):
            return "the file holds text, not a video"
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return _cut_off(8 + struct.unpack("<I", head[4:8])[0], length, unknown=(8, 8 + 0xFFFFFFFF))
        if head[:4] == _EBML:
            return _fault_of_matroska(head, length)
    return None


def is_mp4(path: Path) -> bool:
    """Return whether a file begins like MP4 or MOV (ISO 14496-12). Raises `OSError`."""
    with path.open("rb") as handle:
        return handle.read(8)[4:8] in _ISO_FIRST


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t\x1b\ufeff" for letter in text)


def _fault_of_matroska(head: bytes, length: int) -> str | None:
    size, at = _ebml_size(head, 4)
    at += size or 0
    if size is None or head[at : at + 4] != _SEGMENT:
        return None
    size, at = _ebml_size(head, at + 4)
    return None if size is None else _cut_off(at + size, length)


def _ebml_size(data: bytes, at: int) -> tuple[int | None, int]:
    """Return the variable-length size at `at` (None: not stated) and the place behind it."""
    first = data[at] if at < len(data) else 0
    if first == 0:
        return None, at + 1
    width = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), at + width


def _cut_off(stated: int, length: int, *, unknown: tuple[int, ...] = ()) -> str | None:
    if stated in unknown or stated <= length:
        return None
    return f"the file is cut off: it has {length} bytes and says that it is at least {stated} long"
