"""Inputs made from others: bytes and pieces changed, doubled, moved and left out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tests.fuzz.target import MAX_BYTES

WORDS = (
    b"0", b"-1", b"1e308", b"-32768", b"1e8", b"nan", b"inf", b"null", b"[]", b"{}", b"\0", b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff", b"\x80", b'"', b"\n", b"\r", b"\t", b";", b",", b".", b"9" * 30, b"\xef\xbb\xbf", b"\xff\xfe",
)  # fmt: skip
"""Pieces that parsers stumble over."""


def make_inputs(inputs: Sequence[bytes], *, seed: int) -> Iterator[bytes]:
    """Yield changed inputs without end; the same seed gives the same ones."""
    chance = random.Random(seed)
    while True:
        data = bytearray(chance.choice(inputs))
        for _ in range(1 << chance.randrange(5)):
            _change(data, inputs, chance)
        yield bytes(data[:MAX_BYTES])


def _change(data: bytearray, inputs: Sequence[bytes], chance: random.Random) -> None:
    begin = chance.randrange(len(data) + 1)
    end = min(len(data), begin + 1 + int(chance.expovariate(0.1)))
    match chance.randrange(7):
        case 0:
            data[begin:end] = b""
        case 1:
            data[begin:end] = chance.choice(WORDS)
        case 2:
            data[begin:begin] = chance.choice(WORDS)
        case 3:
            data[begin:begin] = data[begin:end] * chance.choice((1, 2, 50))
        case 4 if begin < len(data):
            data[begin] ^= 1 << chance.randrange(8)
        case 5:
            other = chance.choice(inputs)
            start = chance.randrange(len(other) + 1)
            data[begin:end] = other[start : start + 40]
        case _:
            data[begin:end] = chance.randbytes(end - begin)
