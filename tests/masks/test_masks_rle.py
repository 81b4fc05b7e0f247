"""Run lengths are byte for byte those of pycocotools, and damaged ones are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as pycoco

from sam_edge.errors import InputError
from sam_edge.masks import Rle, mask_to_box
from sam_edge.masks.rle import MAX_PIXELS, compress, counts_of, decompress

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
MASKS = arrays.arrays(bool, SIZES)


def theirs(mask: NDArray[np.bool_]) -> str:
    """The text that pycocotools writes."""
    return str(pycoco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"], "ascii")


@given(mask=MASKS)
def test_the_text_is_that_of_pycocotools(mask: NDArray[np.bool_]) -> None:
    made = Rle.from_mask(mask)
    assert made.text == theirs(mask)
    np.testing.assert_array_equal(made.mask(), mask)


@settings(max_examples=12)
@given(density=st.floats(0, 1), seed=st.integers(0, 9), size=st.sampled_from([(480, 640), (1080, 1920)]))
def test_full_frames_of_every_density(density: float, seed: int, size: tuple[int, int]) -> None:
    mask = np.zeros(size, bool)
    generator = np.random.default_rng(seed)
    patch = generator.random((60, 80)) < density
    y, x = generator.integers(0, size[0] - 60), generator.integers(0, size[1] - 80)
    mask[y : y + 60, x : x + 80] = patch
    for one in (mask, ~mask):
        made = Rle.from_mask(one)
        assert made.text == theirs(one)
        np.testing.assert_array_equal(made.mask(), one)


@given(mask=MASKS)
def test_uncompressed_counts_are_those_of_coco(mask: NDArray[np.bool_]) -> None:
    counts = counts_of(mask)
    height, width = mask.shape
    their = pycoco.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    assert Rle.from_counts(counts.tolist(), (height, width)).text == str(their["counts"], "ascii")
    np.testing.assert_array_equal(decompress(str(their["counts"], "ascii")), counts)


@given(mask=MASKS)
def test_area_and_box_are_read_off_the_runs(mask: NDArray[np.bool_]) -> None:
    made = Rle.from_mask(mask)
    their = {"size": list(mask.shape), "counts": made.text}
    assert made.area_px == pycoco.area(their) == np.count_nonzero(mask)
    assert made.box == mask_to_box(mask)


@given(counts=st.lists(st.integers(0, 2**27), min_size=1, max_size=60))
def test_large_counts_come_back(counts: list[int]) -> None:
    given_counts = np.array(counts, np.int64)
    np.testing.assert_array_equal(decompress(compress(given_counts)), given_counts)


def test_known_texts() -> None:
    # The top left pixel, the bottom right one, and all of a mask of 3 rows and 2 columns, by the format's definition.
    mask = np.zeros((3, 2), bool)
    mask[0, 0] = True
    assert counts_of(mask).tolist() == [0, 1, 5]
    assert Rle.from_mask(mask).text == "015"
    assert counts_of(mask[::-1, ::-1]).tolist() == [5, 1]
    assert counts_of(np.ones((3, 2), bool)).tolist() == [0, 6]
    assert counts_of(np.zeros((3, 2), bool)).tolist() == [6]


def test_json_comes_back_equal() -> None:
    mask = np.eye(5, 7, dtype=bool)
    made = Rle.from_mask(mask)
    assert Rle.from_json(made.to_json()) == made
    assert hash(Rle.from_json(made.to_json())) == hash(made)
    assert Rle.from_json({"size": [5, 7], "counts": counts_of(mask).tolist()}) == made
    assert Rle.from_json({"size": [5, 7], "counts": made.text.encode()}) == made


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "accepted"),
        ({"size": [2, 3]}, "accepted"),
        ({"size": [2, 3], "counts": 5}, "counts are 5"),
        ({"size": [2, 3], "counts": [6.0]}, "whole numbers"),
        ({"size": [2, 3], "counts": [[6]]}, "whole numbers"),
        ({"size": [2, 3], "counts": [[6], [1, 2]]}, "run lengths"),
        ({"size": [2, 3], "counts": []}, "whole numbers"),
        ({"size": [2, 3], "counts": [5]}, "sum 6"),
        ({"size": [2, 3], "counts": [-1, 7]}, "0 or more"),
        ({"size": [2, 3], "counts": ""}, "one or more characters"),
        ({"size": [2, 3], "counts": "5"}, "sum 6"),
        ({"size": [2, 3], "counts": "\x10"}, "characters"),
        ({"size": [2, 3], "counts": "p"}, "characters"),
        ({"size": [2, 3], "counts": "é"}, "characters"),
        ({"size": [2, 3], "counts": "6o"}, "cut off"),
        ({"size": [2, 3], "counts": "o" * 20 + "0"}, "damaged"),
        ({"size": [2], "counts": "6"}, "size"),
        ({"size": [0, 3], "counts": "0"}, "size"),
        ({"size": [2.0, 3], "counts": "6"}, "size"),
        ({"size": [MAX_PIXELS, 2], "counts": "6"}, "size"),
    ],
)
def test_what_is_damaged_is_refused(value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Rle.from_json(value)


@given(text=st.text(max_size=30))
def test_any_text_is_a_mask_or_an_input_error(text: str) -> None:
    try:
        made = Rle.from_json({"size": [4, 6], "counts": text})
    except InputError:
        return
    assert made.mask().shape == (4, 6)


ALPHABET = "".join(chr(code) for code in range(48, 112))
EDITS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("ird"), st.sampled_from(ALPHABET)), max_size=3)


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # of pycocotools with numpy 2
@settings(max_examples=400)
@given(mask=arrays.arrays(bool, (5, 7)), edits=EDITS)
def test_a_damaged_text_is_refused_or_means_what_pycocotools_reads(
    mask: NDArray[np.bool_], edits: list[tuple[int, str, str]]
) -> None:
    text = theirs(mask)
    for place, kind, character in edits:
        at = place % (len(text) + 1)
        text = text[:at] + ("" if kind == "d" else character) + text[at + (kind != "i") :]
    try:
        made = Rle.from_json({"size": [5, 7], "counts": text})
    except InputError:
        return
    np.testing.assert_array_equal(made.mask(), pycoco.decode({"size": [5, 7], "counts": text.encode()}))


@pytest.mark.parametrize(
    "mask", [np.zeros((2, 3), np.uint8), np.zeros(6, bool), np.zeros((1, 2, 3), bool), np.zeros((0, 3), bool)]
)
def test_what_is_no_mask_is_refused(mask: NDArray[Any]) -> None:
    with pytest.raises(InputError):
        Rle.from_mask(mask)
