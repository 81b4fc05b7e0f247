"""One calibration run: gaze is collected at one target after another, then a calibration is fitted."""

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
"""Gaze is steady below this robust standard deviation: single samples of a webcam are noisy."""
MIN_COLLECT_MS, MAX_COLLECT_MS = 800.0, 10_000.0
"""How long the gaze must be steady; longer for slow webcams."""
MIN_SAMPLES, SAMPLES = 10, 20
"""Valid samples that a target needs, and samples that the collection time is planned for."""
TIMEOUT_FACTOR = 4.0
"""A target that was not steady within this times its collection time is unsteady."""


class CalibrationRun:
    """Collects gaze at one target after another."""

    def __init__(self, px_per_deg: float) -> None:
        """Start without a target. `px_per_deg` is screen pixels in a degree."""
        self._px_per_deg = px_per_deg
        self._collected: dict[int, tuple[CalibrationTarget, TargetSamples]] = {}
        self._target: CalibrationTarget | None = None
        self._routine: CalibrationRoutine | None = None
        self._valid_samples = 0

    def start_target(self, target: CalibrationTarget, interval_ms: float) -> None:
        """Collect gaze at a target from its start time on; `interval_ms` is the time between samples."""
        collect_ms = min(MAX_COLLECT_MS, max(MIN_COLLECT_MS, SAMPLES * interval_ms))
        self._collected.pop(target.target_id, None)
        self._target = target
        self._routine = CalibrationRoutine(
            [target.position_px],
            max_spread_px=STEADY_DEG * self._px_per_deg,
            settle_ms=0.0,
            collect_ms=collect_ms,
            timeout_ms=TIMEOUT_FACTOR * collect_ms,
            min_samples=MIN_SAMPLES,
            retries=0,
        )
        self._routine.update(target.start_ns)
        self._valid_samples = 0

    def add_sample(self, sample: GazeSample) -> TargetProgress | None:
        """Add a sample, and return the target's progress; None when nothing is collected now."""
        target, routine = self._target, self._routine
        if target is None or routine is None or sample.time_ns < target.start_ns:
            return None
        self._valid_samples = min(self._valid_samples + sample.valid, 0xFFFF)
        step = routine.update(sample.time_ns, [sample])
        if not routine.finished:
            state, progress = TargetState.COLLECTING, step.progress
        else:
            self._target = self._routine = None
            state, progress = TargetState.UNSTEADY, 0.0
            if routine.collected:
                self._collected[target.target_id] = (target, routine.collected[0])
                state, progress = TargetState.COLLECTED, 1.0
        return TargetProgress(target.target_id, state, progress, self._valid_samples)

    def finish(self, size: tuple[int, int], px_per_deg: float) -> tuple[Calibration, CalibrationResult]:
        """Fit a calibration to the collected gaze.

        Its accuracy is measured at the validation targets or, without any, at the other targets by leave-one-out.

        Args:
            size: (height, width) of the screen, pixels.
            px_per_deg: screen pixels in a degree, at the distance of the face.

        Raises:
            InputError: too few targets were collected.
        """
        fit = [both for both in self._collected.values() if not both[0].validation]
        validation = [both for both in self._collected.values() if both[0].validation]
        calibration = calibrate([samples for _, samples in fit], size=size)
        rejected = {fit[index][0].target_id for index in calibration.rejected}
        errors = tuple(
            _target_error(target, samples, calibration, rejected=target.target_id in rejected)
            for target, samples in (*fit, *validation)
        )
        if validation:
            quality = validate(
                [samples for _, samples in validation], px_per_deg=px_per_deg, calibration=calibration
            )
            accuracy_deg, worst_deg = quality.accuracy_deg, quality.worst_deg
        else:
            accuracy_deg = _standard_deviation(calibration.error_px2) / px_per_deg
            worst_deg = max(
                accuracy_deg, *(error.error_px / px_per_deg for error in errors if not error.rejected)
            )
        return calibration, CalibrationResult(
            CalibrationAction.FINISH,
            accuracy_px=accuracy_deg * px_per_deg,
            accuracy_deg=accuracy_deg,
            worst_deg=worst_deg,
            noise_deg=_standard_deviation(calibration.noise_px2) / px_per_deg,
            px_per_deg=px_per_deg,
            targets=errors,
            calibration=calibration.to_json().encode("ascii"),
        )


def _target_error(
    target: CalibrationTarget, samples: TargetSamples, calibration: Calibration, *, rejected: bool
) -> TargetError:
    positions = valid_positions(tuple(map(calibration.apply, samples.samples)))
    x, y = (float(value) for value in robust_centre(positions)[0])
    return TargetError(target.target_id, target.validation, rejected, target.position_px, (x, y))


def _standard_deviation(covariance_px2: tuple[float, float, float]) -> float:
    """Return the standard deviation of both axes together."""
    return float((covariance_px2[0] + covariance_px2[2]) ** 0.5)
