"""A made recording of two objects with known visits, and its study."""

from __future__ import annotations

from sam_edge._aoi import LookOptions, Section
from sam_edge._aoi.study import Study
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import ObjectEvent
from sam_edge.stream.selection import Selection
from sam_edge.timeline import TimelineBuilder, TimelineTables
from tests.timeline.made import FRAME_NS, MIDDLES, PX_PER_DEG, SIZE, rest, select

MS = 1_000_000
FRAMES = 50
NOWHERE = (100.0, 110.0)
SCENE = ((1, 100, 300), (2, 340, 600), (0, 640, 800), (1, 840, 1000), (2, 1200, 1600))
"""Object (0: none), begin and end of each fixation, ms; samples every 5 ms, both ends included."""
STUDY = Study(
    "trip one",
    SIZE,
    FRAMES * FRAME_NS,
    (Section("search", 0, 800 * MS), Section("rest", 800 * MS, 2000 * MS)),
    LookOptions(),
    ("gaze: 3 % of the samples are lost",),
)


def shown_on(index: int, scene: tuple[tuple[int, int, int], ...] = SCENE) -> int | None:
    """Return the object that a frame shows: that of the last fixation on one that has begun before its end."""
    begun = [number for number, begin_ms, _ in scene if number and begin_ms < (index + 1) * 40]
    return begun[-1] if begun else None


def selection_on(index: int) -> Selection:
    """Return the selection of a frame."""
    return select(index * FRAME_NS, shown_on(index))


def make_tables(*events: ObjectEvent) -> TimelineTables:
    """Return the tables of the recording; `events` became known on the last frame."""
    samples: list[GazeSample] = []
    fixations = []
    for number, (object_id, begin_ms, end_ms) in enumerate(SCENE, 1):
        samples += rest(range(begin_ms, end_ms + 1, 5), *MIDDLES.get(object_id, NOWHERE))
        fixations.append(RecordedFixation(number, begin_ms * MS, end_ms * MS))
    builder = TimelineBuilder(samples, px_per_deg=PX_PER_DEG, fixations=fixations)
    for index in range(FRAMES):
        known = events if index == FRAMES - 1 else ()
        builder.add(index * FRAME_NS, (index + 1) * FRAME_NS, selection_on(index), events=known)
    return builder.finish()
