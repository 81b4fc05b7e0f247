"""Fixations that a detector has split are joined by one rule."""

from __future__ import annotations

import pytest

from sam_edge.gaze.events import EventKind, Fixation, Phase, is_continuation, merge_fixations


def fixation(event_id: int, onset_ms: int, end_ms: int, *, x_px: float = 100.0, count: int = 10) -> Fixation:
    return Fixation(
        event_id,
        EventKind.FIXATION,
        Phase.END,
        onset_ms * 1_000_000,
        end_ms * 1_000_000,
        x_px,
        50.0,
        (4.0, 0.0, 4.0),
        count,
    )


@pytest.mark.parametrize(
    ("gap_ns", "x_px", "expected"),
    [(0, 0.0, True), (100, 3.0, True), (101, 0.0, False), (100, 3.1, False), (-1, 0.0, False)],
)
def test_both_limits_count_and_time_must_not_run_backwards(gap_ns: int, x_px: float, expected: bool) -> None:
    joins = is_continuation(
        500, (10.0, 20.0), 500 + gap_ns, (10.0 + x_px, 20.0), max_gap_ns=100, max_distance_px=3.0
    )
    assert joins is expected


def test_a_merged_fixation_spans_both_and_has_the_place_of_one() -> None:
    first, second = fixation(3, 0, 200), fixation(4, 250, 600, x_px=104.0, count=5)
    merged = merge_fixations(first, second, place=second)
    assert (merged.event_id, merged.onset_ns, merged.time_ns) == (3, 0, 600_000_000)
    assert (merged.x_px, merged.sample_count) == (104.0, 15)
    assert merge_fixations(first, second, place=first).x_px == 100.0
