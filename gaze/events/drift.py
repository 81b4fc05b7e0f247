"""Does a resting gaze drift along with something? Evidence for smooth pursuit against fixation."""

from __future__ import annotations

from math import hypot, log

from sam_edge.gaze.events.line import Point, SlidingLine

LONG_WINDOW_S = 0.25
"""Window of the line fit that tells a sustained drift: a typical fixation's length."""
SHORT_WINDOW_S = 0.06
"""Window of the line fit that tells what the gaze does right now."""
REBASE_S = 10.0
"""The sums of a long stretch are recomputed this often, so that rounding errors cannot add up."""
TRUST_S = 0.08
"""A stretch shorter than this has a drift that is measured too badly to be compared with the next one's in full."""

FEATURE_COUNT = 10
"""Length of the list that `DriftTracker.features` returns, with its constant."""


class DriftTracker:
    """Drift within the stable stretch that goes on, and how it fits the one before. Memory is bounded."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._long = SlidingLine()
        self._short = SlidingLine()
        self._open = False
        self._origin: Point = (0.0, 0.0, 0.0)
        self._onset_s = 0.0
        self._newest: Point = (0.0, 0.0, 0.0)
        self._left: tuple[float, float] | None = None
        self._jump = (0.0, 0.0)
        self._before = (0.0, 0.0)
        self._log_speed_sum = 0.0
        self._asked = 0

    def add(self, t_s: float, x_deg: float, y_deg: float) -> None:
        """The gaze was stable here; begins a stretch when none goes on."""
        if not self._open:
            self._begin(t_s, x_deg, y_deg)
        t0, x0, y0 = self._origin
        if t_s - t0 > REBASE_S:
            shift = (t_s - t0, x_deg - x0, y_deg - y0)
            self._long.shift(*shift)
            self._short.shift(*shift)
            t0, x0, y0 = self._origin = (t_s, x_deg, y_deg)
        self._newest = (t_s, x_deg, y_deg)
        self._long.add(t_s - t0, x_deg - x0, y_deg - y0)
        self._short.add(t_s - t0, x_deg - x0, y_deg - y0)

    def end(self) -> None:
        """The stretch is over. Its drift and its last place are remembered for the next one."""
        if not self._open:
            return
        self._open = False
        vx, vy, _ = self._long.fit()
        trust = min(1.0, (self._newest[0] - self._onset_s) / TRUST_S)
        self._before = (vx * trust, vy * trust)
        self._left = self._newest[1:]
        self._long.clear()
        self._short.clear()

    def _begin(self, t_s: float, x_deg: float, y_deg: float) -> None:
        self._open = True
        self._origin = (t_s, x_deg, y_deg)
        self._onset_s = t_s
        self._jump = (0.0, 0.0) if self._left is None else (x_deg - self._left[0], y_deg - self._left[1])
        self._log_speed_sum, self._asked = 0.0, 0

    def features(self, t_s: float) -> list[float]:
        """What the pursuit model looks at for the stable sample at `t_s`. Call in order of time, once a sample.

        The lines reach from the window before `t_s` to the newest stable sample. In this order: a constant 1; log
        speed of the long and of the short line; log age of the stretch; the share of scatter that the long line
        explains; agreement of its direction with the drift before the last saccade; log size of that saccade; agreement
        of the drift with the saccade's direction; whether this is the first stretch; mean log speed so far.
        """
        since = t_s - self._origin[0]
        self._long.forget_before(since - LONG_WINDOW_S)
        self._short.forget_before(since - SHORT_WINDOW_S)
        vx, vy, explained = self._long.fit()
        ux, uy, _ = self._short.fit()
        speed = hypot(vx, vy)
        log_speed = log(speed + 0.5)
        self._log_speed_sum += log_speed
        self._asked += 1
        bx, by = self._before
        jx, jy = self._jump
        jump = hypot(jx, jy)
        return [
            1.0,
            log_speed,
            log(hypot(ux, uy) + 0.5),
            log(max(t_s - self._onset_s, 0.0) + 0.03),
            explained,
            (vx * bx + vy * by) / (speed * hypot(bx, by) + 2.25),
            log(jump + 0.2),
            (vx * jx + vy * jy) / (speed * jump + 0.3),
            1.0 if self._left is None else 0.0,
            self._log_speed_sum / self._asked,
        ]
