"""The calibration routine on a screen, with any source of gaze."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sam_edge.errors import SessionError, TrackerError
from sam_edge.gaze.calibration.fit import calibrate
from sam_edge.gaze.calibration.model import Calibration
from sam_edge.gaze.calibration.quality import GazeQuality, validate
from sam_edge.gaze.calibration.routine import CalibrationRoutine, RoutinePhase, RoutineStep
from sam_edge.gaze.calibration.targets import TargetSamples, target_positions
from sam_edge.gaze.source import GazeSource
from sam_edge.media.screen import NO_WINDOW, check_screen

CHECK_TARGETS = ((0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7))
"""Where the targets stand that check a calibration (share of width and height): none that it is fitted to."""
_ESCAPE = 27
STEADY_DEG = 1.5
"""Robust standard deviation below which gaze counts as steady, degrees."""


class Display(Protocol):
    """Something that shows images and knows which key was pressed."""

    def show(self, image: np.ndarray) -> int:
        """Show an RGB image (H, W, 3) and return the code of the key pressed since, or -1."""
        ...

    def close(self) -> None:
        """Take the image away."""
        ...


class FullScreen:
    """A full-screen window of OpenCV."""

    def __init__(self, title: str = "sam-edge gaze calibration") -> None:
        """Open the window. Raises `SessionError` where there is no screen."""
        check_screen()
        import cv2

        self._title = title
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL)
            cv2.setWindowProperty(title, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_FULLSCREEN)
        except cv2.error as error:
            raise SessionError(
                f"{NO_WINDOW}: this machine has no screen, or opencv-python-headless is installed; "
                "run it on a desktop with opencv-python"
            ) from error

    def show(self, image: np.ndarray) -> int:
        """Show an RGB image and return the code of the key pressed since, or -1."""
        import cv2

        cv2.imshow(self._title, image[:, :, ::-1])
        return int(cv2.waitKey(5))

    def close(self) -> None:
        """Close the window."""
        import cv2

        cv2.destroyWindow(self._title)


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """A calibration and how good it turned out to be."""

    calibration: Calibration
    """What was fitted."""
    before: GazeQuality
    """Gaze at the check targets as the tracker gave it."""
    after: GazeQuality
    """The same gaze with the calibration applied."""


def calibrate_on_screen(
    source: GazeSource,
    display: Display,
    *,
    size: tuple[int, int],
    points: int = 9,
    px_per_deg: float = 38.0,
    steady_deg: float = STEADY_DEG,
    clock_ns: Callable[[], int] | None = None,
) -> CalibrationResult:
    """Show targets, fit a calibration, and check it on four further targets.

    `size` is (height, width) of the screen in pixels; `points` is 5, 9 or 13; `px_per_deg` tells how steady gaze is
    and gives degrees in the result; gaze that spreads by less than `steady_deg` at a target counts as steady, and noisy
    trackers need more; `clock_ns` is the host's monotonic clock.

    Raises `SessionError` when Escape is pressed, `TrackerError` when the source ends, and `InputError` when the gaze
    was steady at too few targets.
    """
    clock_ns = clock_ns or time.monotonic_ns
    height, width = size
    seen = _collect(source, display, size, target_positions(points, size), steady_deg * px_per_deg, clock_ns)
    calibration = calibrate(seen, size=size)
    check = [(x * width, y * height) for x, y in CHECK_TARGETS]
    checked = _collect(source, display, size, check, steady_deg * px_per_deg, clock_ns)
    return CalibrationResult(
        calibration,
        validate(checked, px_per_deg=px_per_deg),
        validate(checked, px_per_deg=px_per_deg, calibration=calibration),
    )


def draw(step: RoutineStep, size: tuple[int, int]) -> np.ndarray:
    """Return the image of a step: an RGB frame (H, W, 3) with the target, shrinking as it is looked at."""
    import cv2

    height, width = size
    image = np.full((height, width, 3), 40, np.uint8)
    if step.target_px is not None:
        centre = (round(step.target_px[0]), round(step.target_px[1]))
        full = max(8, min(size) // 30)
        settling = step.phase is RoutinePhase.SETTLE
        radius = full if settling else round(full * (1.0 - 0.7 * step.progress))
        cv2.circle(image, centre, max(3, radius), (90, 160, 255), -1, cv2.LINE_AA)
        cv2.circle(image, centre, 2, (0, 0, 0), -1, cv2.LINE_AA)
    return image


def _collect(
    source: GazeSource,
    display: Display,
    size: tuple[int, int],
    targets: Sequence[tuple[float, float]],
    max_spread_px: float,
    clock_ns: Callable[[], int],
) -> tuple[TargetSamples, ...]:
    routine = CalibrationRoutine(targets, max_spread_px=max_spread_px)
    step = routine.update(clock_ns())
    while not routine.finished:
        if display.show(draw(step, size)) == _ESCAPE:
            raise SessionError("calibration was stopped with Escape; nothing was saved")
        samples = source.read(0.01)
        if not samples and source.finished:
            raise TrackerError(f"{source.name}: ended after {step.collected} of {step.total} targets")
        step = routine.update(clock_ns(), samples)
    return routine.collected
