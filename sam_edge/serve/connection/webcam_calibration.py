"""Calibration of webcam gaze: starts, finishes, cancels and restores calibrations as the client asks."""

from __future__ import annotations

from sam_edge.errors import InputError, SamEdgeError
from sam_edge.gaze.calibration import Calibration
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.drift import DriftCorrector
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.gaze.webcam.source import CLICK_DEG, WANDER_DEG_PER_S, WebcamGazeEstimator
from sam_edge.serve.connection.calibration_run import CalibrationRun
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationAction,
    CalibrationResult,
    CalibrationTarget,
    TargetProgress,
)

EYE_TO_SCREEN_MM = 600.0
"""Usual distance between eyes and screen, until the face's distance is known."""


class WebcamCalibration:
    """The calibration that runs, and what it would replace. Not thread-safe."""

    def __init__(self) -> None:
        """Start without a calibration."""
        self._run: CalibrationRun | None = None
        self._previous: tuple[Calibration | None, DriftCorrector] | None = None

    @property
    def running(self) -> bool:
        """Whether gaze is collected at targets now."""
        return self._run is not None

    def apply(
        self, message: Calibrate, estimator: WebcamGazeEstimator, px_per_deg: float
    ) -> CalibrationResult:
        """Do what the client asks for, and change the estimator's calibration.

        Args:
            message: what to do.
            estimator: the client's.
            px_per_deg: screen pixels in a degree, at the distance of the face.

        Raises:
            ProtocolError: no calibration runs, or the calibration to restore does not fit.
            InputError: too few targets were collected; the previous calibration is used again.
        """
        action = message.action
        if action is CalibrationAction.START:
            self._start(estimator, px_per_deg)
        elif action is CalibrationAction.RESTORE:
            estimator.calibration = read_calibration(message.calibration, estimator.screen)
            estimator.drift = new_drift_corrector(estimator.screen)
            self._run = self._previous = None
        elif self._run is None:
            raise ProtocolError(f"calibrate: {action.name.lower()} without start", ErrorCode.OUT_OF_ORDER)
        elif action is CalibrationAction.FINISH:
            return self._finish(self._run, estimator, px_per_deg)
        else:
            self._cancel(estimator)
        return CalibrationResult(action)

    def start_target(self, target: CalibrationTarget, interval_ms: float) -> None:
        """Collect gaze at a target; `interval_ms` is the time between samples.

        Raises:
            ProtocolError: no calibration runs.
        """
        if self._run is None:
            raise ProtocolError(
                "target: no calibration was started; send calibrate with start first", ErrorCode.OUT_OF_ORDER
            )
        self._run.start_target(target, interval_ms)

    def add_sample(self, sample: GazeSample) -> TargetProgress | None:
        """Add gaze, and return the progress of the target; None when there is no target."""
        return None if self._run is None else self._run.add_sample(sample)

    def _start(self, estimator: WebcamGazeEstimator, px_per_deg: float) -> None:
        if self._previous is None:
            self._previous = (estimator.calibration, estimator.drift)
        estimator.calibration, estimator.drift = None, new_drift_corrector(estimator.screen)
        self._run = CalibrationRun(px_per_deg)

    def _finish(
        self, run: CalibrationRun, estimator: WebcamGazeEstimator, px_per_deg: float
    ) -> CalibrationResult:
        self._run = None
        try:
            estimator.calibration, result = run.finish(estimator.screen.size, px_per_deg)
        except InputError:
            self._cancel(estimator)
            raise
        self._previous = None
        return result

    def _cancel(self, estimator: WebcamGazeEstimator) -> None:
        """Use the previous calibration again."""
        self._run = None
        if self._previous is not None:
            estimator.calibration, estimator.drift = self._previous
        self._previous = None


def new_drift_corrector(screen: Screen) -> DriftCorrector:
    """Return a drift corrector without any click yet."""
    px_per_deg = screen.px_per_deg(EYE_TO_SCREEN_MM)
    return DriftCorrector(click_sd_px=CLICK_DEG * px_per_deg, wander_px_per_s=WANDER_DEG_PER_S * px_per_deg)


def read_calibration(data: bytes, screen: Screen) -> Calibration:
    """Read a calibration that a client has stored.

    Raises:
        ProtocolError: the bytes are damaged, or the calibration is for another screen.
    """
    try:
        calibration = Calibration.from_json(data.decode("ascii"))
    except (UnicodeDecodeError, SamEdgeError) as error:
        raise ProtocolError(f"{error}; calibrate again", ErrorCode.INVALID_OPTION) from error
    if calibration.size != screen.size:
        height, width = calibration.size
        raise ProtocolError(
            f"calibration: it is for a screen of {width}x{height}, this one has {screen.size[1]}x{screen.size[0]}; "
            "calibrate again",
            ErrorCode.INVALID_OPTION,
        )
    return calibration
