"""How good gaze is: accuracy and precision in degrees, as eye-movement research measures them.

Accuracy is the distance of the mean gaze from the target. Precision is the root mean square of the distances between
successive samples (RMS-S2S), and the standard deviation of the samples about their mean. Source: Holmqvist et al.
(2012), "Eye tracker data quality: what it is and how to measure it", ETRA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam_edge.errors import InputError
from sam_edge.gaze.calibration.model import Calibration
from sam_edge.gaze.calibration.targets import TargetSamples, robust_centre, valid_positions


@dataclass(frozen=True, slots=True)
class TargetQuality:
    """Quality of the gaze at one target."""

    target_px: tuple[float, float]
    """Where the target was, pixels."""
    accuracy_deg: float
    """Distance of the mean gaze from the target, degrees; NaN without valid samples."""
    rms_s2s_deg: float
    """Root mean square of sample-to-sample distances, degrees; NaN below two samples."""
    sd_deg: float
    """Standard deviation about the mean, both axes together, degrees."""
    valid: int
    """Valid samples."""
    samples: int
    """All samples."""


@dataclass(frozen=True, slots=True)
class GazeQuality:
    """Quality of the gaze over all targets: means over the targets that were seen."""

    accuracy_deg: float
    """Mean distance from the targets, degrees."""
    worst_deg: float
    """Distance from the target that was missed by most, degrees."""
    rms_s2s_deg: float
    """Sample-to-sample precision, degrees."""
    sd_deg: float
    """Standard deviation, degrees."""
    loss: float
    """Share of invalid samples, 0..1."""
    targets: tuple[TargetQuality, ...]
    """Each target by itself."""


def validate(
    collected: Sequence[TargetSamples], *, px_per_deg: float, calibration: Calibration | None = None
) -> GazeQuality:
    """Measure gaze against known targets, after `calibration` where one is given.

    Use targets that the calibration was not fitted to. Samples that are far from the rest of their target (a glance
    away) do not count. Raises `InputError` when no target has two valid samples.
    """
    if not px_per_deg > 0:
        raise InputError(f"px_per_deg is {px_per_deg}; accepted: above 0")
    targets = tuple(_quality(seen, px_per_deg, calibration) for seen in collected)
    seen = [target for target in targets if target.valid >= 2]
    if not seen:
        raise InputError(f"none of {len(collected)} targets has two valid samples; collect them again")
    total = sum(target.samples for target in targets)
    return GazeQuality(
        float(np.mean([target.accuracy_deg for target in seen])),
        max(target.accuracy_deg for target in seen),
        float(np.mean([target.rms_s2s_deg for target in seen])),
        float(np.mean([target.sd_deg for target in seen])),
        1.0 - sum(target.valid for target in targets) / total,
        targets,
    )


def _quality(seen: TargetSamples, px_per_deg: float, calibration: Calibration | None) -> TargetQuality:
    samples = seen.samples if calibration is None else tuple(map(calibration.apply, seen.samples))
    positions = valid_positions(samples) / px_per_deg
    if len(positions) < 2:
        return TargetQuality(seen.target_px, np.nan, np.nan, np.nan, len(positions), len(samples))
    centre, kept = robust_centre(positions)
    steps = np.diff(positions, axis=0)[kept[1:] & kept[:-1]]
    away = positions[kept] - centre
    return TargetQuality(
        seen.target_px,
        float(np.hypot(*(centre - np.array(seen.target_px) / px_per_deg))),
        float(np.sqrt(np.mean(np.sum(steps**2, axis=1)))) if len(steps) else float("nan"),
        float(np.sqrt(np.mean(np.sum(away**2, axis=1)))),
        len(positions),
        len(samples),
    )
