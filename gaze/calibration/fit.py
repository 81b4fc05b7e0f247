"""Fitting a calibration to the gaze samples collected at known targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_edge.errors import InputError
from sam_edge.gaze.calibration.mapping import PolynomialMap, consistent_targets, fit_map, spans_plane
from sam_edge.gaze.calibration.model import Calibration
from sam_edge.gaze.calibration.targets import (
    MIN_SAMPLES,
    TargetSamples,
    robust_centre,
    samples_centre,
    valid_positions,
)
from sam_edge.gaze.samples import GazeSample, HeadPoseValues


def calibrate(
    collected: Sequence[TargetSamples], *, size: tuple[int, int], order: int | None = None
) -> Calibration:
    """Fit a calibration to the samples collected at each target.

    Each target counts once, by the robust centre of its samples, which tolerates up to half of them as outliers. A
    target that does not agree with the others is left out and listed in `rejected`.

    Args:
        collected: targets with the samples recorded while the person looked at them.
        size: (height, width) of the screen or scene in pixels.
        order: 1 is affine, the default for fewer than nine targets; 2 is quadratic.

    Raises:
        InputError: `order` is unknown, or there are too few usable targets.
    """
    order = (2 if len(collected) >= 9 else 1) if order is None else order
    if order not in (1, 2):
        raise InputError(f"order is {order}; accepted: 1 (affine), 2 (quadratic)")
    usable = [i for i, seen in enumerate(collected) if len(valid_positions(seen.samples)) >= MIN_SAMPLES]
    needed = {1: 4, 2: 7}[order]
    if len(usable) < needed:
        raise InputError(
            f"{len(usable)} of {len(collected)} targets have {MIN_SAMPLES} valid samples; order {order} needs "
            f"{needed}: collect more targets"
        )
    gaze = np.array([samples_centre(collected[i].samples, f"target {i}") for i in usable])
    targets = np.array([collected[i].target_px for i in usable], float)
    kept = consistent_targets(gaze, targets, order=order)
    fitted = fit_map(gaze[kept], targets[kept], order=order)
    good = [i for i, keep in zip(usable, kept, strict=True) if keep]
    return Calibration(
        fitted,
        size,
        _systematic_error(gaze[kept], targets[kept], order),
        _sample_noise(fitted, [collected[i].samples for i in good]),
        rejected=tuple(i for i in range(len(collected)) if i not in good),
        head=_median_head([sample for i in good for sample in collected[i].samples]),
    )


def _median_head(samples: list[GazeSample]) -> HeadPoseValues | None:
    heads = [sample.head for sample in samples if sample.valid and sample.head is not None]
    if not heads:
        return None
    x, y, z, yaw, pitch, roll = (float(value) for value in np.median(heads, axis=0))
    return x, y, z, yaw, pitch, roll


def _systematic_error(gaze: np.ndarray, targets: np.ndarray, order: int) -> tuple[float, float, float]:
    """Covariance of the error at targets the map has not seen (each left out in turn, where enough are left)."""
    errors = []
    for place in range(len(gaze)):
        others = np.arange(len(gaze)) != place
        enough = others.sum() >= {1: 3, 2: 6}[order] and spans_plane(gaze[others])
        seen = others if enough else np.ones(len(gaze), bool)
        errors.append(
            fit_map(gaze[seen], targets[seen], order=order)(gaze[place : place + 1])[0] - targets[place]
        )
    return _covariance(np.array(errors))


def _sample_noise(fitted: PolynomialMap, samples: list[tuple[GazeSample, ...]]) -> tuple[float, float, float]:
    """Covariance of mapped samples about their target's centre, outliers left out."""
    parts = []
    for part in samples:
        mapped = fitted(valid_positions(part))
        centre, kept = robust_centre(mapped)
        parts.append(mapped[kept] - centre)
    return _covariance(np.concatenate(parts))


def _covariance(errors: np.ndarray) -> tuple[float, float, float]:
    """Second moments about zero: a common offset counts as error."""
    matrix = errors.T @ errors / len(errors)
    return float(matrix[0, 0]), float(matrix[0, 1]), float(matrix[1, 1])
