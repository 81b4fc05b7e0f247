"""How long an MP4 or MOV file says that its video is (ISO 14496-12).

FFmpeg ends a damaged video early and reports nothing. The frame count cannot tell, as it counts frames that an edit
list hides (the usual result of cutting without encoding again); the duration of the track can.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_MAX_INDEX_BYTES = 1 << 28
_HEADERS = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"}


def read_video_duration_s(path: Path) -> float | None:
    """Return the stated duration of the longest video track, edits applied, in seconds.

    None when the file is of another format or does not state it (fragmented files, for one). Raises `OSError`.
    """
    index = _movie_box(path)
    timescale = _field(_find(index, b"mvhd"), short=12, long=20)
    lengths = [
        _length(_find(track, b"tkhd"))
        for kind, track in _boxes(index)
        if kind == b"trak" and _find(_find(track, b"mdia"), b"hdlr")[8:12] == b"vide"
    ]
    longest = max(lengths, default=0)
    return longest / timescale if longest and timescale else None


def _movie_box(path: Path) -> bytes:
    """Return what the box `moov` of a file holds; empty when there is none."""
    with path.open("rb") as handle:
        while len(header := handle.read(16)) == 16:
            size, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if kind not in _HEADERS and handle.tell() == 16:
                break
            start = 8
            if size == 1:
                size, start = int.from_bytes(header[8:16], "big"), 16
            if size < start:
                break
            if kind == b"moov":
                handle.seek(start - 16, 1)
                return handle.read(min(size - start, _MAX_INDEX_BYTES))
            handle.seek(size - 16, 1)
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of each box in `data`, up to the first one that makes no sense."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8 or at + size > len(data):
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _find(data: bytes, kind: bytes) -> bytes:
    return next((content for found, content in _boxes(data) if found == kind), b"")


def _length(header: bytes) -> int:
    """Return the duration in a track's header; 0 when it is not stated (all bits set)."""
    wide = header[:1] == b"\x01"
    length = _field(header, short=20, long=28, long_bytes=8)
    return 0 if length == (1 << (64 if wide else 32)) - 1 else length


def _field(header: bytes, *, short: int, long: int, long_bytes: int = 4) -> int:
    """Return the number at `short` in a header of version 0 (four bytes), or at `long` in one of version 1."""
    if header[:1] == b"\x01":
        return int.from_bytes(header[long : long + long_bytes], "big")
    return int.from_bytes(header[short : short + 4], "big")
