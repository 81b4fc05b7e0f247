"""How an object looks, as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from sam_edge.identity.appearance import COLOURS, describe, describe_colour, ring_round


def square(x0: int, y0: int, x1: int, y1: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    mask = np.zeros((60, 80), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_colours_are_those_under_the_mask_alone() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[10:30, 10:30] = (200, 30, 30)
    image[:, 50:] = (30, 200, 30)
    red, green, both = (
        describe_colour(image, mask)
        for mask in (square(10, 10, 30, 30), square(50, 0, 80, 60), square(20, 10, 60, 30))
    )
    assert red.shape == (COLOURS,)
    assert float(red @ red) == pytest.approx(1, abs=1e-6)
    assert float(red @ green) == 0
    assert 0.3 < float(red @ both) < 1


def test_brightness_changes_colours_less_than_another_hue_does() -> None:
    noise = np.random.default_rng(0).normal(0, 12, (60, 80, 3))
    mask = square(0, 0, 80, 60)
    colour, brighter, other = (
        describe_colour(np.clip(np.array(rgb) + noise, 0, 255).astype(np.uint8), mask)
        for rgb in ((150, 80, 60), (168, 90, 67), (60, 80, 150))
    )
    assert float(colour @ brighter) > 0.5 > float(colour @ other)


def test_an_empty_mask_has_no_colours() -> None:
    assert not describe_colour(np.zeros((60, 80, 3), np.uint8), square(0, 0, 0, 0)).any()


@pytest.mark.parametrize("box", [(30, 20, 50, 40), (0, 0, 10, 10), (70, 50, 80, 60), (0, 0, 80, 60)])
def test_the_surroundings_leave_the_object_out(box: tuple[int, int, int, int]) -> None:
    mask = square(*box)
    ring = ring_round(mask)
    assert not (ring & mask).any()
    assert ring.any() == (not mask.all())


def test_the_texture_is_the_mean_of_the_cells_on_the_object() -> None:
    cells = np.zeros((3, 2, 2), np.float32)
    cells[:, 0, 0], cells[:, 1, 1] = (1, 2, 3), (3, 2, 1)
    coverage = np.array([[1.0, 0.0], [0.0, 0.5]], np.float32)
    image, mask = np.zeros((60, 80, 3), np.uint8), square(0, 0, 40, 30)
    assert describe(image, mask, cells, coverage).texture == pytest.approx([5 / 3, 2, 7 / 3])
    assert describe(image, mask).texture.shape == (0,)
