"""The iris to a fraction of a pixel: a circle that is laid on the border between iris and white.

The network's iris is steady but lags behind where the eye turns far, by a fifth of the way and more; and a degree of
gaze is a quarter of a pixel at arm's length. So its answer is only where the search begins. The search gives a circle
that is right sideways; up and down the lids pull at it. So the border is then looked for along each radius, and the
circle laid through what was found between the lids.

Source: Daugman, "High confidence visual recognition of persons by a test of statistical independence" (1993): the
circle along which brightness changes most from inside to outside. Only arcs to the left and right count, between the
lids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.webcam.crops import Floats

_ARC_DEG = np.concatenate([np.arange(-35.0, 46.0, 5.0), np.arange(135.0, 216.0, 5.0)])
"""Where on the circle brightness is compared: 0 is right, 90 is down."""
_UNIT = np.stack([np.cos(np.radians(_ARC_DEG)), np.sin(np.radians(_ARC_DEG))], axis=1)
_SIZES = np.array([0.97, 1.03, 1.09, 1.15])
"""Radii that are tried, times the network's, which is rather small. Much less than these is the pupil."""
_REACH = 0.6
"""How far from the network's centre the search goes, iris radii."""
_COARSE = 0.15
"""Step of the search, iris radii."""
_LEAST_CONTRAST = 3.0
_FEW = 10.0
"""So many points on the border between the lids count half as much as any number of them."""
_SPOKE_RAD = np.radians(np.arange(0.0, 360.0, 7.5))
_SPOKES = np.stack([np.cos(_SPOKE_RAD), np.sin(_SPOKE_RAD)], axis=1)
"""Along these the border is looked for."""
_DEPTHS = np.linspace(-0.28, 0.28, 15)
_STEP = 2
"""How far inside and outside of the circle, iris radii; brightness is compared over twice `_STEP` of these steps."""
_ROUNDS = 2
_LEAST_RISE, _LEAST_SEEN = 8.0, 8
"""Grey levels that are a border, and spokes that must meet it."""
_HOLD = np.diag([0.0, 0.0, 5.0])
"""Holds the radius where little of the border is seen; a row for each unknown of `_shift`."""


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle in the image."""

    x_px: float
    """Centre, frame pixels."""
    y_px: float
    """Centre, frame pixels."""
    radius_px: float
    """Radius, pixels."""
    contrast: float
    """How much brighter it is outside than inside, grey levels."""


def fit_circles(
    grey: NDArray[np.uint8], starts_px: Floats, lids_px: Sequence[Floats], radius_px: float
) -> list[Circle | None]:
    """Return each iris's circle near `starts_px` (n, 2), or None where there is no border to be seen.

    The irises of one face are of one size.

    Args:
        grey: the frame's brightness (H, W).
        starts_px: the network's centres, frame pixels.
        lids_px: the lids' openings, a polygon (m, 2) for each eye; what lies outside says little.
        radius_px: the network's radius.
    """
    places = [
        _Place.around(grey, start, lids, radius_px) for start, lids in zip(starts_px, lids_px, strict=True)
    ]
    steps = np.arange(-_REACH, _REACH + 1e-9, _COARSE) * radius_px
    coarse = [
        place.scores(start, steps, _SIZES * radius_px) for place, start in zip(places, starts_px, strict=True)
    ]
    level = int(np.argmax(sum(score.max(axis=(0, 1)) for score in coarse)))
    size = float(_SIZES[level])
    circles = []
    for place, start, score in zip(places, starts_px, coarse, strict=True):
        x, y, top = _top(score[..., level], start, steps)
        circles.append(place.through_border(Circle(x, y, size * radius_px, top**2)))
    return [circle if circle.contrast >= _LEAST_CONTRAST else None for circle in circles]


@dataclass(frozen=True, slots=True)
class _Place:
    """The neighbourhood of one eye."""

    grey: NDArray[np.uint8]
    """Brightness."""
    opening: NDArray[np.uint8]
    """255 between the lids, 0 elsewhere."""
    corner_px: Floats
    """Its upper left corner in the frame."""

    @classmethod
    def around(cls, grey: NDArray[np.uint8], start: Floats, lids: Floats, radius_px: float) -> _Place:
        reach = 2.5 * radius_px + 3.0
        x0, y0 = (max(0, int(value)) for value in start - reach)
        x1, y1 = (max(1, int(value)) for value in start + reach)
        part = grey[min(y0, grey.shape[0] - 1) : y1, min(x0, grey.shape[1] - 1) : x1]
        corner = np.array([min(x0, grey.shape[1] - 1), min(y0, grey.shape[0] - 1)], float)
        opening = np.zeros(part.shape, np.uint8)
        fixed = np.round((lids - corner - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(opening, [fixed], 255, cv2.LINE_8, 4)
        return cls(part, opening, corner)

    def scores(self, centre_px: Floats, steps_px: Floats, radii_px: Floats) -> NDArray[np.float32]:
        """Return how much brighter it is outside than inside of circles on a grid: by y, x and radius."""
        gap = max(0.14 * float(radii_px.mean()), 0.75)
        reach = radii_px[:, None] + np.array([-gap, gap])
        offsets = reach[:, :, None, None] * _UNIT
        shift_y, shift_x = np.meshgrid(steps_px, steps_px, indexing="ij")
        middle = centre_px - self.corner_px
        x = (middle[0] + shift_x)[:, :, None, None, None] + offsets[..., 0]
        y = (middle[1] + shift_y)[:, :, None, None, None] + offsets[..., 1]
        seen = _sample_bilinear(self.grey, x, y)
        inside, outside = seen[..., 0, :], seen[..., 1, :]
        open_there = _sample_bilinear(self.opening, x[..., 1, :], y[..., 1, :]) / 255.0
        # The root: a border that is faint all round counts more than half of a strong one.
        change = np.sqrt(np.maximum(outside - inside, 0.0)) * open_there
        scores: NDArray[np.float32] = change.sum(axis=-1) / (open_there.sum(axis=-1) + _FEW)
        return scores

    def through_border(self, circle: Circle) -> Circle:
        """Return the circle laid through the border, which is looked for near `circle` along each radius."""
        for _ in range(_ROUNDS):
            away_px, seen = self._border(circle)
            if np.count_nonzero(seen) < _LEAST_SEEN:
                return circle
            x, y, wider = (float(value) for value in _shift(away_px[seen], _SPOKES[seen]))
            circle = replace(
                circle, x_px=circle.x_px + x, y_px=circle.y_px + y, radius_px=circle.radius_px + wider
            )
        return circle

    def _border(self, circle: Circle) -> tuple[Floats, NDArray[np.bool_]]:
        """Return how far outside of the circle the border is along each spoke, pixels, and where it was seen."""
        reach = circle.radius_px * (1.0 + _DEPTHS)
        x, y = (
            middle + _SPOKES[:, axis : axis + 1] * reach - self.corner_px[axis]
            for axis, middle in enumerate((circle.x_px, circle.y_px))
        )
        grey, opening = (
            _sample_bilinear(self.grey, x, y),
            _sample_bilinear(self.opening, x[:, [0, -1]], y[:, [0, -1]]),
        )
        rise = np.zeros(grey.shape)
        rise[:, _STEP:-_STEP] = grey[:, 2 * _STEP :] - grey[:, : -2 * _STEP]
        best, spoke = np.clip(np.argmax(rise, axis=1), 1, len(_DEPTHS) - 2), np.arange(len(rise))
        below, top, above = rise[spoke, best - 1], rise[spoke, best], rise[spoke, best + 1]
        bend = np.minimum(below - 2 * top + above, -1e-9)
        between = np.clip(0.5 * (below - above) / bend, -0.5, 0.5)
        away_px = circle.radius_px * (_DEPTHS[best] + between * (_DEPTHS[1] - _DEPTHS[0]))
        inside = (best > _STEP) & (best < len(_DEPTHS) - _STEP - 1)
        return away_px, inside & (top > _LEAST_RISE) & (opening.min(axis=1) > 127)


def _shift(away_px: Floats, spokes: Floats) -> Floats:
    """Return by how much a circle must be moved in x and y and widened to lie on the border; strays do not pull."""
    terms = np.column_stack([spokes, np.ones(len(spokes))])
    weights = np.ones(len(spokes))
    for _ in range(_ROUNDS + 1):
        weighted = terms * weights[:, None]
        shift: Floats = np.linalg.solve(weighted.T @ terms + _HOLD, weighted.T @ away_px)
        misses = np.abs(away_px - terms @ shift)
        weights = np.minimum(1.0, (1.5 * float(np.median(misses)) + 1e-3) / np.maximum(misses, 1e-9))
    return shift


def _sample_bilinear(image: NDArray[np.uint8], x: Floats, y: Floats) -> NDArray[np.float32]:
    """Return an image's values at points of any shape, between its pixels."""
    flat = (-1, x.shape[-1])
    # OpenCV counts pixels from their middle, we from their corner.
    places = [(values - 0.5).reshape(flat).astype(np.float32) for values in (x, y)]
    values = cv2.remap(image, places[0], places[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values, np.float32).reshape(x.shape)


def _top(score: NDArray[np.float32], centre: Floats, steps_px: Floats) -> tuple[float, float, float]:
    """Return where on a grid (y, x) round `centre` the score is highest, between its points, and how high."""
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    step = float(steps_px[1] - steps_px[0])
    x = float(centre[0] + steps_px[column]) + step * _peak(score[row], int(column))
    y = float(centre[1] + steps_px[row]) + step * _peak(score[:, column], int(row))
    return x, y, float(score[row, column])


def _peak(values: NDArray[np.float32], index: int) -> float:
    """Return how far from `index` the top of the parabola through three neighbours lies, in steps."""
    if not 0 < index < len(values) - 1:
        return 0.0
    below, top, above = (float(value) for value in values[index - 1 : index + 2])
    bend = below - 2 * top + above
    return 0.0 if bend >= -1e-9 else float(np.clip(0.5 * (below - above) / bend, -0.5, 0.5))
