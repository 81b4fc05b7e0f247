"""What a tracker says about its error decides where is prompted, how widely is credited, and what one dwell decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sam_edge.gaze.samples import GazeSample
from sam_edge.geometry import Placement, View
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.anchor import EncodedScene
from sam_edge.stream.attention import GazeAttention
from sam_edge.stream.candidate import ObjectCandidate
from sam_edge.stream.dwell_tracker import DwellSegment, DwellTracker
from sam_edge.stream.motion import Motion
from sam_edge.stream.tuning import DEFAULT_TUNING
from sam_edge.stream.uncertainty import (
    Covariance,
    is_uncertain,
    mean_covariance,
    noise_of,
    plausible_places,
)

FRAME, INPUT = (112, 160), (224, 320)
MS = 1_000_000
PX_PER_DEG = 8.0
WIDE: Covariance = (14.0**2, 0.0, 14.0**2)
"""An error of 1.75 degrees."""
THING, OTHER = (60.0, 40.0, 84.0, 64.0), (120.0, 80.0, 140.0, 100.0)
MakeLook = Callable[..., DwellSegment]
Shift = Callable[[float, float], Motion]


def test_the_error_of_a_dwell_is_that_of_a_sample() -> None:
    """An offset that all samples share does not get smaller with their number."""
    assert mean_covariance([(4.0, 1.0, 2.0), (6.0, 3.0, 4.0)]) == (5.0, 2.0, 3.0)
    assert mean_covariance([(4.0, 1.0, 2.0), None]) is None
    assert mean_covariance([]) is None


def test_no_less_is_credited_than_without_a_stated_error() -> None:
    assert noise_of(None, 9.0) == (9.0, 9.0)
    assert noise_of((1.0, 0.0, 400.0), 9.0) == (9.0, 20.0)
    assert not is_uncertain(None, 9.0, DEFAULT_TUNING)
    assert not is_uncertain((13.0**2, 0.0, 1.0), 9.0, DEFAULT_TUNING)
    assert is_uncertain((1.0, 0.0, 14.0**2), 9.0, DEFAULT_TUNING)


@pytest.mark.parametrize("covariance", [(400.0, 0.0, 400.0), (900.0, -200.0, 100.0), (100.0, 0.0, 0.0)])
def test_plausible_places_are_spread_as_the_error_is(covariance: Covariance) -> None:
    xx, xy, yy = covariance
    places = plausible_places(100.0, 50.0, covariance, 3000, 0)
    np.testing.assert_allclose(places.mean(axis=0), (100, 50), atol=0.5)
    np.testing.assert_allclose(np.cov(places.T), [[xx, xy], [xy, yy]], atol=0.05 * max(xx, yy))
    # A few of them in a row are spread, too, and the next ones are other places.
    parts = [plausible_places(100.0, 50.0, covariance, 6, first) for first in (0, 6)]
    np.testing.assert_array_equal(np.concatenate(parts), places[:12])
    assert np.linalg.norm(parts[0].mean(axis=0) - (100, 50)) < 0.6 * np.sqrt(max(xx, yy))


def test_a_segment_states_the_error_of_its_samples() -> None:
    tracker = DwellTracker(PX_PER_DEG)
    samples = [GazeSample(at * 5 * MS, 60.0, 50.0, covariance_px2=WIDE) for at in range(60)]
    tracker.feed(samples)
    place, segment = tracker.place, tracker.take()
    assert place is not None
    assert segment is not None
    assert place.covariance_px2 == segment.covariance_px2 == WIDE
    tracker.feed(
        [replace(sample, time_ns=sample.time_ns + 300 * MS, covariance_px2=None) for sample in samples]
    )
    silent = tracker.take()
    assert silent is not None
    assert silent.covariance_px2 is None


class Viewer:
    """Looks at places for a time, scene after scene."""

    def __init__(self, runtime: Any, make_look: MakeLook, motion: Motion) -> None:
        self.runtime = runtime
        self.attention = GazeAttention(Segmenter(runtime), px_per_deg=PX_PER_DEG)
        self.make_look, self.motion = make_look, motion
        self.index = 0

    def see(self, dwell: int, x: float, y: float, onset: int, covariance: Covariance | None) -> None:
        """Show the next scene, with the gaze on it; the dwell began `onset` scenes ago."""
        begin = 40.0 * (self.index - onset)
        look = self.make_look(dwell, x, y, begin, 40.0 * (self.index + 1))
        look = replace(look, covariance_px2=covariance)
        data = np.zeros((1, 256, INPUT[0] // 16, INPUT[1] // 16), np.float32)
        time_ns = 40 * self.index * MS
        embedding = Embedding(data, Placement(View.whole(FRAME), INPUT), FRAME, time_ns)
        self.attention.see(EncodedScene(embedding, time_ns, self.motion), look)
        self.index += 1

    def rest(self, dwell: int, x: float, y: float, scenes: int, covariance: Covariance | None) -> None:
        """Rest the gaze somewhere."""
        for onset in range(scenes):
            self.see(dwell, x, y, onset, covariance)


def is_box(candidate: ObjectCandidate | None, box: tuple[float, float, float, float]) -> bool:
    if candidate is None:
        return False
    filled = np.zeros(FRAME, bool)
    filled[round(box[1]) : round(box[3]), round(box[0]) : round(box[2])] = True
    return bool(np.count_nonzero(candidate.mask & filled) > 0.85 * np.count_nonzero(candidate.mask | filled))


@pytest.fixture
def view(world: Callable[..., Any], make_look: MakeLook, shift: Shift) -> Callable[..., Viewer]:
    return lambda *things: Viewer(world(*things), make_look, shift(0, 0))


GROUND = (0.0, 0.0, 160.0, 112.0)


def test_gaze_beside_an_object_finds_it_where_the_tracker_says_that_it_errs(
    view: Callable[..., Viewer],
) -> None:
    beside = (94.0, 52.0)
    sure, unsure = view(THING, GROUND), view(THING, GROUND)
    for viewer, covariance in ((sure, None), (unsure, WIDE)):
        for dwell, dy in enumerate((0, 6, -6)):
            viewer.rest(dwell, beside[0], beside[1] + dy, 6, covariance)
    assert not is_box(sure.attention.target, THING)
    assert is_box(unsure.attention.target, THING)


def test_plausible_places_prompt_in_one_batch(view: Callable[..., Viewer]) -> None:
    sure, unsure = view(THING, GROUND), view(THING, GROUND)
    sure.see(0, 72, 52, 2, None)
    unsure.see(0, 72, 52, 2, WIDE)
    assert (sure.runtime.prompts, unsure.runtime.prompts) == ([1], [DEFAULT_TUNING.uncertain_prompts])


def test_an_error_that_is_small_changes_nothing(view: Callable[..., Viewer]) -> None:
    silent, small = view(THING, OTHER, GROUND), view(THING, OTHER, GROUND)
    for viewer, covariance in ((silent, None), (small, (4.0, 0.0, 4.0))):
        for dwell, (x, y) in enumerate(((70, 50), (130, 90), (75, 60))):
            viewer.rest(dwell, x, y, 5, covariance)
    first, second = (
        [(item.log_posterior, item.fits, item.area) for item in viewer.attention.candidates]
        for viewer in (silent, small)
    )
    assert first == second
    assert silent.runtime.prompts == small.runtime.prompts


def test_one_long_dwell_that_may_be_on_something_else_makes_nothing_stable(
    view: Callable[..., Viewer],
) -> None:
    sure, unsure = view(THING, GROUND), view(THING, GROUND)
    sure.rest(0, 72, 52, 20, None)
    unsure.rest(0, 72, 52, 20, WIDE)
    assert sure.attention.stable
    assert not unsure.attention.stable
    unsure.rest(1, 66, 48, 5, WIDE)
    assert unsure.attention.stable


@pytest.mark.parametrize(("covariance", "stays"), [(WIDE, True), (None, False)])
def test_a_part_takes_over_from_the_whole_only_where_the_place_is_known(
    view: Callable[..., Viewer], covariance: Covariance | None, stays: bool
) -> None:
    viewer = view(THING, GROUND)
    viewer.rest(0, 72, 52, 4, covariance)
    attention = viewer.attention
    whole = attention.target
    assert whole is not None
    assert is_box(whole, THING)
    logits = np.full(FRAME, -5, np.float32)
    logits[44:56, 66:78] = 5
    part = ObjectCandidate(logits, 0.9, log_posterior=whole.log_posterior + 2.0)
    attention.candidates.append(part)
    assert attention.choose() is (whole if stays else part)
