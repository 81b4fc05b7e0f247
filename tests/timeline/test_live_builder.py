"""Tables of gaze that comes with each frame are those of gaze that is known beforehand."""

from __future__ import annotations

import pytest

from sam_edge.timeline import TimelineBuilder
from sam_edge.timeline.live_builder import LiveTimelineBuilder
from tests.timeline.made import FRAME_NS, PX_PER_DEG, look, rest, select

SHOWN = [None, None, 1, 1, 1, None, 2, 2, 2, 2, 1, 1]


@pytest.mark.parametrize("margin_deg", [0.0, 1.5])
def test_the_tables_do_not_depend_on_when_the_gaze_is_known(margin_deg: float) -> None:
    visits = look([(1, 0, 200), (2, 230, 400)])
    samples = [*visits, *rest(range(405, 480, 5), float("nan"), 0.0)]
    whole = TimelineBuilder(samples, px_per_deg=PX_PER_DEG, margin_deg=margin_deg)
    live = LiveTimelineBuilder(px_per_deg=PX_PER_DEG, margin_deg=margin_deg)
    for index, object_id in enumerate(SHOWN):
        begin_ns, end_ns = index * FRAME_NS, (index + 1) * FRAME_NS
        selection = select(begin_ns, object_id)
        own = [sample for sample in samples if begin_ns <= sample.time_ns < end_ns]
        whole.add(begin_ns, end_ns, selection)
        live.add_with_gaze(begin_ns, end_ns, selection, own)
    expected, found = whole.finish(), live.finish()
    for name in ("timeline", "samples", "fixations"):
        assert list(getattr(found, name)) == list(getattr(expected, name)), name


def test_tables_without_a_frame_are_empty() -> None:
    tables = LiveTimelineBuilder(px_per_deg=PX_PER_DEG).finish()
    assert [len(table) for table in (tables.timeline, tables.samples, tables.fixations)] == [0, 0, 0]
