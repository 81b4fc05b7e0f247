"""The tables of made recordings, against values computed by hand."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import ObjectEvent
from sam_edge.stream.selection import State
from sam_edge.timeline import TimelineBuilder, TimelineTables
from tests.timeline.made import FRAME_NS, MIDDLES, PX_PER_DEG, look, rest, select

LOST = (math.nan, math.nan)
IN_1: Any = pytest.approx((1 - 2 * NormalDist(0, 6).cdf(-20)) ** 2, abs=1e-3)
"""Probability on object 1 of gaze on its middle, 20 pixels from each side, with an error of 6 pixels."""


def build(
    samples: list[GazeSample], objects: list[int | None], *, margin_deg: float = 0.0, **options: object
) -> TimelineTables:
    """Build the tables of frames of 40 ms that show the given objects."""
    fixations = options.get("fixations")
    assert fixations is None or isinstance(fixations, list)
    builder = TimelineBuilder(samples, px_per_deg=PX_PER_DEG, margin_deg=margin_deg, fixations=fixations)
    for index, object_id in enumerate(objects):
        time_ns = index * FRAME_NS
        builder.add(time_ns, time_ns + FRAME_NS, select(time_ns, object_id))
    return builder.finish()


class TestSamples:
    def test_each_sample_is_compared_with_the_frame_that_is_shown_at_its_time(self) -> None:
        """Frames of 40 ms show objects 1, none and 2; a sample on a boundary belongs to the later frame."""
        samples = rest([-1, 0, 39, 40, 79, 80, 119, 120], 40.0, 40.0)
        rows = list(build(samples, [1, None, 2]).samples)
        assert [row["object"] for row in rows] == [None, 1, 1, None, None, 2, 2, None]
        assert [row["time_s"] for row in rows] == [-0.001, 0.0, 0.039, 0.04, 0.079, 0.08, 0.119, 0.12]
        assert [row["on_object"] for row in rows] == [None, IN_1, IN_1, None, None, 0, 0, None]
        # Object 2 begins 80 pixels to the right; ten pixels are a degree.
        assert [row["distance_deg"] for row in rows] == [None, 0, 0, None, None, 8.0, 8.0, None]

    def test_without_an_own_uncertainty_it_is_six_tenths_of_a_degree(self) -> None:
        samples = rest([0], 66.0, 40.0)
        (row,) = build(samples, [1]).samples
        assert row["distance_deg"] == 0.6
        # The box ends 6 pixels to the left; the other sides are far away.
        assert row["on_object"] == pytest.approx(NormalDist(0, 0.6).cdf(-0.6), abs=4e-3)

    def test_the_uncertainty_of_a_sample_counts(self) -> None:
        samples = [
            GazeSample(0, 66.0, 40.0, covariance_px2=(9.0, 0.0, 9.0)),
            GazeSample(1, 66.0, 40.0, covariance_px2=(math.nan, 0.0, 9.0)),
            GazeSample(2, 66.0, 40.0, covariance_px2=(1.0, 5.0, 1.0)),
        ]
        rows = list(build(samples, [1]).samples)
        assert rows[0]["on_object"] == pytest.approx(NormalDist().cdf(-2.0), abs=4e-3)
        assert rows[1]["on_object"] == rows[2]["on_object"] == pytest.approx(NormalDist().cdf(-1.0), abs=4e-3)

    def test_a_margin_widens_the_object_and_leaves_the_distance(self) -> None:
        (row,) = build(rest([0], 66.0, 40.0), [1], margin_deg=0.6).samples
        assert row["distance_deg"] == 0.6
        assert row["on_object"] == pytest.approx(0.5, abs=4e-3)

    def test_a_lost_sample_is_kept_without_values(self) -> None:
        samples = [GazeSample(0, *LOST), GazeSample(1, 40.0, 40.0, confidence=0.0), GazeSample(2, 40.0, 40.0)]
        lost, doubtful, seen = build(samples, [1]).samples
        assert lost == doubtful | {"time_s": 0.0}
        assert lost == {
            "time_s": 0.0,
            "x_px": None,
            "y_px": None,
            "valid": False,
            "object": 1,
            "on_object": None,
            "distance_deg": None,
        }
        assert seen["valid"] is True


class TestFrames:
    def test_a_line_a_frame(self) -> None:
        samples = [
            *rest([0, 10], 40.0, 40.0),
            GazeSample(20_000_000, *LOST),
            *rest([30], 66.0, 43.0),
            GazeSample(50_000_000, *LOST),
        ]
        first, second, third = build(samples, [1, 1, None]).timeline
        on_edge = NormalDist().cdf(-1.0)
        assert first == {
            "frame": 0,
            "time_s": 0.0,
            "object": 1,
            "label": None,
            "state": "focused",
            "origin": "propagated",
            "age_ms": 80.0,
            "predicted_iou": 0.8765,
            "x0": 20.0,
            "y0": 20.0,
            "x1": 60.0,
            "y1": 60.0,
            "area_px": 1600,
            "gaze_x_px": 48.667,
            "gaze_y_px": 41.0,
            "gaze_valid": True,
            "on_object": pytest.approx((2 + on_edge) / 3, abs=2e-3),
            "fixation": None,
        }
        assert (second["gaze_valid"], second["gaze_x_px"], second["on_object"]) == (False, None, None)
        assert (second["time_s"], second["object"], third["time_s"]) == (0.04, 1, 0.08)
        empty = {name for name, value in third.items() if value is None}
        assert empty == set(third) - {"frame", "time_s", "state", "origin", "gaze_valid"}
        assert (third["state"], third["origin"]) == ("none", "none")

    def test_a_late_mask_is_as_old_as_its_frame_and_the_delay(self) -> None:
        """In the live mode a frame may show the selection of an earlier one."""
        builder = TimelineBuilder([], px_per_deg=PX_PER_DEG, fixations=[])
        builder.add(3 * FRAME_NS, 4 * FRAME_NS, select(FRAME_NS, 1))
        (row,) = builder.finish().timeline
        assert row["age_ms"] == 80.0 + 2 * 40.0

    @pytest.mark.parametrize("state", [State.HOVER, State.HELD])
    def test_an_object_is_named_in_every_state_that_shows_it(self, state: State) -> None:
        builder = TimelineBuilder([], px_per_deg=PX_PER_DEG, fixations=[])
        builder.add(0, FRAME_NS, select(0, 2, state))
        (row,) = builder.finish().timeline
        assert (row["object"], row["state"]) == (2, state.value)

    def test_the_fixation_is_the_one_that_covers_most_of_the_frame(self) -> None:
        fixations = [
            RecordedFixation(7, -20_000_000, 50_000_000),
            RecordedFixation(8, 65_000_000, 90_000_000),
            RecordedFixation(9, 130_000_000, 131_000_000),
        ]
        tables = build([], [None] * 5, fixations=fixations)
        assert [row["fixation"] for row in tables.timeline] == [7, 8, 8, 9, None]

    def test_a_frame_that_is_shown_for_no_time_has_no_samples(self) -> None:
        builder = TimelineBuilder(rest([0, 1], 40.0, 40.0), px_per_deg=PX_PER_DEG)
        builder.add(0, 0, select(0, 2))
        builder.add(0, FRAME_NS, select(0, 1))
        tables = builder.finish()
        assert [row["gaze_valid"] for row in tables.timeline] == [False, True]
        assert [row["object"] for row in tables.samples] == [1, 1]


class TestFixations:
    def test_of_the_detector(self) -> None:
        """Two visits of 400 ms; the first mask is shown 120 ms after the gaze has landed."""
        samples = look([(1, 0, 400), (2, 420, 820)])
        tables = build(samples, [None] * 3 + [1] * 9 + [2] * 10)
        rows = list(tables.fixations)
        assert [row["fixation"] for row in rows] == [1, 2]
        assert [row["object"] for row in rows] == [1, 2]
        assert [row["kind"] for row in rows] == ["fixation", "fixation"]
        first, second = rows
        assert (first["start_s"], first["x_px"], first["y_px"]) == (0.0, *MIDDLES[1])
        assert first["end_s"] == pytest.approx(0.395, abs=0.006)
        assert second["start_s"] == pytest.approx(0.42, abs=0.006)
        for row in rows:
            start_s, end_s = row["start_s"], row["end_s"]
            assert isinstance(start_s, float)
            assert isinstance(end_s, float)
            assert row["duration_ms"] == pytest.approx((end_s - start_s) * 1e3)
        assert (second["on_object"], second["distance_deg"], second["spread_px"]) == (1.0, 0.0, 0.0)
        assert [row["fixation"] for row in tables.timeline][3:5] == [1, 1]

    def test_of_the_tracker_keep_numbers_and_times(self) -> None:
        samples = [*rest([0, 10, 20, 30], 40.0, 40.0), *rest([40, 50, 60, 70], 44.0, 40.0)]
        fixations = [
            RecordedFixation(308, 0, 70_000_000, 41.5, 39.5),
            RecordedFixation(311, 40_000_000, 50_000_000),
            RecordedFixation(312, 200_000_000, 300_000_000, 7.0, 8.0),
        ]
        whole, half, outside = build(samples, [1, 1], fixations=fixations).fixations
        # Half of the samples lie two pixels to the left of their mean, half to the right.
        assert (whole["fixation"], whole["x_px"], whole["y_px"], whole["spread_px"]) == (308, 42.0, 40.0, 2.0)
        assert (whole["start_s"], whole["end_s"], whole["duration_ms"]) == (0.0, 0.07, 70.0)
        assert (half["x_px"], half["y_px"], half["object"]) == (44.0, 40.0, 1)
        assert outside == {
            "fixation": 312,
            "kind": "fixation",
            "start_s": 0.2,
            "end_s": 0.3,
            "duration_ms": 100.0,
            "x_px": 7.0,
            "y_px": 8.0,
            "spread_px": None,
            "object": None,
            "label": None,
            "on_object": None,
            "distance_deg": None,
        }

    def test_the_object_is_the_one_with_most_probability_not_the_one_shown_longest(self) -> None:
        """Object 2 is still held for three frames after gaze has gone to object 1."""
        samples = rest(np.arange(0, 200, 5).tolist(), *MIDDLES[1])
        (row,) = build(samples, [2, 2, 2, 1, 1]).fixations
        assert (row["object"], row["on_object"], row["distance_deg"]) == (1, IN_1, 0.0)

    def test_near_the_held_object_and_on_none_the_probability_says_so(self) -> None:
        samples = rest(np.arange(0, 200, 5).tolist(), 100.0, 40.0)
        (row,) = build(samples, [1] * 5).fixations
        assert (row["object"], row["on_object"], row["distance_deg"]) == (1, 0.0, 4.0)

    def test_shorter_than_60_ms_are_left_out(self) -> None:
        samples = look([(1, 0, 400), (2, 420, 460), (1, 480, 900)])
        rows = list(build(samples, [1] * 23).fixations)
        assert [row["fixation"] for row in rows] == [1, 2]
        assert all(row["object"] == 1 for row in rows)

    def test_a_short_loss_does_not_split_a_fixation(self) -> None:
        samples = look([(1, 0, 300), (1, 350, 700)])
        (row,) = build(samples, [1] * 18).fixations
        assert row["duration_ms"] == pytest.approx(695, abs=10)


class TestNames:
    def build(self, objects: list[int], events: dict[int, list[ObjectEvent]]) -> TimelineTables:
        """Build the tables of frames with events at some of them."""
        builder = TimelineBuilder(look([(1, 0, len(objects) * 40)]), px_per_deg=PX_PER_DEG)
        for index, object_id in enumerate(objects):
            time_ns = index * FRAME_NS
            selection = replace(select(time_ns, 1), object_id=object_id)
            builder.add(time_ns, time_ns + FRAME_NS, selection, events=events.get(index, []))
        return builder.finish()

    def test_merged_numbers_are_replaced_from_the_beginning(self) -> None:
        """5 turns out to be 3, and later 3 to be 2."""
        events = {
            4: [ObjectEvent("merged", 4 * FRAME_NS, 3, 5)],
            6: [ObjectEvent("merged", 6 * FRAME_NS, 2, 3, label="cup")],
        }
        tables = self.build([5, 5, 3, 9, 5, 3, 2, 2], events)
        assert [row["object"] for row in tables.timeline] == [2, 2, 2, 9, 2, 2, 2, 2]
        assert [row["label"] for row in tables.timeline] == ["cup"] * 3 + [None] + ["cup"] * 4
        assert {row["object"] for row in tables.samples} == {2, 9}
        (fixation,) = tables.fixations
        assert (fixation["object"], fixation["label"]) == (2, "cup")

    def test_without_the_merge_the_fixation_is_on_the_object_of_most_samples(self) -> None:
        (fixation,) = self.build([5, 5, 3, 3, 3], {}).fixations
        assert (fixation["object"], fixation["label"]) == (3, None)

    def test_the_newest_label_counts_for_all_rows(self) -> None:
        events = {
            1: [ObjectEvent("renamed", FRAME_NS, 1, label="cup")],
            2: [ObjectEvent("renamed", 2 * FRAME_NS, 1, label="mug"), ObjectEvent("forgotten", 0, 1)],
        }
        assert [row["label"] for row in self.build([1, 1, 1, 2], events).timeline] == ["mug"] * 3 + [None]

    def test_a_selection_brings_its_label(self) -> None:
        builder = TimelineBuilder([], px_per_deg=PX_PER_DEG)
        builder.add(0, FRAME_NS, replace(select(0, 1), label="cup"))
        (row,) = builder.finish().timeline
        assert row["label"] == "cup"


def test_nothing_at_all() -> None:
    tables = build([], [])
    assert [len(table) for table in (tables.timeline, tables.samples, tables.fixations)] == [0, 0, 0]


def test_an_hour_of_frames_is_kept_compactly() -> None:
    """Masks are not kept: a frame takes some hundred bytes, whatever its size."""
    builder = TimelineBuilder(look([(1, 0, 4000)]), px_per_deg=PX_PER_DEG, fixations=[])

    def add(count: int) -> int:
        for index in range(count):
            builder.add(index * FRAME_NS, (index + 1) * FRAME_NS, select(index * FRAME_NS, 1 + index % 2))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = add(100)
        growth = add(400) - before
    finally:
        tracemalloc.stop()
    assert growth / 400 < 400
