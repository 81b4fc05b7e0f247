"""The calibration routine as a state machine, and on a display that is a stand-in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from sam_edge.errors import InputError, SessionError, TrackerError
from sam_edge.gaze.calibration import CalibrationRoutine, RoutinePhase, RoutineStep, calibrate_on_screen
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import SourceStats

SIZE = (480, 640)
MS = 1_000_000


class Viewer:
    """Looks at the target it is shown after 200 ms, at 100 Hz, with a fixed error."""

    def __init__(
        self, seed: int = 0, *, noise_px: float = 4.0, refuses: tuple[tuple[float, float], ...] = ()
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.noise_px, self.refuses = noise_px, refuses
        self.at = (320.0, 240.0)
        self.since_ns = 0

    def samples(self, start_ns: int, end_ns: int, target: tuple[float, float] | None) -> list[GazeSample]:
        if target is not None and target != self.at:
            self.at, self.since_ns = target, start_ns
        found = []
        for time_ns in range(start_ns, end_ns, 10 * MS):
            x, y = self.at if time_ns - self.since_ns > 200 * MS else (320.0, 240.0)
            if self.at in self.refuses:
                x, y = self.random.uniform(0, 640), self.random.uniform(0, 480)
            dx, dy = self.random.normal(0, self.noise_px, 2)
            found.append(GazeSample(time_ns, 1.1 * x + 20 + float(dx), 0.9 * y - 15 + float(dy)))
        return found


def lead(routine: CalibrationRoutine, viewer: Viewer, *, limit_s: float = 120) -> list[RoutineStep]:
    steps = [routine.update(0)]
    now = 0
    while not routine.finished and now < limit_s * 1000 * MS:
        samples = viewer.samples(now, now + 30 * MS, steps[-1].target_px)
        now += 30 * MS
        steps.append(routine.update(now, samples))
    return steps


TARGETS = ((64.0, 48.0), (320.0, 240.0), (576.0, 432.0))


def test_leads_through_all_targets() -> None:
    routine = CalibrationRoutine(TARGETS, max_spread_px=30)
    steps = lead(routine, Viewer())
    assert routine.finished
    assert steps[0].phase is RoutinePhase.SETTLE
    assert (steps[-1].phase, steps[-1].target_px, steps[-1].collected) == (RoutinePhase.DONE, None, 3)
    shown = list(dict.fromkeys(step.target_px for step in steps if step.target_px))
    assert tuple(shown) == TARGETS
    assert [seen.target_px for seen in routine.collected] == list(TARGETS)
    for seen in routine.collected:
        span_ms = (seen.samples[-1].time_ns - seen.samples[0].time_ns) / MS
        assert 780 <= span_ms <= 800
        assert np.mean([s.x_px for s in seen.samples]) == pytest.approx(1.1 * seen.target_px[0] + 20, abs=3)
    assert all(0 <= step.progress <= 1 for step in steps)


def test_samples_before_the_eye_has_settled_do_not_count() -> None:
    routine = CalibrationRoutine(TARGETS[:1], max_spread_px=30, settle_ms=500)
    routine.update(0)
    early = [GazeSample(t * 10 * MS, 1.0, 1.0) for t in range(50)]
    assert routine.update(499 * MS, early).progress == 0.0
    assert routine.update(499 * MS).phase is RoutinePhase.SETTLE
    assert routine.update(500 * MS).phase is RoutinePhase.COLLECT


def test_unsteady_gaze_comes_again_and_is_given_up_at_last() -> None:
    routine = CalibrationRoutine(TARGETS, max_spread_px=30, timeout_ms=2000, retries=2)
    steps = lead(routine, Viewer(refuses=TARGETS[:1]))
    assert routine.finished
    assert (steps[-1].collected, steps[-1].given_up) == (2, 1)
    assert [seen.target_px for seen in routine.collected] == list(TARGETS[1:])
    changes = [a.target_px for a, b in itertools.pairwise(steps) if a.target_px != b.target_px]
    assert changes == [TARGETS[0], TARGETS[1], TARGETS[2], TARGETS[0]]


def test_a_target_that_is_missed_once_is_collected_later() -> None:
    viewer = Viewer(refuses=TARGETS[:1])
    routine = CalibrationRoutine(TARGETS, max_spread_px=30, timeout_ms=2000)
    step, now = routine.update(0), 0
    while not routine.finished:
        if step.collected:
            viewer.refuses = ()
        samples = viewer.samples(now, now + 30 * MS, step.target_px)
        now += 30 * MS
        step = routine.update(now, samples)
    assert [seen.target_px for seen in routine.collected] == list(TARGETS)


@pytest.mark.parametrize("lost", [0.5, 1.0])
def test_lost_gaze_is_not_steady_gaze(lost: float) -> None:
    routine = CalibrationRoutine(TARGETS[:1], max_spread_px=30, retries=0)
    routine.update(0)
    samples = [GazeSample(t * 10 * MS, math.nan if t % 10 < 10 * lost else 5.0, 5.0) for t in range(390)]
    routine.update(3900 * MS, samples)
    assert not routine.finished
    step = routine.update(4000 * MS)
    assert (routine.finished, step.given_up, routine.collected) == (True, 1, ())


@pytest.mark.parametrize("interval_ms", [120, 400])
@pytest.mark.parametrize("lost", [0.0, 0.2])
def test_a_slow_camera_needs_longer_and_is_not_unsteady(interval_ms: int, lost: float) -> None:
    routine = CalibrationRoutine(TARGETS[:1], max_spread_px=30, min_samples=10, retries=0)
    random = np.random.default_rng(3)
    now, samples = 0, 0
    while not routine.finished:
        x, y = random.normal(5.0, 4.0, 2)
        is_lost = samples % 10 < 10 * lost
        routine.update(now, [GazeSample(now, math.nan if is_lost else float(x), float(y))])
        now, samples = now + interval_ms * MS, samples + 1
    (seen,) = routine.collected
    assert sum(sample.valid for sample in seen.samples) >= 10
    assert len(seen.samples) <= 15


def test_a_slow_camera_that_shows_unsteady_gaze_is_given_up() -> None:
    routine = CalibrationRoutine(TARGETS[:1], max_spread_px=30, min_samples=10, retries=0)
    random = np.random.default_rng(3)
    now = 0
    while not routine.finished:
        x, y = random.uniform(0, 640, 2)
        routine.update(now, [GazeSample(now, float(x), float(y))])
        now += 500 * MS
    assert routine.collected == ()
    assert 7500 * MS <= now <= 8500 * MS


def test_samples_that_hardly_come_at_all_end_too() -> None:
    routine = CalibrationRoutine(TARGETS[:1], max_spread_px=30, retries=0)
    for now_ms in range(0, 12_000, 3000):
        routine.update(now_ms * MS, [GazeSample(now_ms * MS, 5.0, 5.0)])
        assert not routine.finished
    routine.update(12_000 * MS)
    assert (routine.finished, routine.collected) == (True, ())


def test_late_and_repeated_samples_do_not_count_twice() -> None:
    routine = CalibrationRoutine(TARGETS[:1], max_spread_px=30, settle_ms=0)
    routine.update(0)
    samples = [GazeSample(t * 10 * MS, 5.0, 5.0) for t in range(100)]
    doubled = [sample for sample in samples for _ in range(3)] + samples[:10]
    routine.update(1000 * MS, doubled)
    (seen,) = routine.collected
    times = [sample.time_ns for sample in seen.samples]
    assert times == sorted(set(times))


def test_a_flood_of_samples_does_not_pile_up() -> None:
    routine = CalibrationRoutine(TARGETS[:1], max_spread_px=0.001, settle_ms=0)
    routine.update(0)
    noise = np.random.default_rng(0).normal(0, 50, (20_000, 2))
    routine.update(1, [GazeSample(t * 100_000, float(x), float(y)) for t, (x, y) in enumerate(noise)])
    assert len(routine._window) <= 4001


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"targets_px": ()}, "targets_px is empty"),
        ({"max_spread_px": 0}, "max_spread_px is 0"),
        ({"collect_ms": -1}, "collect_ms is -1"),
        ({"timeout_ms": 1000}, "timeout_ms is 1000"),
        ({"retries": -1}, "retries -1"),
        ({"min_valid": 2}, "min_valid 2"),
    ],
)
def test_refuses(arguments: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=part):
        CalibrationRoutine(**{"targets_px": TARGETS, "max_spread_px": 30, **arguments})


class Screen:
    """Stands in for a window: remembers where the target is drawn."""

    def __init__(self, *, escape_after: int = 10**9) -> None:
        self.pictures, self.escape_after = 0, escape_after
        self.target: tuple[float, float] | None = None

    def show(self, image: np.ndarray) -> int:
        self.pictures += 1
        assert image.shape == (*SIZE, 3)
        ys, xs = np.nonzero(image[:, :, 2] > 200)
        self.target = (float(xs.mean()), float(ys.mean())) if len(xs) else None
        return 27 if self.pictures > self.escape_after else -1

    def close(self) -> None:
        pass


class Simulated:
    """A source whose viewer looks at what the screen shows."""

    name = "simulated:"

    def __init__(self, screen: Screen, *, ends_after: int = 10**9) -> None:
        self.screen, self.viewer = screen, Viewer(noise_px=2.0)
        self.now_ns, self.reads, self.ends_after = 0, 0, ends_after

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        self.reads += 1
        if self.finished:
            return []
        start, self.now_ns = self.now_ns, self.now_ns + 50 * MS
        return self.viewer.samples(start, self.now_ns, self.screen.target)

    @property
    def stats(self) -> SourceStats:
        return SourceStats()

    @property
    def finished(self) -> bool:
        return self.reads > self.ends_after

    def close(self) -> None:
        pass

    def __enter__(self) -> Simulated:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __iter__(self) -> Iterator[GazeSample]:
        yield from ()


@pytest.mark.parametrize("points", [5, 9])
def test_on_screen_from_first_target_to_result(points: int) -> None:
    screen = Screen()
    source = Simulated(screen)
    outcome = calibrate_on_screen(
        source, screen, size=SIZE, points=points, px_per_deg=15.0, clock_ns=lambda: source.now_ns
    )
    assert outcome.before.accuracy_deg > 1.0
    assert outcome.after.accuracy_deg < 0.2
    moved = outcome.calibration.apply(GazeSample(0, 1.1 * 200 + 20, 0.9 * 100 - 15))
    assert (moved.x_px, moved.y_px) == pytest.approx((200, 100), abs=3)


def test_escape_stops_it() -> None:
    screen = Screen(escape_after=5)
    source = Simulated(screen)
    with pytest.raises(SessionError, match="stopped with Escape"):
        calibrate_on_screen(source, screen, size=SIZE, clock_ns=lambda: source.now_ns)
    assert screen.pictures == 6


def test_a_source_that_ends_is_an_error() -> None:
    screen = Screen()
    source = Simulated(screen, ends_after=40)
    with pytest.raises(TrackerError, match="simulated:: ended after 1 of 9 targets"):
        calibrate_on_screen(source, screen, size=SIZE, px_per_deg=15.0, clock_ns=lambda: source.now_ns)
