"""A closed session frees what it holds at once: servers hold many, one after the other."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sam_edge
from sam_edge.config import Mode
from sam_edge.gaze.samples import GazeSample
from sam_edge.stream import GazeSession

FRAME_NS = 40_000_000


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Python does not look for objects that refer to each other in a circle."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("mode", ["live", "sequential"])
@pytest.mark.usefixtures("no_collector")
def test_a_closed_session_leaves_nothing_for_the_garbage_collector(
    mode: Mode, texture: Callable[..., NDArray[np.uint8]], gaze_at: Callable[..., list[GazeSample]]
) -> None:
    left: list[weakref.ref[Any]] = []

    def use_one() -> None:
        with (
            sam_edge.load(runtime="fake") as model,
            GazeSession(model, mode=mode, px_per_deg=15.0) as session,
        ):
            samples = gaze_at((800, 60, 50), (400, 120, 55))
            for index in range(30):
                time_ns = index * FRAME_NS
                session.feed(s for s in samples if time_ns - FRAME_NS < s.time_ns <= time_ns)
                image = texture(index % 8)
                left.append(weakref.ref(image))
                session.step(image, time_ns)
            session.pin()
            left.append(weakref.ref(session))

    use_one()
    assert len(left) == 31
    assert [ref() for ref in left if ref() is not None] == []
