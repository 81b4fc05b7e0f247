"""From where the gaze rests to point prompts with their uncertainty, and from resting to intent.

maker = PromptMaker(Camera(fx_px=900.0, fy_px=900.0, cx_px=800.0, cy_px=600.0), accuracy_deg=1.3)
prompt = maker.prompt(fixation)
prompt.sigma_points()          # where else the person may have looked, with weights
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from sam_edge.errors import InputError
from sam_edge.gaze.events.types import EventKind, Fixation

Covariance = tuple[float, float, float]
"""Symmetric 2x2 matrix as (xx, xy, yy)."""

ACCURACY_DEG = 1.0
"""Standard deviation of the constant offset, per axis. Head-mounted trackers: 1 to 2 degrees
by their makers (Pupil Core, HoloLens 2); it varies sixfold between people (Feit et al., CHI 2017). Measure yours."""
PRECISION_FLOOR_DEG = 0.1
"""Least standard deviation of a centroid: slow drift and microsaccades do not average out (Ko, Snodderly and Poletti,
Vision Research 2016: a fixation's own spread is about 0.1 degrees)."""
HISTORY_S = 3.0
"""How far back a late trigger may reach: the history of the Windows Community Toolkit's gaze pointer."""
DWELL_MS = 800.0
"""Time on target that counts as a choice: the default of EyeTrackingTarget in Microsoft's Mixed Reality Toolkit."""
CREDIT_MS = 100.0
"""Most that one step between samples adds to a dwell: the Windows Community Toolkit's limit."""
BLINK_MS = 400.0
"""A loss up to this long is a blink and pauses a dwell (blinks last 100 to 400 ms, Schiffman 2001)."""
RESUME_MS = 250.0
"""A glance away up to this long pauses a dwell: less than the shortest look at another thing and back."""


def _finite(name: str, value: float, *, above: float | None = None, least: float | None = None) -> float:
    if not math.isfinite(value):
        raise InputError(f"{name} is {value!r}; give a finite number.")
    if above is not None and value <= above:
        raise InputError(f"{name} is {value!r}; give a number above {above:g}.")
    if least is not None and value < least:
        raise InputError(f"{name} is {value!r}; give a number of at least {least:g}.")
    return float(value)


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera: how many pixels a degree is worth at each place of its image."""

    fx_px: float
    """Horizontal focal length, pixels."""
    fy_px: float
    """Vertical focal length, pixels."""
    cx_px: float
    """Principal point, pixels from the left edge."""
    cy_px: float
    """Principal point, pixels from the top edge."""

    def __post_init__(self) -> None:
        """Refuse what is no camera."""
        _finite("fx_px", self.fx_px, above=0.0)
        _finite("fy_px", self.fy_px, above=0.0)
        _finite("cx_px", self.cx_px)
        _finite("cy_px", self.cy_px)

    def covariance_per_deg2(self, x_px: float, y_px: float) -> Covariance:
        """Pixel covariance at a point that one degree of standard deviation in every direction makes.

        A line of sight through (u, v, 1) that turns by a small angle moves by (1 + r2) times the angle along the radius
        and by sqrt(1 + r2) times across it, r2 = u2 + v2; in matrix form (1 + r2) (I + m m') with m = (u, v).
        """
        u, v = (x_px - self.cx_px) / self.fx_px, (y_px - self.cy_px) / self.fy_px
        scale = math.radians(1.0) ** 2 * (1.0 + u * u + v * v)
        return (
            scale * self.fx_px * self.fx_px * (1.0 + u * u),
            scale * self.fx_px * self.fy_px * u * v,
            scale * self.fy_px * self.fy_px * (1.0 + v * v),
        )

    def px_per_deg_at(self, x_px: float, y_px: float) -> float:
        """Pixels per degree at a point: the geometric mean over directions."""
        xx, xy, yy = self.covariance_per_deg2(x_px, y_px)
        return float((xx * yy - xy * xy) ** 0.25)


@dataclass(frozen=True, slots=True)
class SigmaPoint:
    """One guess of where the person looks."""

    x_px: float
    """Scene pixels from the left."""
    y_px: float
    """Scene pixels from the top."""
    weight: float
    """Share of the vote; a set's weights sum to 1."""


@dataclass(frozen=True, slots=True)
class GazePrompt:
    """A point that the person looks at, with how sure that is."""

    x_px: float
    """Most likely point, scene pixels from the left."""
    y_px: float
    """Most likely point, scene pixels from the top."""
    covariance_px2: Covariance
    """Uncertainty of the point as (xx, xy, yy), square pixels."""
    onset_ns: int
    """Host time at which the gaze came to rest there."""
    time_ns: int
    """Host time of the newest sample behind it."""
    event_id: int
    """Number of the fixation."""
    kind: EventKind
    """`FIXATION` or `PURSUIT`."""

    @property
    def axes_px(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The two half-axes of the one-sigma ellipse as vectors in pixels, the long one first."""
        xx, xy, yy = self.covariance_px2
        mean, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
        swing = math.hypot(half, xy)
        angle = 0.5 * math.atan2(xy, half)
        long, short = math.sqrt(max(mean + swing, 0.0)), math.sqrt(max(mean - swing, 0.0))
        cos, sin = math.cos(angle), math.sin(angle)
        return (long * cos, long * sin), (-short * sin, short * cos)

    @property
    def sigma_px(self) -> float:
        """Radius of the circle whose area is the one-sigma ellipse's."""
        xx, xy, yy = self.covariance_px2
        return float(max(xx * yy - xy * xy, 0.0) ** 0.25)

    def sigma_points(self, count: int = 4, *, radius_sigma: float = 1.0) -> tuple[SigmaPoint, ...]:
        """The centre and `count` points spread evenly over the ellipse at `radius_sigma`, the first on its long axis.

        Weights are relative normal densities: 1 at the centre and exp(-radius_sigma**2 / 2) on the ellipse, scaled to
        sum to 1. They are votes, for decoding each point as a prompt of its own; they do not reproduce the covariance
        as an unscented transform's do, whose centre would weigh less than nothing at this radius.

        Raises:
            InputError: when `count` is negative or `radius_sigma` is not positive.
        """
        if count < 0:
            raise InputError(f"count is {count!r}; give 0 or more points beside the centre.")
        _finite("radius_sigma", radius_sigma, above=0.0)
        density = math.exp(-0.5 * radius_sigma * radius_sigma)
        total = 1.0 + count * density
        (ax, ay), (bx, by) = self.axes_px
        points = [SigmaPoint(self.x_px, self.y_px, 1.0 / total)]
        for k in range(count):
            turn = 2.0 * math.pi * k / count
            a, b = radius_sigma * math.cos(turn), radius_sigma * math.sin(turn)
            points.append(
                SigmaPoint(self.x_px + a * ax + b * bx, self.y_px + a * ay + b * by, density / total)
            )
        return tuple(points)


class PromptMaker:
    """Turns fixations into prompts for one tracker and one camera."""

    def __init__(
        self,
        scale: float | Camera,
        *,
        accuracy_deg: float = ACCURACY_DEG,
        precision_floor_deg: float = PRECISION_FLOOR_DEG,
    ) -> None:
        """Say how degrees become pixels and how far off the tracker is.

        Args:
            scale: pixels per degree, the same everywhere (a screen), or the scene camera.
            accuracy_deg: standard deviation of the tracker's offset on each axis, degrees.
            precision_floor_deg: least standard deviation of a centroid on each axis, degrees.

        Raises:
            InputError: when a number is not positive (or negative, for the two errors).
        """
        self._scale = scale if isinstance(scale, Camera) else _finite("scale", scale, above=0.0)
        self._accuracy_deg2 = _finite("accuracy_deg", accuracy_deg, least=0.0) ** 2
        self._floor_deg2 = _finite("precision_floor_deg", precision_floor_deg, least=0.0) ** 2

    def prompt(self, fixation: Fixation, *, supplied_px2: Covariance | None = None) -> GazePrompt:
        """The point prompt for a fixation.

        Its covariance is the sum of three independent errors: the tracker's accuracy; the centroid's precision,
        which is the samples' scatter divided by their count but not less than the floor; and `supplied_px2`, the
        tracker's own confidence in these samples where it tells one (`GazeSample.covariance_px2`). A pursuit's
        samples scatter along its path, so that only their scatter across it counts as noise.

        Raises:
            InputError: when `supplied_px2` is not a covariance.
        """
        per_xx, per_xy, per_yy = self._per_deg2(fixation.x_px, fixation.y_px)
        xx, xy, yy = _precision(fixation)
        floor = self._floor_deg2
        more = supplied_px2 or (0.0, 0.0, 0.0)
        if not _is_covariance(more):
            raise InputError(f"supplied_px2 is {more!r}; give a covariance (xx, xy, yy) in square pixels.")
        accuracy = self._accuracy_deg2
        return GazePrompt(
            x_px=fixation.x_px,
            y_px=fixation.y_px,
            covariance_px2=(
                accuracy * per_xx + max(xx, floor * per_xx) + more[0],
                accuracy * per_xy + xy + more[1],
                accuracy * per_yy + max(yy, floor * per_yy) + more[2],
            ),
            onset_ns=fixation.onset_ns,
            time_ns=fixation.time_ns,
            event_id=fixation.event_id,
            kind=fixation.kind,
        )

    def _per_deg2(self, x_px: float, y_px: float) -> Covariance:
        if isinstance(self._scale, Camera):
            return self._scale.covariance_per_deg2(x_px, y_px)
        return (self._scale * self._scale, 0.0, self._scale * self._scale)


def _is_covariance(matrix: Covariance) -> bool:
    xx, xy, yy = matrix
    return all(map(math.isfinite, matrix)) and xx >= 0.0 and yy >= 0.0 and xy * xy <= xx * yy * (1.0 + 1e-6)


def _precision(fixation: Fixation) -> Covariance:
    """Covariance of the mean of the fixation's samples."""
    xx, xy, yy = fixation.covariance_px2
    count = max(fixation.sample_count, 1)
    if fixation.kind is EventKind.PURSUIT:
        across = max(0.5 * (xx + yy) - math.hypot(0.5 * (xx - yy), xy), 0.0)
        return (across / count, 0.0, across / count)
    return (xx / count, xy / count, yy / count)


@dataclass(frozen=True, slots=True)
class Trigger:
    """An act that means "this one": a pinch, a key, a word. It often comes when the gaze has already moved on."""

    time_ns: int
    """Host time of the act itself, not of its arrival."""
    name: str = "trigger"
    """What it was, for the log."""


class FixationHistory:
    """The last fixations, to look back into.

    In gaze-and-pinch most errors are late triggers; giving them to the fixation nearest in time mends nearly all of
    them (GazeHandSync, ETRA 2025).
    """

    def __init__(self, *, span_s: float = HISTORY_S, capacity: int = 64) -> None:
        """Keep what ended less than `span_s` before the newest report, and never more than `capacity`.

        Raises:
            InputError: when `span_s` is not positive or `capacity` is below 1.
        """
        self._span_ns = round(_finite("span_s", span_s, above=0.0) * 1e9)
        if capacity < 1:
            raise InputError(f"capacity is {capacity!r}; keep at least 1 fixation.")
        self._capacity = capacity
        self._kept: OrderedDict[int, Fixation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Fixation]:
        """The fixations in order of their onset, each in its newest state."""
        return iter(tuple(self._kept.values()))

    @property
    def latest(self) -> Fixation | None:
        """The newest fixation; None before the first."""
        return next(reversed(self._kept.values())) if self._kept else None

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def add(self, fixation: Fixation) -> None:
        """Take a report: an onset, an update, or an end. One that begins before the newest clears what was kept."""
        latest = self.latest
        if latest is not None and fixation.onset_ns < latest.onset_ns:
            self._kept.clear()
        self._kept[fixation.event_id] = fixation
        while len(self._kept) > self._capacity or self._oldest_end_ns() < fixation.time_ns - self._span_ns:
            self._kept.popitem(last=False)

    def _oldest_end_ns(self) -> int:
        return next(iter(self._kept.values())).time_ns

    def nearest(self, time_ns: int, *, within_ms: float = 500.0) -> Fixation | None:
        """The fixation that went on at `time_ns`, else the one that is nearest in time, the earlier of two alike.

        Returns None when the nearest is more than `within_ms` away.
        """
        best: Fixation | None = None
        best_ns = round(_finite("within_ms", within_ms, least=0.0) * 1e6) + 1
        for fixation in self._kept.values():
            away_ns = max(fixation.onset_ns - time_ns, time_ns - fixation.time_ns, 0)
            if away_ns < best_ns:
                best, best_ns = fixation, away_ns
        return best

    def at(self, trigger: Trigger, *, within_ms: float = 500.0) -> Fixation | None:
        """The fixation that a trigger most likely meant: `nearest` at the trigger's own time."""
        return self.nearest(trigger.time_ns, within_ms=within_ms)


@dataclass(frozen=True, slots=True)
class DwellState:
    """How far a dwell has come."""

    progress: float
    """0 nothing yet, 1 done."""
    fired: bool
    """True in the one update in which the dwell became complete."""
    paused: bool
    """True while a blink or a glance away is tolerated."""


class DwellTimer:
    """Counts how long the gaze stays with one target; fires once.

    Blinks and short glances away pause it; longer ones begin it anew, and only then it can fire again. A time that
    runs backwards begins it anew too.
    """

    def __init__(
        self,
        *,
        dwell_ms: float = DWELL_MS,
        blink_ms: float = BLINK_MS,
        resume_ms: float = RESUME_MS,
        credit_ms: float = CREDIT_MS,
    ) -> None:
        """Set the times.

        Args:
            dwell_ms: time on target until it fires.
            blink_ms: how long the gaze may be lost without losing what was reached.
            resume_ms: how long the gaze may rest elsewhere without losing what was reached.
            credit_ms: most that one step between two updates may add, so that a gap is not taken for a stare.

        Raises:
            InputError: when a time is negative, or `dwell_ms` or `credit_ms` is 0.
        """
        self._dwell_ns = _finite("dwell_ms", dwell_ms, above=0.0) * 1e6
        self._blink_ns = _finite("blink_ms", blink_ms, least=0.0) * 1e6
        self._resume_ns = _finite("resume_ms", resume_ms, least=0.0) * 1e6
        self._credit_ns = _finite("credit_ms", credit_ms, above=0.0) * 1e6
        self.reset()

    def reset(self) -> None:
        """Begin anew: from here on the timer equals a fresh one."""
        self._spent_ns = 0.0
        self._time_ns: int | None = None
        self._on_ns: int | None = None
        self._away_ns: int | None = None
        self._was_on = False
        self._done = False

    def update(self, time_ns: int, *, on_target: bool | None) -> DwellState:
        """Say where the gaze is at `time_ns`: on the target, elsewhere, or (None) not seen."""
        if self._time_ns is not None and time_ns < self._time_ns:
            self.reset()
        if on_target:
            return self._stay(time_ns)
        if on_target is None:
            over = self._on_ns is not None and time_ns - self._on_ns > self._blink_ns
        else:
            self._away_ns = time_ns if self._away_ns is None else self._away_ns
            over = time_ns - self._away_ns > self._resume_ns
        if over:
            self.reset()
        self._time_ns, self._was_on = time_ns, False
        return DwellState(self.progress, fired=False, paused=self._on_ns is not None)

    def _stay(self, time_ns: int) -> DwellState:
        patience_ns = max(self._blink_ns, self._resume_ns, self._credit_ns)
        if self._on_ns is not None and time_ns - self._on_ns > patience_ns:
            self.reset()
        if self._was_on and self._time_ns is not None:
            self._spent_ns += min(time_ns - self._time_ns, self._credit_ns)
        self._time_ns = self._on_ns = time_ns
        self._was_on, self._away_ns = True, None
        fired = not self._done and self._spent_ns >= self._dwell_ns
        self._done = self._done or fired
        return DwellState(self.progress, fired=fired, paused=False)

    @property
    def progress(self) -> float:
        """Share of the dwell that is done, 0..1."""
        return min(1.0, self._spent_ns / self._dwell_ns)
