"""Defined AOIs in the metrics: several at once, visible and not looked at, and names and merges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sam_edge._aoi.areas import AREA_SAMPLE_COLUMNS, Area
from sam_edge._aoi.edits import ObjectEdits
from sam_edge._aoi.report.dwell_runs import find_dwell_runs
from sam_edge._aoi.report.page_data import page_data
from sam_edge._aoi.study import Study
from sam_edge._aoi.summary import AoiResult, summarise
from sam_edge.errors import InputError
from sam_edge.timeline import Table, TimelineTables
from sam_edge.timeline.table import text_values
from tests.aoi.made import MS, STUDY, make_tables

TRAY, LAMP = 11, 12
AREAS = (
    Area(TRAY, "tray", ((0, 500 * MS), (900 * MS, 1000 * MS))),
    Area(LAMP, "lamp", ((600 * MS, 1700 * MS),)),
)
"""The tray is under object 1 in its first fixation, 100 to 300 ms, and under object 2 in the next, 340 to 600 ms."""


def with_areas(on_from_ms: int = 100, on_to_ms: int = 600) -> TimelineTables:
    """Return the made recording, whose samples of a stretch are on the tray with a probability of 0.9."""
    tables = make_tables()
    times_ns = tables.samples.values["time_s"]
    on = times_ns[(times_ns >= on_from_ms * MS) & (times_ns <= on_to_ms * MS)]
    values = {
        "time_s": on,
        "object": np.full(len(on), TRAY),
        "label": text_values(["tray"] * len(on)),
        "on_object": np.full(len(on), 0.9),
    }
    return replace(tables, on_areas=Table.from_values(AREA_SAMPLE_COLUMNS, values))


def whole() -> Study:
    return replace(STUDY, sections=STUDY.sections[:1], areas=AREAS)


def rows_of(result: AoiResult) -> dict[Any, Any]:
    return {row["label id"]: row for row in result.metrics}


@pytest.fixture
def result() -> AoiResult:
    return summarise(whole(), with_areas())


def test_a_fixation_on_several_aois_counts_for_each(result: AoiResult) -> None:
    rows = rows_of(result)
    assert [rows[number]["total fixations"] for number in (1, 2, TRAY)] == [1, 1, 2]
    assert [rows[number]["shared fixations"] for number in (1, 2, TRAY)] == [1, 1, 2]
    assert rows[TRAY]["total fixation duration [ms]"] == 200 + 260
    # The tray is one visit, though the gaze goes from one object on it to another.
    assert [rows[number]["visits"] for number in (1, 2, TRAY)] == [1, 1, 1]
    # Samples every 5 ms with both ends: 41 of the first fixation, the last of which lasts 5 ms, and 53 of the second.
    assert rows[TRAY]["dwell time [ms]"] == 5 * (41 + 53)
    assert rows[1]["dwell time [ms]"] == 5 * 41


def test_one_that_was_not_looked_at_has_its_visible_time(result: AoiResult) -> None:
    lamp = rows_of(result)[LAMP]
    assert (lamp["aoi label"], lamp["hit"], lamp["total fixations"], lamp["visits"]) == ("lamp", False, 0, 0)
    # Of the section, which ends at 800 ms.
    assert lamp["visible time [ms]"] == 200
    assert rows_of(result)[TRAY]["visible time [ms]"] == 500
    assert rows_of(result)[1]["visible time [ms]"] is None


def test_the_other_tables(result: AoiResult) -> None:
    assert [(row["label id"], row["fixation id"]) for row in result.aoi_fixations] == [
        (1, 1),
        (TRAY, 1),
        (2, 2),
        (TRAY, 2),
    ]
    assert [row["AOI"] for row in result.gazeplotter] == ["1|tray", "2|tray", None]
    assert [(row["from"], row["to"]) for row in result.transitions] == [(1, TRAY), (TRAY, 2)]


def test_one_on_nothing_else_takes_the_place_of_no_object() -> None:
    """The third fixation, from 640 to 800 ms, is on no object that gaze met."""
    rows = rows_of(summarise(whole(), with_areas(640, 800)))
    assert (rows[TRAY]["total fixations"], rows[TRAY]["shared fixations"]) == (1, 0)
    assert rows[TRAY]["time to first fixation [ms]"] == 640


def test_a_fixation_that_is_on_it_for_less_than_half_does_not_count() -> None:
    assert rows_of(summarise(whole(), with_areas(100, 180)))[TRAY]["total fixations"] == 0


def test_the_page_has_the_same_dwell_times() -> None:
    study = whole()
    data = page_data(study, with_areas(), {})
    runs = find_dwell_runs(with_areas(), study)
    assert sum(run.end_ns - run.begin_ns for run in runs if run.object_id == TRAY) == 5 * (41 + 53) * MS
    assert [entry[2] for entry in data["fixations"][:4]] == [1, TRAY, 2, TRAY]
    assert [item["visible"] for item in data["objects"]] == [
        None,
        None,
        [[0, 500], [900, 1000]],
        [[600, 1700]],
    ]


def test_names_and_merges_of_aois() -> None:
    edits = ObjectEdits({TRAY: "board"}, {LAMP: TRAY})
    areas = edits.apply_to_areas(AREAS)
    assert areas == (Area(TRAY, "board", ((0, 500 * MS), (600 * MS, 1700 * MS))),)
    tables = edits.apply(with_areas(), AREAS)
    assert tables.on_areas is not None
    assert set(tables.on_areas.values["label"].tolist()) == {"board"}
    rows = rows_of(summarise(replace(whole(), areas=areas), tables))
    assert (rows[TRAY]["aoi label"], rows[TRAY]["visible time [ms]"]) == ("board", 700)
    assert LAMP not in rows


def test_an_unknown_number_is_refused() -> None:
    with pytest.raises(InputError, match="object 13 is not in the tables; accepted: 1, 2, 11, 12"):
        ObjectEdits({13: "x"}, {}).apply(with_areas(), AREAS)
