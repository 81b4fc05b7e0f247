"""A straight line through the newest points, kept up to date at a constant cost a point."""

from __future__ import annotations

from collections import deque

Point = tuple[float, float, float]
"""Time in seconds, horizontal and vertical position in degrees, from an origin near by."""


class SlidingLine:
    """Least-squares line through the newest points of a stretch, by sums that points enter and leave."""

    __slots__ = ("_n", "_points", "_st", "_stt", "_stx", "_sty", "_sx", "_sxx", "_sy")

    def __init__(self) -> None:
        self._points: deque[Point] = deque()
        self.clear()

    def clear(self) -> None:
        """Forget every point."""
        self._points.clear()
        self._n = 0
        self._st = self._sx = self._sy = self._stt = self._stx = self._sty = self._sxx = 0.0

    def add(self, t: float, x: float, y: float) -> None:
        """A point enters. Coordinates are relative to the stretch's own origin, to keep the sums exact."""
        self._points.append((t, x, y))
        self._sum(t, x, y, 1)

    def forget_before(self, t: float) -> None:
        """Points older than `t` leave."""
        points = self._points
        while points and points[0][0] < t:
            self._sum(*points.popleft(), -1)

    def shift(self, t: float, x: float, y: float) -> None:
        """Move the origin by (t, x, y) and recompute the sums."""
        points = [(pt - t, px - x, py - y) for pt, px, py in self._points]
        self.clear()
        for point in points:
            self.add(*point)

    def _sum(self, t: float, x: float, y: float, sign: int) -> None:
        self._n += sign
        tx, xx = sign * t, sign * x
        self._st += tx
        self._sx += xx
        self._sy += sign * y
        self._stt += tx * t
        self._stx += tx * x
        self._sty += tx * y
        self._sxx += xx * x + sign * y * y

    def fit(self) -> tuple[float, float, float]:
        """Slope (x, y) in degrees a second, and the share of the scatter that the line explains, 0..1."""
        n = self._n
        spread = n * self._stt - self._st * self._st
        if n < 3 or spread <= 1e-12:
            return 0.0, 0.0, 0.0
        cx = n * self._stx - self._st * self._sx
        cy = n * self._sty - self._st * self._sy
        total = n * self._sxx - self._sx * self._sx - self._sy * self._sy
        explained = (cx * cx + cy * cy) / spread
        return cx / spread, cy / spread, min(1.0, explained / (total + 1e-9))
