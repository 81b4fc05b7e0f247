"""Visits, dwell times and transitions of made recordings, against values computed by hand, to the sample."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sam_edge._aoi import (
    LookOptions,
    Looks,
    ObjectMetrics,
    Section,
    count_transitions,
    find_visits,
    measure_objects,
    metrics_table,
    transitions_table,
)
from sam_edge._aoi.areas import Area
from sam_edge._aoi.gazeplotter import gazeplotter_table
from sam_edge._aoi.metric_tables import SectionMetrics
from sam_edge._aoi.sections import make_sections
from sam_edge.errors import InputError
from sam_edge.gaze.recordings.recorded_event import RecordedEvent
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.gaze.samples import GazeSample
from sam_edge.timeline import TimelineBuilder, TimelineTables
from tests.timeline.made import FRAME_NS, MIDDLES, PX_PER_DEG, rest, select

MS = 1_000_000
NOWHERE = (100.0, 110.0)
DEFAULT = LookOptions()
# Object (0: none), begin and end of each fixation, ms; gaze samples every 5 ms stand on it, both ends included.
SCENE = (
    (1, 100, 300),
    (1, 320, 600),
    (2, 640, 900),
    (0, 920, 1100),
    (2, 1120, 1200),  # 220 ms after the last one on object 2: the same visit
    (1, 1240, 1400),
    (0, 1420, 2000),
    (1, 2020, 2400),  # 620 ms after the last one on object 1: another visit
)
FRAMES = 64


def tables(
    scene: tuple[tuple[int, int, int], ...] = SCENE, *, step_ms: int = 5, shown_late: int = 0
) -> TimelineTables:
    """Build the tables of a scene; the object that is looked at is shown, some frames late."""
    samples: list[GazeSample] = []
    fixations = []
    for number, (object_id, begin_ms, end_ms) in enumerate(scene):
        place = MIDDLES.get(object_id, NOWHERE)
        samples += rest(range(begin_ms, end_ms + 1, step_ms), *place)
        fixations.append(RecordedFixation(number, begin_ms * MS, end_ms * MS))
    builder = TimelineBuilder(samples, px_per_deg=PX_PER_DEG, fixations=fixations)
    for index in range(FRAMES):
        time_ms = (index - shown_late) * 40
        last = [object_id for object_id, begin_ms, _ in scene if begin_ms < time_ms + 40 and object_id]
        time_ns = index * FRAME_NS
        builder.add(time_ns, time_ns + FRAME_NS, select(time_ns, last[-1] if last else None))
    return builder.finish()


def whole(found: TimelineTables, **options: Any) -> Looks:
    """Take the whole recording as one section."""
    section = Section("all", 0, FRAMES * FRAME_NS)
    return Looks.from_tables(found, section, replace(DEFAULT, **options))


def measure(looks: Looks, **options: Any) -> dict[int, ObjectMetrics]:
    return {item.object_id: item for item in measure_objects(looks, replace(DEFAULT, **options))}


class TestVisits:
    def test_end_with_another_object_or_a_long_pause(self) -> None:
        visits = find_visits(whole(tables()), DEFAULT)
        assert [
            (visit.object_id, visit.begin_ns // MS, visit.end_ns // MS, visit.fixations) for visit in visits
        ] == [
            (1, 100, 600, 2),
            (2, 640, 1200, 2),
            (1, 1240, 1400, 1),
            (1, 2020, 2400, 1),
        ]

    @pytest.mark.parametrize(("max_off_ms", "expected"), [(619.9, 3), (620.0, 2), (0.0, 4)])
    def test_the_pause_is_an_option(self, max_off_ms: float, expected: int) -> None:
        visits = find_visits(whole(tables()), LookOptions(max_off_ms=max_off_ms))
        assert sum(visit.object_id == 1 for visit in visits) == expected

    def test_transitions(self) -> None:
        visits = find_visits(whole(tables()), DEFAULT)
        assert count_transitions(visits) == {(1, 2): 1, (2, 1): 1, (1, 1): 1}

    def test_of_nothing(self) -> None:
        looks = whole(tables(((0, 100, 400),)))
        assert find_visits(looks, DEFAULT) == []
        assert measure_objects(looks, DEFAULT) == []


class TestMetrics:
    def test_equal_the_hand_computed_values(self) -> None:
        found = measure(whole(tables()))
        assert list(found) == [1, 2]
        assert found[1] == ObjectMetrics(
            object_id=1,
            label=None,
            fixations=4,
            total_fixation_ms=200 + 280 + 160 + 380,
            mean_fixation_ms=255.0,
            first_fixation_ms=200.0,
            time_to_first_fixation_ms=100.0,
            # Each sample lasts until the next one, 5 ms, also into the next fixation: 20 ms is a gap of four
            # intervals, so that the last sample of a fixation lasts 5 ms as well.
            dwell_ms=5.0 * (41 + 57 + 33 + 77),
            visits=3,
        )
        assert found[2].dwell_ms == 5.0 * (53 + 17)
        assert (found[2].visits, found[2].revisits, found[1].revisits) == (1, 0, 2)
        assert found[2].time_to_first_fixation_ms == 640.0

    def test_an_object_that_was_not_looked_at_has_a_line(self) -> None:
        (*_, third) = measure_objects(whole(tables()), DEFAULT, areas=[Area(7, "cup")])
        assert third == ObjectMetrics(7, "cup", 0, 0.0, None, None, None, 0.0, 0, visible_ms=0.0)
        assert not third.hit
        assert third.revisits == 0

    def test_samples_before_the_mask_appears_count(self) -> None:
        """The mask appears five frames late: dwell, visits and times are the same."""
        late = measure(whole(tables(((1, 100, 600), (2, 640, 1200), (1, 1240, 1800)), shown_late=5)))
        prompt = measure(whole(tables(((1, 100, 600), (2, 640, 1200), (1, 1240, 1800)))))
        assert late == prompt

    def test_a_fixation_near_an_object_and_not_on_it_does_not_count(self) -> None:
        """A degree outside the outline, with an error of 0.6 degrees: 5 % that it was on it."""
        samples = rest(range(0, 400, 5), 70.0, 40.0)
        builder = TimelineBuilder(
            samples, px_per_deg=PX_PER_DEG, fixations=[RecordedFixation(1, 0, 395 * MS)]
        )
        for index in range(10):
            builder.add(index * FRAME_NS, (index + 1) * FRAME_NS, select(index * FRAME_NS, 1))
        found = builder.finish()
        assert measure(whole(found)) == {}
        assert measure(whole(found, min_on_object=0.04), min_on_object=0.04)[1].dwell_ms == 400.0

    def test_lost_samples_do_not_count(self) -> None:
        samples = [*rest(range(0, 200, 5), *MIDDLES[1])]
        samples[10:14] = [GazeSample(sample.time_ns, math.nan, math.nan) for sample in samples[10:14]]
        builder = TimelineBuilder(
            samples, px_per_deg=PX_PER_DEG, fixations=[RecordedFixation(1, 0, 195 * MS)]
        )
        for index in range(5):
            builder.add(index * FRAME_NS, (index + 1) * FRAME_NS, select(index * FRAME_NS, 1))
        assert measure(whole(builder.finish()))[1].dwell_ms == 5.0 * 36

    def test_a_hole_in_the_recording_does_not_count(self) -> None:
        """Samples up to 100 ms, then from 400 ms on, all on the object."""
        found = measure(whole(tables(((1, 0, 100), (1, 400, 500)))))
        assert found[1].dwell_ms == 5.0 * 42


class TestSections:
    def test_count_what_begins_in_them(self) -> None:
        found = tables()
        second = Looks.from_tables(found, Section("second", 640 * MS, 1300 * MS), DEFAULT)
        metrics = measure(second)
        assert metrics[2].time_to_first_fixation_ms == 0.0
        assert (metrics[1].fixations, metrics[1].time_to_first_fixation_ms) == (1, 600.0)
        # Of the fixation from 1240 to 1400 ms, 12 samples lie before the section's end.
        assert metrics[1].dwell_ms == 5.0 * 12
        assert count_transitions(find_visits(second, DEFAULT)) == {(2, 1): 1}

    def test_a_sample_lasts_no_longer_than_its_section(self) -> None:
        looks = Looks.from_tables(tables(), Section("short", 100 * MS, 113 * MS), DEFAULT)
        np.testing.assert_array_equal(looks.interval_ns, [5 * MS, 5 * MS, 3 * MS])

    def test_without_gaze(self) -> None:
        looks = Looks.from_tables(tables(), Section("late", 10_000 * MS, 11_000 * MS), DEFAULT)
        assert measure_objects(looks, DEFAULT) == []

    def test_the_end_is_after_the_beginning(self) -> None:
        with pytest.raises(InputError, match=r"section x: ends at 1 s, and begins at 2 s; give an end after"):
            Section("x", 2000 * MS, 1000 * MS)


class TestSectionTexts:
    EVENTS = tuple(
        RecordedEvent(time_ms * MS, name)
        for time_ms, name in (
            (0, "recording.begin"),
            (200, "task"),
            (900, "rest"),
            (1000, "task"),
            (1800, "rest"),
        )
    )
    SAMPLES = tuple(rest(range(0, 2000, 5), *NOWHERE))

    def make(self, *texts: str) -> list[tuple[str, int, int]]:
        sections = make_sections(texts, self.SAMPLES, self.EVENTS, 2000 * MS)
        return [(section.name, section.begin_ns // MS, section.end_ns // MS) for section in sections]

    def test_between_times_and_events(self) -> None:
        assert self.make("0.1..1.5", "search=task..rest", "task..task", "b=rest..1.2", "c=0.95..rest") == [
            ("0.1..1.5", 100, 1500),
            ("search", 200, 900),
            ("task..task", 200, 1000),
            ("b", 900, 1200),
            ("c", 950, 1800),
        ]

    def test_without_any_it_is_the_whole(self) -> None:
        assert self.make() == [("recording", 0, 2000)]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("pause..rest", r"no event 'pause'; the recording's events are recording\.begin, task, rest"),
            ("1.9..rest", r"no event 'rest' after 1\.900 s"),
            ("rest..0.5", "ends at 0.5 s, and begins at 0.9 s"),
            ("5..6", r"from 5\.000 to 6\.000 s, has no valid gaze sample; the video ends at 2\.000 s"),
        ],
    )
    def test_refused(self, text: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            self.make(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_on_object", 0.0), ("min_on_object", 1.1), ("max_off_ms", -1.0), ("max_off_ms", math.nan)],
)
def test_impossible_options_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name}: {value}; accepted"):
        LookOptions(**{name: value})


def test_the_tables_have_pupil_clouds_names() -> None:
    looks = whole(tables())
    visits = find_visits(looks, DEFAULT)
    sections = [SectionMetrics("all", measure_objects(looks, DEFAULT), count_transitions(visits))]
    first, second = metrics_table("trip", sections)
    assert first == {
        "recording name": "trip",
        "section": "all",
        "label id": 1,
        "aoi label": None,
        "total fixations": 4,
        "total fixation duration [ms]": 1020.0,
        "average fixation duration [ms]": 255.0,
        "first fixation duration [ms]": 200.0,
        "time to first fixation [ms]": 100.0,
        "dwell time [ms]": 1040.0,
        "visits": 3,
        "revisits": 2,
        "hit": True,
        "shared fixations": 0,
        "visible time [ms]": None,
    }
    assert second["label id"] == 2
    rows = [(row["from"], row["to"], row["count"]) for row in transitions_table("trip", sections)]
    assert rows == [(1, 1, 1), (1, 2, 1), (2, 1, 1)]


def test_gazeplotter() -> None:
    """Times count from the beginning of each section; a fixation on no object has no AOI."""
    found = tables()
    sections = [
        Looks.from_tables(found, Section(name, begin_ms * MS, end_ms * MS), DEFAULT)
        for name, begin_ms, end_ms in (("a", 0, 700), ("b", 700, 1300))
    ]
    table = gazeplotter_table("trip", [replace(looks, labels={2: "cup"}) for looks in sections])
    assert ",".join(table.names) == "stimulus,participant,timestamp,duration,eyemovementtype,AOI"
    rows = [(row["stimulus"], row["timestamp"], row["duration"], row["AOI"]) for row in table]
    assert rows == [
        ("a", 100.0, 200.0, "1"),
        ("a", 320.0, 280.0, "1"),
        ("a", 640.0, 260.0, "cup"),
        ("b", 220.0, 180.0, None),
        ("b", 420.0, 80.0, "cup"),
        ("b", 540.0, 160.0, "1"),
    ]
    assert {(row["participant"], row["eyemovementtype"]) for row in table} == {("trip", 0)}
    assert len(gazeplotter_table("trip", [])) == 0
