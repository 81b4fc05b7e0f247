"""One calibration of a client's gaze: what was seen at each target, and what comes of it."""

from __future__ import annotations

from sam_edge.gaze.calibration import Calibration, CalibrationRoutine, calibrate, validate
from sam_edge.gaze.calibration.targets import TargetSamples, robust_centre, valid_positions
from sam_edge.gaze.samples import GazeSample
from sam_edge.wire.webcam_messages import (
    CalibrationAction,
    CalibrationResult,
    CalibrationTarget,
    TargetError,
    TargetProgress,
    TargetState,
)

STEADY_DEG = 4.0
"""Gaze that spreads by less, as a robust standard deviation, is steady: single samples of a webcam are noisy."""
COLLECT_MS, MOST_COLLECT_MS = 800.0, 10_000.0
"""How long the gaze must be steady; longer where pictures come slowly."""
LEAST_SAMPLES, SAMPLES = 10, 20
"""Valid samples that a target needs, and samples that are waited for where they come slowly, and seldom evenly."""
PATIENCE = 4.0
"""A target that was not steady in so many times as long as it takes is given up."""


class CalibrationRun:
    """Collects at one target after the other."""

    def __init__(self, px_per_deg: float) -> None:
        """Begin without a target. `px_per_deg` is pixels of the screen in a degree."""
        self._px_per_deg = px_per_deg
        self._seen: dict[int, tuple[CalibrationTarget, TargetSamples]] = {}
        self._target: CalibrationTarget | None = None
        self._routine: CalibrationRoutine | None = None

    def aim(self, target: CalibrationTarget, interval_ms: float) -> None:
        """Collect at a target from its moment on; `interval_ms` is the time from one sample to the next."""
        collect_ms = min(MOST_COLLECT_MS, max(COLLECT_MS, SAMPLES * interval_ms))
        self._seen.pop(target.target_id, None)
        self._target = target
        self._routine = CalibrationRoutine(
            [target.position_px],
            max_spread_px=STEADY_DEG * self._px_per_deg,
            settle_ms=0.0,
            collect_ms=collect_ms,
            timeout_ms=PATIENCE * collect_ms,
            min_samples=LEAST_SAMPLES,
            retries=0,
        )
        self._routine.update(target.start_ns)
        self._valid = 0

    def take(self, sample: GazeSample) -> TargetProgress | None:
        """Take a sample and say how the target comes along; None when nothing is collected."""
        target, routine = self._target, self._routine
        if target is None or routine is None or sample.time_ns < target.start_ns:
            return None
        self._valid = min(self._valid + sample.valid, 0xFFFF)
        step = routine.update(sample.time_ns, [sample])
        if not routine.finished:
            return TargetProgress(target.target_id, TargetState.COLLECTING, step.progress, self._valid)
        self._target = self._routine = None
        if not routine.collected:
            return TargetProgress(target.target_id, TargetState.UNSTEADY, 0.0, self._valid)
        self._seen[target.target_id] = (target, routine.collected[0])
        return TargetProgress(target.target_id, TargetState.COLLECTED, 1.0, self._valid)

    def finish(self, size: tuple[int, int], px_per_deg: float) -> tuple[Calibration, CalibrationResult]:
        """Fit a calibration for a screen of (height, width) to what was collected.

        Its accuracy is that at the targets for checking, or where there are none, at each of the others as if the map
        had not seen it. `px_per_deg` is pixels in a degree at the distance of the face.

        Raises:
            InputError: too few targets were seen.
        """
        fitted = [both for both in self._seen.values() if not both[0].validation]
        checked = [both for both in self._seen.values() if both[0].validation]
        calibration = calibrate([seen for _, seen in fitted], size=size)
        rejected = {fitted[index][0].target_id for index in calibration.rejected}
        targets = tuple(
            _error(target, seen, calibration, target.target_id in rejected)
            for target, seen in (*fitted, *checked)
        )
        if checked:
            quality = validate([seen for _, seen in checked], px_per_deg=px_per_deg, calibration=calibration)
            accuracy_deg, worst_deg = quality.accuracy_deg, quality.worst_deg
        else:
            accuracy_deg = _deviation(calibration.error_px2) / px_per_deg
            worst_deg = max(accuracy_deg, *(one.error_px / px_per_deg for one in targets if not one.rejected))
        return calibration, CalibrationResult(
            CalibrationAction.FINISH,
            accuracy_deg * px_per_deg,
            accuracy_deg,
            worst_deg,
            _deviation(calibration.noise_px2) / px_per_deg,
            px_per_deg,
            targets,
            calibration.to_json().encode("ascii"),
        )


def _error(
    target: CalibrationTarget, seen: TargetSamples, calibration: Calibration, rejected: bool
) -> TargetError:
    mapped = valid_positions(tuple(map(calibration.apply, seen.samples)))
    x, y = (float(value) for value in robust_centre(mapped)[0])
    return TargetError(target.target_id, target.validation, rejected, target.position_px, (x, y))


def _deviation(covariance_px2: tuple[float, float, float]) -> float:
    return float((covariance_px2[0] + covariance_px2[2]) ** 0.5)
