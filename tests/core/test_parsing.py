"""Numbers and sizes as text."""

from __future__ import annotations

import pytest

from sam_edge.errors import InputError
from sam_edge.parsing import parse_numbers, parse_size


@pytest.mark.parametrize(
    ("text", "values"),
    [("1,2", [1, 2]), (" -3.5 , 1e2", [-3.5, 100]), ("0,0", [0, 0])],
)
def test_numbers(text: str, values: list[float]) -> None:
    assert parse_numbers("--point", text, 2) == values


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "1;2", "1,", "nan,1", "1,inf", "one,two", "1,,2"])
def test_what_is_no_pair_is_named(text: str) -> None:
    with pytest.raises(InputError, match=r"--point: .* is not accepted; give X,Y, for example 100,200"):
        parse_numbers("--point", text, 2)


def test_an_error_does_not_repeat_a_long_text() -> None:
    with pytest.raises(InputError) as raised:
        parse_numbers("point", "x" * 100_000, 2)
    assert len(str(raised.value)) < 200


def test_a_size_is_width_by_height_and_becomes_height_and_width() -> None:
    assert parse_size("672x448") == (448, 672)
    assert parse_size(None) is None


@pytest.mark.parametrize(
    "text", ["", "672", "672x", "x448", "672X448", "-1x4", "672x448x3", "9" * 12 + "x1", "²x1"]
)
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(InputError, match=r"--size: .* is not accepted; give WIDTHxHEIGHT"):
        parse_size(text)
