"""Parses numbers and sizes of the command line and of request queries."""

from __future__ import annotations

import math
import re

from sam_edge.errors import InputError

SHOWN = 40
"""Most characters of a text that an error repeats, since the text is not trusted."""
SHAPES = {2: "X,Y", 3: "X,Y,LABEL", 4: "X0,Y0,X1,Y1"}
"""Names of the usual lists of numbers, by their length."""


def parse_numbers(name: str, text: str, count: int, shape: str = "") -> list[float]:
    """Read `count` finite numbers with commas between them.

    Args:
        name: name of the option, for errors.
        text: the text.
        count: number of values.
        shape: form of the text, for errors; the default follows from `count`.

    Raises:
        InputError: the text is not that.
    """
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        example = ",".join(str(100 * (index + 1)) for index in range(count))
        wanted = shape or SHAPES.get(count, f"{count} numbers with commas")
        raise InputError(f"{name}: {text[:SHOWN]!r} is not accepted; give {wanted}, for example {example}")
    return values


def parse_size(text: str | None, name: str = "--size") -> tuple[int, int] | None:
    """Read WIDTHxHEIGHT as (height, width); None where there is no text.

    Raises:
        InputError: the text is not that.
    """
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if not match:
        raise InputError(f"{name}: {text[:SHOWN]!r} is not accepted; give WIDTHxHEIGHT, for example 672x448")
    return int(match[2]), int(match[1])
