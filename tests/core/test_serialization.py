"""Dataclasses come back from JSON bit for bit, whatever fields they have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.events import EventKind, Fixation, Phase
from sam_edge.gaze.samples import GazeRay, GazeSample
from sam_edge.serialization import from_json, to_json


class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    values: tuple[int, ...] = ()


@dataclass(frozen=True)
class Everything:
    number: float
    whole: int
    colour: Colour
    mask: NDArray[np.bool_] | None = None
    logits: NDArray[np.float32] | None = None
    inner: Inner | None = None
    several: tuple[Inner, ...] = ()
    pair: tuple[float, int] = (0.5, 1)
    times: Mapping[str, float] = field(default_factory=dict)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(to_json(value), allow_nan=False))


@given(number=st.floats(), whole=st.integers(), key=st.text())
def test_numbers_come_back_bit_for_bit(number: float, whole: int, key: str) -> None:
    value = Everything(number, whole, Colour.BLUE, times={key: number})
    again = from_json(Everything, through_json(value))
    assert np.array(again.number).tobytes() == np.array(number).tobytes() or np.isnan(number)
    assert (again.whole, again.colour) == (whole, Colour.BLUE)
    assert repr(again.times) == repr(value.times)


def test_masks_arrays_and_dataclasses_inside_come_back() -> None:
    mask = np.random.default_rng(0).random((7, 9)) < 0.5
    logits = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    value = Everything(
        np.float64(1.5),
        np.int64(3),
        Colour.RED,
        mask,
        logits,
        Inner((1, 2)),
        (Inner(), Inner((3,))),
        (0.25, 2),
    )
    again = from_json(Everything, through_json(value))
    np.testing.assert_array_equal(again.mask, mask)
    np.testing.assert_array_equal(again.logits, logits)
    assert again.logits is not None
    assert again.logits.dtype == np.float32
    assert (again.inner, again.several, again.pair) == (value.inner, value.several, value.pair)


def test_gaze_comes_back() -> None:
    sample = GazeSample(5, np.nan, 2.5, 0.5, ray=GazeRay((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)), left_valid=False)
    again = from_json(GazeSample, through_json(sample))
    assert repr(again) == repr(sample)
    fixation = Fixation(1, EventKind.PURSUIT, Phase.END, 2, 3, 4.5, 5.5, (1.0, 0.0, 2.0), 9)
    assert from_json(Fixation, through_json(fixation)) == fixation


def test_fields_that_came_or_went_are_no_harm() -> None:
    plain = {"number": 1, "whole": 2, "colour": "red", "gone": [1, 2]}
    assert from_json(Everything, plain) == Everything(1.0, 2, Colour.RED)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": "1"}, "number"),
        ({"number": True}, "number"),
        ({"number": {"float": "huge"}}, "number"),
        ({"whole": 1.5}, "whole"),
        ({"whole": None}, "whole"),
        ({"colour": "green"}, "colour"),
        ({"mask": {"size": [2, 2], "counts": [3]}}, "mask"),
        ({"mask": 7}, "mask"),
        ({"logits": {"dtype": "O", "shape": [1], "hex": "00"}}, "logits"),
        ({"inner": []}, "inner"),
        ({"pair": [1.0]}, "pair"),
        ({"several": {}}, "several"),
        ({"times": 3}, "times"),
    ],
)
def test_what_a_field_cannot_hold_is_refused(change: dict[str, Any], said: str) -> None:
    plain = {"number": 1, "whole": 2, "colour": "red", **change}
    with pytest.raises(InputError, match=said):
        from_json(Everything, plain)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InputError, match="whole is missing"):
        from_json(Everything, {"number": 1})
    with pytest.raises(InputError, match="an object with the fields"):
        from_json(Everything, [])


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(InputError, match="object cannot be recorded"):
        to_json({"x": object()})
