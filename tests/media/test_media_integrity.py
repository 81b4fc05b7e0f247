"""Is a file all there? Checked on files put together by hand, from the formats' documents."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.media.integrity import find_video_fault, is_truncated_jpeg

JPEG = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8))[1].tobytes()


def box(kind: bytes, body: bytes, *, size: int | None = None) -> bytes:
    return (8 + len(body) if size is None else size).to_bytes(4, "big") + kind + body


def fault(tmp_path: Path, content: bytes) -> str | None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    return find_video_fault(path)


def test_a_whole_jpeg_is_whole_with_and_without_a_tail() -> None:
    assert not is_truncated_jpeg(JPEG)
    assert not is_truncated_jpeg(JPEG + b"\0" * 100)


@given(st.integers(2, len(JPEG) - 1))
def test_every_cut_of_a_jpeg_is_noticed(length: int) -> None:
    assert is_truncated_jpeg(JPEG[:length])


def test_the_end_of_a_preview_inside_does_not_count() -> None:
    preview = b"\xff\xe1" + (len(JPEG) + 2).to_bytes(2, "big") + JPEG
    assert not is_truncated_jpeg(JPEG[:2] + preview + JPEG[2:])
    assert is_truncated_jpeg(JPEG[:2] + preview + JPEG[2:-2])


@given(st.binary(max_size=64))
def test_other_bytes_are_left_to_the_decoder(data: bytes) -> None:
    assert data.startswith(b"\xff\xd8") or not is_truncated_jpeg(data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (box(b"ftyp", b"isom") + box(b"moov", b"index") + box(b"mdat", b"\x80frames"), None),
        (box(b"ftyp", b"isom") + box(b"moov", b"index") + box(b"mdat", b"\x80to the end", size=0), None),
        (box(b"ftyp", b"isom") + box(b"moov", (17).to_bytes(8, "big") + b"\x80", size=1), None),
        (b"RIFF" + (12).to_bytes(4, "little") + b"AVI \x80\0\0\0\0\0\0\0", None),
        (b"RIFF" + (13).to_bytes(4, "little") + b"AVI \x80\0\0\0\0\0\0\0", "cut off"),
        (b"RIFF" + b"\xff" * 4 + b"AVI \x80\0\0\0\0\0\0\0", None),
        (b"\x1a\x45\xdf\xa3\x82\x80\0\x18\x53\x80\x67\x84\x80\0\0\0", None),
        (b"\x1a\x45\xdf\xa3\x82\x80\0\x18\x53\x80\x67\x85\x80\0\0\0", "cut off"),
        (b"\x1a\x45\xdf\xa3\x82\x80\0\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"live", None),
        (b"\x1a\x45\xdf\xa3\x82\x80\0\x18\x53\x80\x67\x40\x05\x80\0\0\0", "cut off"),
        (b"\x47\x40\x00\x10" * 400, None),
        ("schön\n".encode(), "text"),
    ],
)
def test_stated_lengths_are_compared_with_the_files(
    tmp_path: Path, content: bytes, words: str | None
) -> None:
    found = fault(tmp_path, content)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert words in found


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\0\0\0\x0cftypisom", b"RIFF____AVI ", b"\x1a\x45\xdf\xa3"]),
)
def test_no_bytes_make_it_stumble(tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(head + data)
    found = find_video_fault(path)
    assert found is None or found.startswith("the file ")
