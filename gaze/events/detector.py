"""The causal detector: gaze samples in, final labels and fixation reports out."""

from __future__ import annotations

import math
from collections import deque

from sam_edge.errors import InputError
from sam_edge.gaze.events import model
from sam_edge.gaze.events.fixations import FixationTracker
from sam_edge.gaze.events.interval import IntervalEstimate
from sam_edge.gaze.events.motion import HALF_WINDOW_S, MotionBuffer
from sam_edge.gaze.events.noise import NoiseEstimate
from sam_edge.gaze.events.pursuit import PursuitJudge
from sam_edge.gaze.events.types import EventKind, EventUpdate, Fixation, LabelledSample
from sam_edge.gaze.samples import GazeSample

MAX_LOOKAHEAD_MS = 20.0
MOVEMENT_LOOKAHEAD_S = 0.0085
"""What telling a movement from rest waits for: more did not help on hand-labelled data, less costs accuracy."""
DROPOUT_S = 0.015
"""A loss shorter than this is a hiccup of the tracker: no lid closes and opens so fast."""
BLINK_MAX_S = 0.5
"""A loss longer than this is not a blink any more."""
MIN_STEP_S = 0.0009
"""Samples closer than this to the last one that was used add nothing to a speed; they share its verdict."""
GAP_INTERVALS = 3.5
GAP_MIN_S = 0.025
SCENE_MOTION_MAX_STEP_S = 0.1
FARTHEST_DEG = 1e4
"""Positions farther out than this are no gaze: they count as invalid."""

_LOST = -1
_TOO_CLOSE = -2


class _Entry:
    """A sample on its way through the detector."""

    __slots__ = ("event_id", "lost_since_s", "node", "sample", "scene_px", "state", "t_s", "verdict")

    def __init__(self, sample: GazeSample, t_s: float, node: int, scene_px: tuple[float, float]) -> None:
        self.sample = sample
        self.t_s = t_s
        self.node = node
        self.scene_px = scene_px
        self.lost_since_s = t_s
        self.verdict: EventKind | None = None
        self.state = EventKind.UNKNOWN
        self.event_id = 0


class EventDetector:
    """Tells fixation, pursuit, saccade, post-saccadic oscillation and blink apart while the samples come in.

    Each sample gets exactly one label, in the order of the calls. A label is final at the latest when the look-ahead
    has passed; fixation onsets are reported earlier, about 8 ms after the sample they begin with. See
    docs/how-to/events.md.

    Samples whose time equals the last one's share its verdict. A time that runs backwards begins a new epoch: what
    waits is labelled, a fixation that goes on ends, everything learned is forgotten, and event numbers go on rising.

        detector = EventDetector(px_per_deg=32.3)
        for sample in source:
            for fixation in detector.update(sample).fixations:
                ...
    """

    def __init__(
        self, *, px_per_deg: float, rate_hz: float | None = None, lookahead_ms: float = MAX_LOOKAHEAD_MS
    ) -> None:
        """Say what a degree is worth and, where known, how fast samples come.

        Args:
            px_per_deg: scene pixels per degree of visual angle at the gaze, positive.
            rate_hz: the stream's rate; None to learn it from the samples. A wrong rate is unlearned within 100 samples.
            lookahead_ms: 0..20. How long a label may wait for later samples.

        Raises:
            InputError: when an argument is out of its range.
        """
        if not (math.isfinite(px_per_deg) and px_per_deg > 0.0):
            raise InputError(
                f"px_per_deg is {px_per_deg!r}; give a positive number of scene pixels per degree."
            )
        if rate_hz is not None and not (math.isfinite(rate_hz) and rate_hz > 0.0):
            raise InputError(
                f"rate_hz is {rate_hz!r}; give a positive rate in hertz, or None to have it learned."
            )
        if not 0.0 <= lookahead_ms <= MAX_LOOKAHEAD_MS:
            raise InputError(
                f"lookahead_ms is {lookahead_ms!r}; accepted are 0 to {MAX_LOOKAHEAD_MS:g} milliseconds."
            )
        self._px_per_deg = float(px_per_deg)
        self._stated_s = 1.0 / rate_hz if rate_hz else 0.0
        self._lookahead_s = lookahead_ms * 1e-3
        self._movement_lookahead_s = min(MOVEMENT_LOOKAHEAD_S, self._lookahead_s)
        self.reset()

    def reset(self) -> None:
        """Forget everything: from here on the detector equals a fresh one."""
        self._last_id = -1
        self._labels: list[LabelledSample] = []
        self._reports: list[Fixation] = []
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch_ns: int | None = None
        self._newest_s = 0.0
        self._lost_since_s: float | None = None
        self._node_s = -math.inf
        self._scene_px = (0.0, 0.0)
        self._interval = IntervalEstimate(self._stated_s)
        self._node_interval = IntervalEstimate(max(self._stated_s, MIN_STEP_S) if self._stated_s else 0.0)
        self._motion = MotionBuffer()
        self._noise = NoiseEstimate()
        self._pursuit = PursuitJudge()
        self._fixation = FixationTracker()
        self._state: EventKind | None = None
        self._waiting: deque[_Entry] = deque()
        self._settling: deque[_Entry] = deque()

    def update(self, sample: GazeSample, *, scene_motion: tuple[float, float] | None = None) -> EventUpdate:
        """Take one sample; return what it made known.

        Args:
            sample: position in scene pixels; invalid ones (NaN, infinite, confidence 0) are welcome.
            scene_motion: velocity of the scene at the gaze since the last sample, pixels a second (x right, y down),
                from optical flow or head pose. It is taken out of the gaze before speeds are computed, and what a
                fixation rests on is carried along with it.

        Raises:
            InputError: when `scene_motion` is not finite.
        """
        if scene_motion is not None and not all(map(math.isfinite, scene_motion)):
            raise InputError(
                f"scene_motion is {scene_motion!r}; give two finite velocities in px/s, or None."
            )
        if self._epoch_ns is None:
            self._epoch_ns = sample.time_ns
        t_s = (sample.time_ns - self._epoch_ns) * 1e-9
        if t_s < self._newest_s:
            self._finish()
            self._begin_epoch()
            self._epoch_ns, t_s = sample.time_ns, 0.0
        step_s = t_s - self._newest_s
        self._advance(t_s, strictly=True)
        if step_s > 0.0:
            self._interval.learn(step_s)
        self._newest_s = t_s
        self._take(sample, t_s, self._scene_step(scene_motion, step_s))
        self._advance(t_s + 0.9 * self._interval.value_s)
        return self._take_results()

    def flush(self) -> EventUpdate:
        """Label what still waits and end the fixation that goes on, as if the stream were over.

        The stream may go on afterwards; it does so as a new epoch.
        """
        self._finish()
        update = self._take_results()
        self._begin_epoch()
        return update

    def _take_results(self) -> EventUpdate:
        update = EventUpdate(tuple(self._labels), tuple(self._reports))
        self._labels, self._reports = [], []
        return update

    def _finish(self) -> None:
        while self._waiting:
            self._classify(self._waiting.popleft())
        self._end_stretch()
        self._settle(math.inf)

    # Intake

    def _scene_step(self, motion: tuple[float, float] | None, step_s: float) -> tuple[float, float]:
        if motion is None or not 0.0 < step_s <= SCENE_MOTION_MAX_STEP_S:
            return (0.0, 0.0)
        step = (motion[0] * step_s, motion[1] * step_s)
        self._scene_px = (self._scene_px[0] + step[0], self._scene_px[1] + step[1])
        return step

    def _take(self, sample: GazeSample, t_s: float, scene_step_px: tuple[float, float]) -> None:
        x_deg = (sample.x_px - self._scene_px[0]) / self._px_per_deg
        y_deg = (sample.y_px - self._scene_px[1]) / self._px_per_deg
        if not (sample.valid and abs(x_deg) < FARTHEST_DEG and abs(y_deg) < FARTHEST_DEG):
            if self._lost_since_s is None:
                self._lost_since_s = t_s
            entry = _Entry(sample, t_s, _LOST, scene_step_px)
            entry.lost_since_s = self._lost_since_s
            self._waiting.append(entry)
            return
        self._recover(t_s)
        since_node_s = t_s - self._node_s
        if since_node_s < MIN_STEP_S:
            self._waiting.append(_Entry(sample, t_s, _TOO_CLOSE, scene_step_px))
            return
        usual_s = max(self._interval.value_s, self._node_interval.value_s)
        if since_node_s > max(GAP_MIN_S, GAP_INTERVALS * usual_s):
            self._break_run()
        else:
            self._node_interval.learn(since_node_s)
        self._node_s = t_s
        self._waiting.append(_Entry(sample, t_s, self._motion.end, scene_step_px))
        self._motion.append(
            t_s,
            x_deg,
            y_deg,
            half_window_s=self._half_window_s(),
            interval_s=self._node_interval.value_s,
        )

    def _half_window_s(self) -> float:
        return max(HALF_WINDOW_S, 1.05 * self._node_interval.value_s)

    def _recover(self, t_s: float) -> None:
        """The tracker sees the eye again: now it is known how long each waiting lost sample's loss was."""
        if self._lost_since_s is None:
            return
        for entry in self._waiting:
            if entry.node == _LOST and entry.verdict is None:
                entry.verdict = _loss(entry, t_s)
        self._lost_since_s = None

    def _break_run(self) -> None:
        """Too much time passed without a position: what comes is not continued from what was."""
        while self._waiting:
            self._classify(self._waiting.popleft())
        self._end_stretch()
        self._state = None
        self._motion.begin_run()

    # Movement or rest

    def _advance(self, now_s: float, *, strictly: bool = False) -> None:
        """Decide everything whose look-ahead is over, or will be before the next sample can come."""
        waiting = self._waiting
        while waiting:
            head = waiting[0]
            if head.verdict is None:
                wait_s = self._lookahead_s if head.node == _LOST else self._movement_lookahead_s
                if head.t_s + wait_s >= now_s:
                    break
            self._classify(waiting.popleft())
        self._settle(now_s)

    def _classify(self, entry: _Entry) -> None:
        """Movement, rest or loss: the verdict that events are made of."""
        self._fixation.move(*entry.scene_px)
        if entry.node == _LOST:
            state = entry.verdict or _loss(entry, self._newest_s)
            brief = state is EventKind.UNKNOWN and entry.t_s - entry.lost_since_s < BLINK_MAX_S
            entry.state = state
            if not brief or self._state is None:
                self._enter(state)
        elif entry.node == _TOO_CLOSE:
            entry.state = self._state if self._state in _SEEN else EventKind.UNKNOWN
        else:
            entry.state = self._movement(entry)
            self._enter(entry.state)
            if entry.state is EventKind.FIXATION:
                self._rest(entry)
        entry.event_id = self._last_id
        self._settling.append(entry)

    def _movement(self, entry: _Entry) -> EventKind:
        motion, interval_s = self._motion, self._node_interval.value_s
        index = motion.place(entry.node)
        newest = len(motion.t) - 1
        if newest == 0:
            return EventKind.UNKNOWN
        ahead = min(newest, index + int(self._movement_lookahead_s / interval_s + 0.1))
        motion.fit_pending(ahead, self._half_window_s())
        features = motion.features(index, ahead=ahead, interval_s=interval_s, noise=self._noise.level)
        state = model.movement(features, model.band(interval_s))
        if state is EventKind.FIXATION:
            self._noise.learn(motion.log_speed[index], interval_s)
            self._pursuit.drift.add(motion.t[index], motion.x[index], motion.y[index])
        return state

    def _enter(self, state: EventKind) -> None:
        if state is self._state:
            return
        if self._state is EventKind.FIXATION:
            self._end_stretch()
        self._state = state
        self._last_id += 1

    def _rest(self, entry: _Entry) -> None:
        if self._fixation.event_id < 0:
            self._pursuit.begin(entry.t_s, self._node_interval.value_s)
        sample = entry.sample
        self._reports.append(
            self._fixation.stable(
                time_ns=sample.time_ns,
                x_px=sample.x_px,
                y_px=sample.y_px,
                kind=self._pursuit.kind,
                event_id=self._last_id,
            )
        )

    def _end_stretch(self) -> None:
        """The gaze does not rest any more: nothing later can change the labels of the stretch."""
        self._settle(math.inf)
        self._pursuit.drift.end()
        ended = self._fixation.end()
        if ended is not None:
            self._reports.append(ended)

    # Fixation or pursuit

    def _settle(self, now_s: float) -> None:
        """Make final, in order, what cannot change any more."""
        settling = self._settling
        while settling:
            entry = settling[0]
            kind = entry.state
            if kind is EventKind.FIXATION:
                if entry.t_s + self._lookahead_s >= now_s:
                    break
                if entry.node >= 0:
                    self._pursuit.judge(entry.t_s, self._node_interval.value_s)
                kind = self._pursuit.kind
            settling.popleft()
            self._labels.append(LabelledSample(entry.sample.time_ns, kind, entry.event_id))


_SEEN = (EventKind.FIXATION, EventKind.SACCADE, EventKind.PSO)


def _loss(entry: _Entry, now_s: float) -> EventKind:
    """What a lost sample is, when the loss is known to last from its beginning until `now_s` at least."""
    if entry.t_s - entry.lost_since_s >= BLINK_MAX_S or now_s - entry.lost_since_s < DROPOUT_S:
        return EventKind.UNKNOWN
    return EventKind.BLINK
