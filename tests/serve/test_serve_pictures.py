"""Pictures as people have them, sent over HTTP: each gives what the same picture in plain 8 bits gives."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.media.png import encode_png
from sam_edge.serve.image_decoding import read_frame
from sam_edge.serve.server import Server
from sam_edge.wire.messages import ImageFormat, SceneFrame

Ask = Callable[..., Any]
GREY, PALETTE = 0, 3
"""Colour types of the PNG specification, 11.2.1."""
HEIGHT, WIDTH = 45, 67


def levels(bits: int) -> NDArray[np.uint16]:
    """Every value of `bits` bits in blocks of 9x9; no side of the picture is a whole number of bytes."""
    count = 2 ** min(bits, 4)
    blocks = np.add.outer(3 * np.arange(HEIGHT // 9), np.arange(WIDTH // 9 + 1)) % count
    steps = (blocks * ((2**bits - 1) // (count - 1))).astype(np.uint16)
    return np.kron(steps, np.ones((9, 9), np.uint16))[:HEIGHT, :WIDTH]


def pack_rows(values: NDArray[np.uint16], bits: int) -> bytes:
    """The rows of a PNG: a filter byte, then the values, the highest bits first."""
    if bits == 16:
        return b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    places = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return b"".join(b"\0" + np.packbits(row.reshape(-1)).tobytes() for row in places)


def png(values: NDArray[np.uint16], bits: int, colour_type: int, palette: bytes = b"") -> bytes:
    """A PNG, written byte by byte."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(pack_rows(values, bits)))]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (*chunks, (b"IEND", b"")):
        if body or kind == b"IEND":
            data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


def embedding(server: Server, ask: Ask, body: bytes) -> bytes:
    """What the engine makes of a picture: the fake one returns the brightness of its patches."""
    answer = ask(server, "/api/encode?size=448x448", method="POST", body=body)
    assert answer.status == 200, answer.body
    data: bytes = answer.body
    return data


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_every_depth(server: Server, ask: Ask, bits: int) -> None:
    numbers = levels(bits)
    palette = np.random.default_rng(bits).integers(0, 256, (2**bits, 3), dtype=np.uint8)
    plain = embedding(server, ask, encode_png(palette[numbers]))
    assert embedding(server, ask, png(numbers, bits, PALETTE, palette.tobytes())) == plain


@pytest.mark.parametrize("bits", [1, 2, 4, 16])
def test_grey_of_every_depth(server: Server, ask: Ask, bits: int) -> None:
    values = levels(bits)
    plain = embedding(server, ask, encode_png((values.astype(int) * 255 // (2**bits - 1)).astype(np.uint8)))
    assert embedding(server, ask, png(values, bits, GREY)) == plain


@pytest.mark.parametrize("trailer", [b"\xff\xda\0\x08" * 20_000, b"\0\0\0\x18ftypmp42" + bytes(60_000)])
def test_what_a_motion_photo_has_behind_its_picture_is_not_looked_at(
    server: Server, ask: Ask, jpeg: bytes, trailer: bytes
) -> None:
    assert embedding(server, ask, jpeg + trailer) == embedding(server, ask, jpeg)


def test_half_a_jpeg_with_data_behind_it_is_refused(server: Server, ask: Ask, jpeg: bytes) -> None:
    answer = ask(server, "/segment?point=9,9", method="POST", body=jpeg[: len(jpeg) // 2] + bytes(60_000))
    assert answer.status == 400
    assert b"cut off" in answer.body


def test_opencv_is_silent_while_it_decodes_a_frame(jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own log lines do not stand between the server's."""
    log: Any = cv2 if hasattr(cv2, "getLogLevel") else cv2.utils.logging
    usual, levels_seen, decode = log.getLogLevel(), [], cv2.imdecode

    def watch(data: NDArray[np.uint8], flags: int) -> Any:
        levels_seen.append(log.getLogLevel())
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", watch)
    frame = SceneFrame(1, 1, ImageFormat.JPEG, (240, 320), jpeg)
    assert read_frame(frame, max_pixels=1 << 20).shape == (240, 320, 3)
    assert levels_seen == [0]
    assert log.getLogLevel() == usual > 0
