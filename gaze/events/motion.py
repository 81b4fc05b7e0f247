"""How fast the eye moves around one instant: short local line fits and the features made of them."""

from __future__ import annotations

from math import hypot, log

HALF_WINDOW_S = 0.005
"""Half-width of the window in which a speed is fitted: 5 samples of a 500 Hz stream."""
SPEED_FLOOR_DEG_S = 1.0
"""Added to a speed before its logarithm is taken, so that noise at rest does not spread over minus infinity."""
LAGS_BEFORE_MS = (4.0, 8.0, 14.0, 20.0, 30.0, 40.0)
LAGS_AFTER_MS = (4.0, 8.0)
PEAK_WINDOWS_MS = (20.0, 60.0)
TURN_LAGS_MS = (10.0, 20.0, 30.0)
KEEP = 512
"""Nodes kept at most: more than any window at the highest rate that is used in full."""

FEATURE_COUNT = 2 + len(LAGS_BEFORE_MS) + len(LAGS_AFTER_MS) + len(PEAK_WINDOWS_MS) + len(TURN_LAGS_MS) + 7
"""Length of the list that `MotionBuffer.features` returns, with its constant."""


class MotionBuffer:
    """The newest valid positions of one unbroken run, with the speed at each. Nodes are numbered from 0."""

    __slots__ = ("_first", "_fitted", "_lags", "_lags_for_s", "log_speed", "t", "vx", "vy", "x", "y")

    def __init__(self) -> None:
        self.t: list[float] = []
        self.x: list[float] = []
        self.y: list[float] = []
        self.vx: list[float] = []
        self.vy: list[float] = []
        self.log_speed: list[float] = []
        self._first = 0
        self._fitted = 0
        self._lags_for_s = 0.0
        self._lags = _Lags(1.0)

    @property
    def end(self) -> int:
        """Number of the node that the next `append` makes."""
        return self._first + len(self.t)

    def begin_run(self) -> None:
        """What comes next has nothing to do with what came before; numbers go on rising."""
        self._first = self.end
        for column in (self.t, self.x, self.y, self.vx, self.vy, self.log_speed):
            column.clear()
        self._fitted = 0

    def place(self, node: int) -> int:
        """Index of `node` in the lists; negative when it is gone."""
        return node - self._first

    def append(
        self, t_s: float, x_deg: float, y_deg: float, *, half_window_s: float, interval_s: float
    ) -> None:
        """Add a position; fit the speed of every node whose window the next position cannot reach."""
        if len(self.t) >= KEEP:
            self._trim()
        t = self.t
        t.append(t_s)
        self.x.append(x_deg)
        self.y.append(y_deg)
        self.vx.append(0.0)
        self.vy.append(0.0)
        self.log_speed.append(0.0)
        newest = len(t) - 1
        complete_until = t_s + 0.9 * interval_s - half_window_s
        while self._fitted <= newest and t[self._fitted] <= complete_until:
            self._fit(self._fitted, half_window_s, newest)
            self._fitted += 1

    def fit_pending(self, upto: int, half_window_s: float) -> None:
        """Give the nodes up to index `upto` whose windows are incomplete a preliminary speed."""
        for index in range(self._fitted, upto + 1):
            self._fit(index, half_window_s, len(self.t) - 1)

    def _trim(self) -> None:
        half = KEEP // 2
        for column in (self.t, self.x, self.y, self.vx, self.vy, self.log_speed):
            del column[:half]
        self._first += half
        self._fitted -= half

    def _fit(self, index: int, half_window_s: float, newest: int) -> None:
        """Least-squares slope of the positions within `half_window_s` of node `index`."""
        t, xs, ys = self.t, self.x, self.y
        centre = t[index]
        low = high = index
        earliest, latest = centre - half_window_s - 1e-6, centre + half_window_s + 1e-6
        while low > 0 and t[low - 1] >= earliest:
            low -= 1
        while high < newest and t[high + 1] <= latest:
            high += 1
        count = high - low + 1
        if count < 2:
            self.log_speed[index] = self.log_speed[index - 1] if index else log(SPEED_FLOOR_DEG_S)
            return
        x0, y0 = xs[index], ys[index]
        st = sx = sy = stt = stx = sty = 0.0
        high += 1
        for when, x, y in zip(t[low:high], xs[low:high], ys[low:high], strict=True):
            dt = when - centre
            dx = x - x0
            dy = y - y0
            st += dt
            sx += dx
            sy += dy
            stt += dt * dt
            stx += dt * dx
            sty += dt * dy
        spread = count * stt - st * st
        vx = (count * stx - st * sx) / spread
        vy = (count * sty - st * sy) / spread
        self.vx[index], self.vy[index] = vx, vy
        self.log_speed[index] = log(hypot(vx, vy) + SPEED_FLOOR_DEG_S)

    def features(self, index: int, *, ahead: int, interval_s: float, noise: float) -> list[float]:
        """What the movement model looks at, for the node at list `index`, seeing no further than index `ahead`.

        Log speeds before, at and after it; peaks before it; how far the direction turned; net displacement across it;
        the noise level. The first entry is 1.
        """
        if abs(interval_s - self._lags_for_s) > 0.02 * interval_s:
            self._lags_for_s, self._lags = interval_s, _Lags(0.001 / interval_s)
        lags, speed = self._lags, self.log_speed
        here = value = speed[index]
        out = [1.0, here]
        for lag in lags.before:
            if index >= lag:
                value = speed[index - lag]
            out.append(value)
        value = here
        for lag in lags.after:
            if index + lag <= ahead:
                value = speed[index + lag]
            out.append(value)
        for lag in lags.peaks:
            out.append(max(speed[index - lag if index > lag else 0 : index + 1]))  # noqa: PERF401 a loop is quicker
        vx, vy = self.vx[index], self.vy[index]
        size = hypot(vx, vy)
        for lag in lags.turns:
            k = index - lag if index > lag else 0
            ux, uy = self.vx[k], self.vy[k]
            out.append((vx * ux + vy * uy) / (size * hypot(ux, uy) + 4.0))
        around = max(speed[index - lags.around if index > lags.around else 0 : ahead + 1])
        above, peak_above = here - noise, around - noise
        out += (
            self._displacement(index, ahead),
            noise,
            around,
            0.0 if above < 0.0 else 1.6 if above > 1.6 else above,
            0.0 if above < 1.0 else 1.0 if above > 2.0 else above - 1.0,
            0.0 if peak_above < 0.0 else 1.6 if peak_above > 1.6 else peak_above,
            0.0 if peak_above < 1.0 else 1.2 if peak_above > 2.2 else peak_above - 1.0,
        )
        return out

    def _displacement(self, index: int, ahead: int) -> float:
        """Logarithm of the distance between the mean positions after and before the node, degrees."""
        gap, far = self._lags.gap, self._lags.far
        low, high = max(0, index - far), max(0, index - gap) + 1
        start, stop = min(ahead, index + gap), ahead + 1
        before, after = high - low, stop - start
        dx = sum(self.x[start:stop]) / after - sum(self.x[low:high]) / before
        dy = sum(self.y[start:stop]) / after - sum(self.y[low:high]) / before
        return log(hypot(dx, dy) + 0.03)


class _Lags:
    """The windows in samples instead of milliseconds, for one rate."""

    __slots__ = ("after", "around", "before", "far", "gap", "peaks", "turns")

    def __init__(self, per_ms: float) -> None:
        self.before = tuple(round(ms * per_ms) for ms in LAGS_BEFORE_MS)
        self.after = tuple(round(ms * per_ms) for ms in LAGS_AFTER_MS)
        self.peaks = tuple(round(ms * per_ms) for ms in PEAK_WINDOWS_MS)
        self.turns = tuple(round(ms * per_ms) for ms in TURN_LAGS_MS)
        self.around = round(12.0 * per_ms)
        self.gap = max(1, round(8.0 * per_ms))
        self.far = max(self.gap, round(20.0 * per_ms))
