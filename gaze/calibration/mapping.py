"""A smooth map from where a tracker says the gaze is to where it is: a polynomial, fitted robustly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_edge.errors import InputError

_TERMS = {1: 3, 2: 6}
_RIDGE = 1e-3
_GATE_SHARE = {1: 0.08, 2: 0.03}
_GATE_FACTOR = 5.0


@dataclass(frozen=True, slots=True)
class PolynomialMap:
    """x and y of the target as polynomials of the normalised gaze position."""

    order: int
    """1: affine; 2: with the products and squares too."""
    centre: tuple[float, float]
    """Gaze position that counts as (0, 0), pixels."""
    scale: float
    """Pixels that count as 1."""
    x_terms: tuple[float, ...]
    """Coefficients of 1, u, v, u*v, u*u, v*v for x, pixels."""
    y_terms: tuple[float, ...]
    """Coefficients for y, pixels."""

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Map positions (n, 2), pixels, to targets (n, 2), pixels."""
        basis = _basis(self.order, (positions - np.array(self.centre)) / self.scale)
        mapped: np.ndarray = basis @ np.array([self.x_terms, self.y_terms]).T
        return mapped

    def at(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Map one position, pixels."""
        u, v = (x_px - self.centre[0]) / self.scale, (y_px - self.centre[1]) / self.scale
        basis = (1.0, u, v, u * v, u * u, v * v)
        x = sum(term * value for term, value in zip(self.x_terms, basis, strict=False))
        y = sum(term * value for term, value in zip(self.y_terms, basis, strict=False))
        return x, y

    def slope(self, x_px: float, y_px: float) -> np.ndarray:
        """Return the Jacobian (2, 2) of the map at a position."""
        u, v = (x_px - self.centre[0]) / self.scale, (y_px - self.centre[1]) / self.scale
        by_u, by_v = [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
        if self.order == 2:
            by_u += [v, 2 * u, 0.0]
            by_v += [u, 0.0, 2 * v]
        terms = np.array([self.x_terms, self.y_terms])
        slope: np.ndarray = terms @ np.array([by_u, by_v]).T / self.scale
        return slope


def fit_map(gaze: np.ndarray, targets: np.ndarray, *, order: int) -> PolynomialMap:
    """Fit a map to gaze centres (n, 2) and their targets (n, 2), pixels.

    Squares and products are held small by a ridge, so that few targets do not bend the map. Huber weights
    (iteratively reweighted least squares) keep one poor target from pulling it. Raises `InputError` when there are
    too few targets, or they stand on one line.
    """
    if order not in _TERMS:
        raise InputError(f"order is {order}; accepted: {', '.join(map(str, _TERMS))}")
    if len(gaze) < _TERMS[order]:
        raise InputError(f"{len(gaze)} targets; a map of order {order} needs {_TERMS[order]}")
    centre = gaze.mean(axis=0)
    scale = float(np.abs(gaze - centre).max())
    if scale <= 0.0:
        raise InputError("the gaze was at one place for all targets; is the tracker running?")
    basis = _basis(order, (gaze - centre) / scale)
    if not spans_plane(gaze):
        raise InputError("the gaze moved along one line only; a map needs targets that span a plane")
    penalty = np.zeros(basis.shape[1])
    penalty[3:] = _RIDGE * len(gaze)
    weights = np.ones(len(gaze))
    terms = np.zeros((basis.shape[1], 2))
    for _ in range(10):
        weighted = basis * weights[:, None]
        terms = np.linalg.solve(weighted.T @ basis + np.diag(penalty + 1e-9), weighted.T @ targets)
        error = np.hypot(*(basis @ terms - targets).T)
        limit = 1.5 * float(np.median(error)) + 1e-6 * scale
        weights = np.minimum(1.0, limit / np.maximum(error, 1e-12))
    return PolynomialMap(
        order,
        (float(centre[0]), float(centre[1])),
        scale,
        tuple(map(float, terms[:, 0])),
        tuple(map(float, terms[:, 1])),
    )


def spans_plane(gaze: np.ndarray) -> bool:
    """Return whether positions (n, 2) are spread in two directions, not along one line."""
    spread = np.linalg.svd(gaze - gaze.mean(axis=0), compute_uv=False)
    return bool(spread[-1] > 0.02 * spread[0] > 0.0)


def consistent_targets(gaze: np.ndarray, targets: np.ndarray, *, order: int) -> np.ndarray:
    """Return which targets (n,) agree with the others.

    The one whose absence helps the others most is left out as long as the map of the others misses it by far: by
    five times what they themselves are missed by, and by more than 3 % of the targets' extent (8 % for an affine
    map, which a bent lens alone may miss by some).
    """
    kept = np.ones(len(gaze), bool)
    extent = float(np.hypot(*np.ptp(targets, axis=0)))
    while kept.sum() > _TERMS[order] + 1:
        places = np.flatnonzero(kept)
        rests = [_rest(gaze, targets, kept, int(place), order) for place in places]
        best = int(np.argmin([rest for rest, _ in rests]))
        rest, missed_by = rests[best]
        if missed_by < max(_GATE_SHARE[order] * extent, _GATE_FACTOR * rest):
            break
        kept[places[best]] = False
    return kept


def _rest(
    gaze: np.ndarray, targets: np.ndarray, kept: np.ndarray, place: int, order: int
) -> tuple[float, float]:
    """RMS error of the other targets under their own map, and how far that map misses the one left out."""
    others = kept.copy()
    others[place] = False
    if not spans_plane(gaze[others]):
        return np.inf, 0.0
    fitted = fit_map(gaze[others], targets[others], order=order)
    errors = np.hypot(*(fitted(gaze) - targets).T)
    spare = max(1, int(others.sum()) - _TERMS[order])
    return float(np.sqrt(np.sum(errors[others] ** 2) / spare)), float(errors[place])


def _basis(order: int, unit: np.ndarray) -> np.ndarray:
    u, v = unit[:, 0], unit[:, 1]
    columns = [np.ones_like(u), u, v]
    if order == 2:
        columns += [u * v, u * u, v * v]
    return np.stack(columns, axis=1)
