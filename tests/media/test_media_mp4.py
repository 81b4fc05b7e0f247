"""The stated length of a video, on files put together by hand from ISO 14496-12."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.media.mp4 import read_video_duration_s


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def numbers(*values: int, width: int = 4) -> bytes:
    return b"".join(value.to_bytes(width, "big") for value in values)


def mvhd(timescale: int, *, version: int = 0) -> bytes:
    times = numbers(1, 2, width=8 if version else 4)
    return box(b"mvhd", bytes([version, 0, 0, 0]), times, numbers(timescale), bytes(84))


def trak(duration: int, *, kind: bytes = b"vide", version: int = 0) -> bytes:
    width = 8 if version else 4
    times = numbers(1, 2, width=width)
    tkhd = box(
        b"tkhd", bytes([version, 0, 0, 3]), times, numbers(1, 0), numbers(duration, width=width), bytes(60)
    )
    return box(b"trak", tkhd, box(b"mdia", box(b"mdhd", bytes(24)), box(b"hdlr", bytes(8), kind, bytes(13))))


FTYP = box(b"ftyp", b"isom", bytes(4), b"isom")


def seconds(tmp_path: Path, content: bytes) -> float | None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    return read_video_duration_s(path)


@pytest.mark.parametrize("version", [0, 1])
def test_duration_over_timescale(tmp_path: Path, version: int) -> None:
    moov = box(b"moov", mvhd(600, version=version), trak(1500, version=version))
    assert seconds(tmp_path, FTYP + moov) == 2.5
    assert seconds(tmp_path, FTYP + box(b"free") + box(b"mdat", bytes(99)) + moov) == 2.5
    wide = numbers(1) + b"mdat" + numbers(16 + 40, width=8) + bytes(40)
    assert seconds(tmp_path, FTYP + wide + moov) == 2.5


def test_sound_does_not_count(tmp_path: Path) -> None:
    moov = box(b"moov", mvhd(1000), trak(9000, kind=b"soun"), trak(2000), trak(1000))
    assert seconds(tmp_path, FTYP + moov) == 2.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF\x24\0\0\0AVI " + bytes(40),
        FTYP + box(b"mdat", bytes(9)),
        FTYP + box(b"moov", mvhd(1000)),
        FTYP + box(b"moov", mvhd(0), trak(1000)),
        FTYP + box(b"moov", mvhd(1000), trak(0)),
        FTYP + box(b"moov", mvhd(1000), trak(2**32 - 1)),
        FTYP + box(b"moov", mvhd(1000), trak(2**64 - 1, version=1)),
        FTYP + box(b"moov", mvhd(1000), trak(9000, kind=b"soun")),
        FTYP + numbers(3) + b"moov" + bytes(40),
    ],
)
def test_what_is_not_stated_is_not_made_up(tmp_path: Path, content: bytes) -> None:
    assert seconds(tmp_path, content) is None


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_bytes_make_it_stumble(tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int) -> None:
    path = tmp_path_factory.getbasetemp() / "any.mp4"
    path.write_bytes((FTYP + box(b"moov", mvhd(600), trak(1500), data))[:cut] + data)
    found = read_video_duration_s(path)
    assert found is None or found >= 0
