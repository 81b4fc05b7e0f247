"""The event detector on made-up eyes: what it promises about labels, time, bad input and fixation reports."""

from __future__ import annotations

import math
import random
import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_edge.errors import InputError
from sam_edge.gaze import events
from sam_edge.gaze.events import EventDetector, EventKind, EventUpdate, LabelledSample, Phase, label_recording
from sam_edge.gaze.samples import GazeSample

PX_PER_DEG = 30.0
LOOKAHEAD_NS = 20_000_000


def eye(
    rate_hz: float = 500.0,
    *,
    seconds: float = 2.0,
    noise_deg: float = 0.02,
    drift_deg_s: float = 0.0,
    jump_every_s: float = 0.4,
    seed: int = 1,
    start_ns: int = 0,
) -> list[GazeSample]:
    """An eye that rests (or drifts) and jumps 6 degrees to and fro in 40 ms, at every `jump_every_s`."""
    rng = random.Random(seed)
    samples = []
    for k in range(round(seconds * rate_hz)):
        t = k / rate_hz
        jump, since = divmod(t, jump_every_s)
        share = 1.0 if jump == 0 else min(1.0, since / 0.04)
        smooth = share * share * (3.0 - 2.0 * share)
        here, there = (6.0, 0.0) if int(jump) % 2 else (0.0, 6.0)
        x = there + (here - there) * smooth if jump else 0.0
        x_deg = x + drift_deg_s * t + rng.gauss(0.0, noise_deg)
        y_deg = 5.0 + rng.gauss(0.0, noise_deg)
        samples.append(GazeSample(start_ns + round(t * 1e9), 300.0 + x_deg * PX_PER_DEG, y_deg * PX_PER_DEG))
    return samples


def run(detector: EventDetector, samples: list[GazeSample]) -> list[EventUpdate]:
    return [detector.update(sample) for sample in samples] + [detector.flush()]


def labels_of(updates: list[EventUpdate]) -> list[LabelledSample]:
    return [label for update in updates for label in update.labels]


def kinds(samples: list[GazeSample], **options: float) -> list[EventKind]:
    return [label.kind for label in label_recording(samples, px_per_deg=PX_PER_DEG, **options)]


def lost(sample: GazeSample) -> GazeSample:
    return GazeSample(sample.time_ns, math.nan, math.nan, confidence=0.0)


def true_jump(sample: GazeSample, jump_every_s: float) -> bool:
    jump, since = divmod(sample.time_ns * 1e-9, jump_every_s)
    return jump > 0 and 0.008 < since < 0.032


@pytest.mark.parametrize("rate_hz", [30.0, 60.0, 120.0, 200.0, 500.0, 1000.0])
def test_rest_and_jumps_are_told_apart_at_every_rate(rate_hz: float) -> None:
    samples = eye(rate_hz, seconds=8.0, jump_every_s=0.41)
    said = kinds(samples, rate_hz=rate_hz)
    moving = [kind for sample, kind in zip(samples, said, strict=True) if true_jump(sample, 0.41)]
    resting = [
        kind
        for sample, kind in zip(samples, said, strict=True)
        if 0.12 < math.fmod(sample.time_ns * 1e-9, 0.41) < 0.36
    ]
    assert sum(kind.stable for kind in resting) / len(resting) > 0.97
    assert sum(not kind.stable for kind in moving) / len(moving) > 0.8


@pytest.mark.parametrize("rate_hz", [60.0, 200.0, 500.0])
def test_a_steady_drift_is_a_pursuit_and_a_still_eye_is_not(rate_hz: float) -> None:
    follows = kinds(eye(rate_hz, seconds=3.0, drift_deg_s=8.0, jump_every_s=9.0))
    rests = kinds(eye(rate_hz, seconds=3.0, jump_every_s=9.0))
    half = len(rests) // 2
    assert follows[half:].count(EventKind.PURSUIT) > 0.95 * half
    assert rests[half:].count(EventKind.FIXATION) > 0.95 * half


def test_head_movement_is_taken_out_when_the_scene_motion_is_given() -> None:
    detector, blind = (EventDetector(px_per_deg=PX_PER_DEG) for _ in range(2))
    speed_px_s = 20.0 * PX_PER_DEG
    samples = [
        GazeSample(s.time_ns, s.x_px + speed_px_s * s.time_ns * 1e-9, s.y_px)
        for s in eye(seconds=3.0, jump_every_s=9.0)
    ]
    updates = [detector.update(sample, scene_motion=(speed_px_s, 0.0)) for sample in samples]
    with_motion = [label.kind for label in labels_of(updates)]
    without = [label.kind for label in labels_of([blind.update(sample) for sample in samples])]
    assert with_motion.count(EventKind.FIXATION) > 0.95 * len(with_motion)
    assert without.count(EventKind.PURSUIT) > 0.8 * len(without)
    newest = [report for update in updates for report in update.fixations][-1]
    there = next(s for s in samples if s.time_ns == newest.time_ns)
    assert abs(newest.x_px - there.x_px) < 0.2 * PX_PER_DEG


@pytest.mark.parametrize("bad", [(math.nan, 0.0), (0.0, math.inf)])
def test_scene_motion_must_be_finite(bad: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="scene_motion"):
        EventDetector(px_per_deg=PX_PER_DEG).update(GazeSample(0, 1.0, 1.0), scene_motion=bad)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"px_per_deg": 0.0}, "px_per_deg"),
        ({"px_per_deg": math.nan}, "px_per_deg"),
        ({"px_per_deg": 30.0, "rate_hz": -1.0}, "rate_hz"),
        ({"px_per_deg": 30.0, "rate_hz": math.inf}, "rate_hz"),
        ({"px_per_deg": 30.0, "lookahead_ms": 20.1}, "lookahead_ms"),
        ({"px_per_deg": 30.0, "lookahead_ms": math.nan}, "lookahead_ms"),
    ],
)
def test_arguments_out_of_range_are_named(options: dict[str, float], name: str) -> None:
    with pytest.raises(InputError, match=name):
        EventDetector(**options)


# What labels promise

COORDINATE = st.one_of(
    st.floats(0.0, 2000.0), st.floats(allow_nan=True, allow_infinity=True), st.just(math.nan), st.just(1e300)
)
STEP_NS = st.one_of(
    st.sampled_from([2_000_000, 5_000_000, 16_700_000, 0, 1, 200_000, 80_000_000, 700_000_000]),
    st.integers(-40_000_000, 40_000_000),
)
STREAM = st.lists(st.tuples(STEP_NS, COORDINATE, COORDINATE, st.sampled_from([1.0, 0.4, 0.0])), max_size=80)


def stream(steps: list[tuple[int, float, float, float]]) -> list[GazeSample]:
    time_ns, samples = 5_000_000_000, []
    for step, x, y, confidence in steps:
        time_ns += step
        samples.append(GazeSample(time_ns, x, y, confidence))
    return samples


@settings(max_examples=150, deadline=None)
@given(STREAM, st.sampled_from([None, 30.0, 500.0]), st.sampled_from([0.0, 7.0, 20.0]))
def test_any_stream_gets_one_label_a_sample_in_order(
    steps: list[tuple[int, float, float, float]], rate_hz: float | None, lookahead_ms: float
) -> None:
    samples = stream(steps)
    detector = EventDetector(px_per_deg=PX_PER_DEG, rate_hz=rate_hz, lookahead_ms=lookahead_ms)
    updates = run(detector, samples)
    labels = labels_of(updates)
    assert [label.time_ns for label in labels] == [sample.time_ns for sample in samples]
    assert all(a.event_id <= b.event_id for a, b in pairwise(labels))
    for sample, label in zip(samples, labels, strict=True):
        if not sample.valid:
            assert label.kind in (EventKind.BLINK, EventKind.UNKNOWN)
    open_id = None
    for report in (r for update in updates for r in update.fixations):
        assert (report.phase is Phase.ONSET) == (open_id is None)
        assert open_id in (None, report.event_id)
        open_id = None if report.phase is Phase.END else report.event_id
        assert all(map(math.isfinite, (report.x_px, report.y_px, *report.covariance_px2)))
    assert open_id is None


@settings(max_examples=60, deadline=None)
@given(STREAM, STREAM)
def test_reset_equals_a_fresh_detector(
    before: list[tuple[int, float, float, float]], after: list[tuple[int, float, float, float]]
) -> None:
    used, fresh = (EventDetector(px_per_deg=PX_PER_DEG) for _ in range(2))
    for sample in stream(before):
        used.update(sample)
    used.reset()
    assert run(used, stream(after)) == run(fresh, stream(after))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(10, 700), st.integers(0, 5), st.sampled_from([30.0, 60.0, 120.0, 200.0, 500.0]), st.booleans()
)
def test_what_comes_later_changes_nothing_but_the_last_20_ms(
    cut: int, seed: int, rate_hz: float, holes: bool
) -> None:
    samples = eye(rate_hz, seconds=700 / rate_hz, seed=seed, drift_deg_s=3.0, noise_deg=0.05)
    if holes:
        rng = random.Random(seed)
        samples = [lost(s) if rng.random() < 0.03 or 300 < k < 340 else s for k, s in enumerate(samples)]
    whole = label_recording(samples, px_per_deg=PX_PER_DEG)
    part = label_recording(samples[:cut], px_per_deg=PX_PER_DEG)
    final_ns = samples[cut - 1].time_ns - LOOKAHEAD_NS
    firm = sum(sample.time_ns < final_ns for sample in samples[:cut])
    assert part[:firm] == whole[:firm]


@pytest.mark.parametrize("rate_hz", [30.0, 60.0, 200.0, 500.0])
def test_labels_are_told_within_20_ms_and_at_once_where_20_ms_hold_no_sample(rate_hz: float) -> None:
    detector = EventDetector(px_per_deg=PX_PER_DEG, rate_hz=rate_hz)
    told = 0
    for count, sample in enumerate(eye(rate_hz), start=1):
        update = detector.update(sample)
        told += len(update.labels)
        if rate_hz == 30.0:
            assert told == count
        assert all(sample.time_ns - label.time_ns <= LOOKAHEAD_NS for label in update.labels)
        assert (count - told) / rate_hz <= 0.0201


def test_no_lookahead_labels_every_sample_at_once() -> None:
    detector = EventDetector(px_per_deg=PX_PER_DEG, rate_hz=500.0, lookahead_ms=0.0)
    assert all(len(detector.update(sample).labels) == 1 for sample in eye())


def test_a_wrong_rate_is_unlearned() -> None:
    samples = eye(500.0, seconds=4.0)
    said, right = kinds(samples, rate_hz=50.0), kinds(samples)
    same = [a is b for a, b in zip(said[500:], right[500:], strict=True)]
    assert sum(same) / len(same) > 0.95


def test_memory_does_not_grow() -> None:
    detector = EventDetector(px_per_deg=PX_PER_DEG)

    def held() -> int:
        todo: list[Any] = [detector]
        seen, total = set(), 0
        while todo:
            thing = todo.pop()
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            total += sys.getsizeof(thing)
            if isinstance(thing, dict):
                todo += thing.values()
            elif isinstance(thing, (str, bytes, int, float)) or thing is None:
                continue
            elif hasattr(thing, "__iter__"):
                todo += thing
            else:
                todo += [
                    getattr(thing, name) for name in getattr(thing, "__slots__", ()) if hasattr(thing, name)
                ]
                todo.append(getattr(thing, "__dict__", None))
        return total

    sizes = []
    for part in range(4):
        for sample in eye(seconds=2.0, start_ns=part * 2_000_000_000, jump_every_s=9.0):
            detector.update(sample)
        sizes.append(held())
    assert sizes[3] < 1.3 * sizes[1]


# Losses and time


def test_a_short_loss_is_unknown_and_bridged_a_longer_one_is_a_blink_a_long_one_is_not() -> None:
    samples = eye(seconds=3.0, jump_every_s=9.0)
    holes = {**dict.fromkeys(range(200, 203), "brief"), **dict.fromkeys(range(400, 475), "blink")}
    holes |= dict.fromkeys(range(700, 1100), "gone")
    updates = run(
        EventDetector(px_per_deg=PX_PER_DEG),
        [lost(s) if k in holes else s for k, s in enumerate(samples)],
    )
    labels = labels_of(updates)
    assert {labels[k].kind for k in range(200, 203)} == {EventKind.UNKNOWN}
    assert labels[199].event_id == labels[201].event_id == labels[210].event_id
    assert {labels[k].kind for k in range(400, 475)} == {EventKind.BLINK}
    assert labels[399].event_id < labels[400].event_id < labels[480].event_id
    assert labels[720].kind is EventKind.BLINK
    assert {labels[k].kind for k in range(960, 1100)} == {EventKind.UNKNOWN}
    ends = [report for update in updates for report in update.fixations if report.phase is Phase.END]
    assert len(ends) == 3


def test_time_running_backwards_begins_a_new_epoch_and_ids_go_on() -> None:
    first, second = eye(seconds=1.0, start_ns=9_000_000_000), eye(seconds=1.0)
    detector = EventDetector(px_per_deg=PX_PER_DEG)
    labels = labels_of(run(detector, first + second))
    assert [label.time_ns for label in labels] == [s.time_ns for s in first + second]
    alone = label_recording(second, px_per_deg=PX_PER_DEG)
    offset = labels[len(first)].event_id
    assert offset > labels[len(first) - 1].event_id
    assert [(label.kind, label.event_id - offset) for label in labels[len(first) :]] == [
        (label.kind, label.event_id) for label in alone
    ]


def test_duplicates_share_the_verdict_of_their_twin() -> None:
    samples = eye(seconds=1.0)
    once = kinds(samples)
    twice = kinds([copy for sample in samples for copy in (sample, sample)])
    assert len(twice) == 2 * len(once)
    agree = sum(a is b for a, b in zip(twice[::2], twice[1::2], strict=True))
    assert agree > 0.99 * len(once)


def test_a_stream_without_any_gaze_is_labelled_and_has_no_fixation() -> None:
    updates = run(EventDetector(px_per_deg=PX_PER_DEG), [lost(s) for s in eye(seconds=1.0)])
    assert {label.kind for label in labels_of(updates)} <= {EventKind.BLINK, EventKind.UNKNOWN}
    assert not any(update.fixations for update in updates)


# Fixations


def test_a_fixation_begins_soon_keeps_its_number_and_ends() -> None:
    samples = eye(seconds=1.2)
    detector = EventDetector(px_per_deg=PX_PER_DEG)
    seen = [(sample.time_ns, r) for sample in samples for r in detector.update(sample).fixations] + [
        (samples[-1].time_ns, r) for r in detector.flush().fixations
    ]
    onsets = [(told, r) for told, r in seen if r.phase is Phase.ONSET]
    ends = [r for _, r in seen if r.phase is Phase.END]
    assert len(onsets) == len(ends) == 3
    for (told, onset), begin_s in zip(onsets, (0.0, 0.44, 0.84), strict=True):
        assert abs(onset.onset_ns * 1e-9 - begin_s) < 0.02
        assert told - onset.onset_ns <= 10_000_000
    for (_, onset), end, x_deg in zip(onsets, ends, (0.0, 6.0, 0.0), strict=True):
        assert end.event_id == onset.event_id
        assert end.onset_ns == onset.onset_ns
        assert abs(end.x_px - 300.0 - x_deg * PX_PER_DEG) < 0.1 * PX_PER_DEG
        assert end.spread_px == pytest.approx(math.sqrt(2) * 0.02 * PX_PER_DEG, rel=0.6)
        assert end.duration_ns == pytest.approx(0.36e9, rel=0.15)


def test_fixation_numbers_are_those_of_the_labels() -> None:
    updates = run(EventDetector(px_per_deg=PX_PER_DEG), eye(seconds=2.0))
    stable_ids = {label.event_id for label in labels_of(updates) if label.kind.stable}
    assert stable_ids == {r.event_id for update in updates for r in update.fixations}


def test_the_public_names_are_there() -> None:
    assert all(hasattr(events, name) for name in events.__all__)
