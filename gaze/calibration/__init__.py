"""Calibration of gaze, for trackers without a calibration of their own.

    routine = CalibrationRoutine(target_positions(9, (1080, 1920)), max_spread_px=57)
    while not routine.finished:
        step = routine.update(time.monotonic_ns(), source.read(0.01))   # show step.target_px
    calibration = calibrate(routine.collected, size=(1080, 1920))
    sample = calibration.apply(sample)

Targets are in pixels of a screen or of a scene video. The tracker's positions may be in any plane that maps smoothly to
them.
"""

from __future__ import annotations

from sam_edge.gaze.calibration.fit import calibrate
from sam_edge.gaze.calibration.mapping import PolynomialMap
from sam_edge.gaze.calibration.model import Calibration
from sam_edge.gaze.calibration.quality import GazeQuality, TargetQuality, validate
from sam_edge.gaze.calibration.routine import CalibrationRoutine, RoutinePhase, RoutineStep
from sam_edge.gaze.calibration.screen import (
    STEADY_DEG,
    CalibrationResult,
    Display,
    FullScreen,
    calibrate_on_screen,
)
from sam_edge.gaze.calibration.targets import TargetSamples, target_positions

__all__ = [
    "STEADY_DEG",
    "Calibration",
    "CalibrationResult",
    "CalibrationRoutine",
    "Display",
    "FullScreen",
    "GazeQuality",
    "PolynomialMap",
    "RoutinePhase",
    "RoutineStep",
    "TargetQuality",
    "TargetSamples",
    "calibrate",
    "calibrate_on_screen",
    "target_positions",
    "validate",
]
