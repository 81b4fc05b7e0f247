"""How fast the eye moves around one instant: short local line fits and the features made of them."""

from __future__ import annotations

from math import hypot, log

HALF_WINDOW_S = 0.005
"""Half-width of the window in which a speed is fitted: a 500 Hz stream gives 5 samples, as in short Savitzky-Golay fits."""
SPEED_FLOOR_DEG_S = 1.0
"""Added to a speed before its logarithm is taken, so that noise at rest does not spread over minus infinity."""
LAGS_BEFORE_MS = (-4.0, -8.0, -14.0, -20.0, -30.0, -40.0)
LAGS_AFTER_MS = (4.0, 8.0)
PEAK_WINDOWS_MS = (20.0, 60.0)
TURN_LAGS_MS = (-10.0, -20.0, -30.0)
KEEP = 512
"""Nodes kept at most: more than any window at the highest rate that is used in full."""

FEATURE_COUNT = 2 + len(LAGS_BEFORE_MS) + len(LAGS_AFTER_MS) + len(PEAK_WINDOWS_MS) + len(TURN_LAGS_MS) + 7
"""Length of the list that `MotionBuffer.features` returns, with its constant."""


class MotionBuffer:
    """The newest valid positions of one unbroken run, with the speed at each. Nodes are numbered from 0."""

    __slots__ = ("_first", "_fitted", "log_speed", "t", "vx", "vy", "x", "y")

    def __init__(self) -> None:
        self.t: list[float] = []
        self.x: list[float] = []
        self.y: list[float] = []
        self.vx: list[float] = []
        self.vy: list[float] = []
        self.log_speed: list[float] = []
        self._first = 0
        self._fitted = 0

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

    def append(self, t_s: float, x_deg: float, y_deg: float, half_window_s: float) -> None:
        """Add a position; fit the speed of every node whose window is complete now."""
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
        complete_until = t_s - half_window_s + 1e-6
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
        for k in range(low, high + 1):
            dt = t[k] - centre
            dx = xs[k] - x0
            dy = ys[k] - y0
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
        speed = self.log_speed
        per_ms = 0.001 / interval_s
        out = [1.0, speed[index]]
        value = speed[index]
        for lag in LAGS_BEFORE_MS:
            k = index + round(lag * per_ms)
            if k >= 0:
                value = speed[k]
            out.append(value)
        value = speed[index]
        for lag in LAGS_AFTER_MS:
            k = index + round(lag * per_ms)
            if k <= ahead:
                value = speed[k]
            out.append(value)
        for window in PEAK_WINDOWS_MS:
            out.append(max(speed[max(0, index - round(window * per_ms)) : index + 1]))
        vx, vy = self.vx[index], self.vy[index]
        here = hypot(vx, vy)
        for lag in TURN_LAGS_MS:
            k = max(0, index + round(lag * per_ms))
            ux, uy = self.vx[k], self.vy[k]
            out.append((vx * ux + vy * uy) / (here * hypot(ux, uy) + 4.0))
        around = max(speed[max(0, index - round(12.0 * per_ms)) : ahead + 1])
        above, peak_above = speed[index] - noise, around - noise
        out.append(self._displacement(index, ahead, per_ms))
        out.append(noise)
        out.append(around)
        out.append(min(max(above, 0.0), 1.6))
        out.append(min(max(above - 1.0, 0.0), 1.0))
        out.append(min(max(peak_above, 0.0), 1.6))
        out.append(min(max(peak_above - 1.0, 0.0), 1.2))
        return out

    def _displacement(self, index: int, ahead: int, per_ms: float) -> float:
        """Logarithm of the distance between the mean positions after and before the node, degrees."""
        gap = max(1, round(8.0 * per_ms))
        low, high = max(0, index - round(20.0 * per_ms)), max(0, index - gap)
        start, stop = min(ahead, index + gap), ahead
        before, after = high - low + 1, stop - start + 1
        dx = sum(self.x[start : stop + 1]) / after - sum(self.x[low : high + 1]) / before
        dy = sum(self.y[start : stop + 1]) / after - sum(self.y[low : high + 1]) / before
        return log(hypot(dx, dy) + 0.03)
