"""Which masks may be references: the rules, each by itself."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.stream.trust import ReferenceRules, has_distractor

GRID = (60, 80)
Box = tuple[int, int, int, int]


def mask_of(*boxes: Box) -> NDArray[np.bool_]:
    """Fill boxes x0, y0, x1, y1."""
    mask = np.zeros(GRID, np.bool_)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


def logits_of(*boxes: Box) -> NDArray[np.float32]:
    return np.where(mask_of(*boxes), 8, -8).astype(np.float32)


@pytest.mark.parametrize(
    ("score", "distractor", "looked_at", "accepted"),
    [
        (0.81, False, True, True),
        (0.79, False, True, False),
        (0.95, True, True, False),
        (0.95, False, False, False),
    ],
)
def test_a_reference_is_sure_alone_and_looked_at(
    score: float, distractor: bool, looked_at: bool, accepted: bool
) -> None:
    rules = ReferenceRules()
    mask = logits_of((10, 10, 30, 30))
    assert rules.accept(mask, score, distractor=distractor, looked_at=looked_at) is accepted


def test_an_empty_mask_is_no_reference() -> None:
    assert not ReferenceRules().accept(logits_of(), 0.99, distractor=False)


@pytest.mark.parametrize(
    ("width", "accepted"), [(20, True), (24, True), (25, False), (16, True), (15, False)]
)
def test_a_reference_has_the_usual_size_within_a_fifth(width: int, accepted: bool) -> None:
    rules = ReferenceRules()
    for _ in range(5):
        rules.accept(logits_of((10, 10, 30, 30)), 0.9, distractor=False)
    assert rules.accept(logits_of((10, 10, 10 + width, 30)), 0.9, distractor=False) is accepted


def test_a_new_size_becomes_the_usual_one() -> None:
    rules = ReferenceRules()
    for _ in range(5):
        rules.accept(logits_of((10, 10, 30, 30)), 0.9, distractor=False)
    taken = [rules.accept(logits_of((10, 10, 50, 30)), 0.9, distractor=False) for _ in range(8)]
    assert taken[0] is False
    assert taken[-1] is True


@pytest.mark.parametrize(
    ("other", "seen"),
    [
        # A twin next to it, with or without the object itself.
        ([(40, 10, 60, 30)], True),
        ([(10, 10, 30, 30), (40, 10, 60, 30)], True),
        # A part of it, a slightly larger reading, and specks far away.
        ([(12, 12, 20, 20)], False),
        ([(9, 9, 32, 31)], False),
        ([(70, 50, 72, 51)], False),
        ([], False),
    ],
)
def test_a_distractor_widens_the_box(other: list[Box], seen: bool) -> None:
    assert has_distractor(mask_of((10, 10, 30, 30)), [mask_of(*other)]) is seen


def test_nothing_has_no_distractor() -> None:
    assert not has_distractor(mask_of(), [mask_of((0, 0, 20, 20))])
