"""Messages about webcam gaze: face frames, calibration and clicks to the server, gaze estimates from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.line_of_sight import Screen

Point = tuple[float, float]


class CalibrationAction(IntEnum):
    """Steps of a calibration."""

    START = 1
    """Start: gaze is not calibrated until the calibration ends."""
    FINISH = 2
    """Fit a calibration to the gaze collected at targets, and use it."""
    CANCEL = 3
    """Discard the collected gaze, and use the previous calibration."""
    RESTORE = 4
    """Use a calibration that the client has stored."""


class TargetState(IntEnum):
    """State of the collection at one target."""

    COLLECTING = 0
    """More gaze is needed."""
    COLLECTED = 1
    UNSTEADY = 2
    """The gaze was not steady, or the eyes were not visible: show the target again."""


@dataclass(frozen=True, slots=True)
class Webcam:
    """Starts webcam gaze on a screen, or stops it."""

    screen: Screen | None
    """The screen that the person looks at, and the camera's place; None stops webcam gaze."""
    fov_deg: float = 78.0
    """The camera's diagonal field of view."""


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """A webcam image of the person."""

    face_frame_id: int
    """Chosen by the client; the answer repeats it."""
    time_ns: int
    """Capture time on the client's clock."""
    size: tuple[int, int]
    """(height, width), pixels."""
    data: bytes | memoryview
    """A JPEG."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """Where frames are shown on the screen."""

    origin_px: Point
    """Top left corner of the frames, screen pixels."""
    scale: Point
    """Screen pixels per frame pixel, x and y."""


@dataclass(frozen=True, slots=True)
class Calibrate:
    """One step of a calibration."""

    action: CalibrationAction
    calibration: bytes = b""
    """Restore: `CalibrationResult.calibration` of an earlier calibration."""


@dataclass(frozen=True, slots=True)
class CalibrationTarget:
    """A target at which gaze is collected."""

    target_id: int
    """Chosen by the client; the answers repeat it."""
    start_ns: int
    """The person looks at the target from this time on, on the client's clock."""
    position_px: Point
    """Screen pixels."""
    validation: bool = False
    """The target measures the calibration's accuracy; the calibration is not fitted to it."""


@dataclass(frozen=True, slots=True)
class Click:
    """A click on something that the person looked at."""

    time_ns: int
    """Time of the click on the client's clock."""
    position_px: Point
    """The click, or the centre of the clicked object; screen pixels."""
    size_px: float = 0.0
    """Size of the clicked object, screen pixels; 0: a point."""


@dataclass(frozen=True, slots=True)
class FaceObservation:
    """A face in a face frame."""

    box_px: tuple[float, float, float, float]
    """Left, top, right, bottom of the landmarks, pixels of the face frame."""
    irises_px: tuple[float, float, float, float]
    """x, y of the left and of the right iris in the image, pixels of the face frame."""
    distance_mm: float
    """Distance from the camera."""


@dataclass(frozen=True, slots=True)
class GazeEstimate:
    """Where the person looks, estimated from one face frame."""

    face_frame_id: int
    """Number of the face frame. Earlier face frames were processed or skipped."""
    sample: GazeSample
    """Gaze in screen pixels; NaN during blinks, without a face, and before the face's shape is known."""
    face: FaceObservation | None
    """None: no face was found."""
    blinking: bool = False
    calibrated: bool = False
    """Whether a calibration was applied."""
    face_model_progress: float = 0.0
    """How much of the face's shape is known, 0..1. There is no gaze before 1."""
    latency_ms: float = 0.0
    """From the face frame's arrival to this message."""


@dataclass(frozen=True, slots=True)
class TargetProgress:
    """Progress of the collection at a target."""

    target_id: int
    state: TargetState
    progress: float
    """Share of the steady gaze that is needed, 0..1."""
    valid_samples: int


@dataclass(frozen=True, slots=True)
class TargetError:
    """Error of the calibrated gaze at one target."""

    target_id: int
    validation: bool
    """Whether the calibration was not fitted to it."""
    rejected: bool
    """Whether the fit left it out as an outlier."""
    target_px: Point
    """Position of the target, screen pixels."""
    gaze_px: Point
    """Robust mean of the calibrated gaze, screen pixels."""

    @property
    def error_px(self) -> float:
        """Distance between target and gaze, screen pixels."""
        return math.hypot(self.gaze_px[0] - self.target_px[0], self.gaze_px[1] - self.target_px[1])


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """The result of a calibration step. Only `FINISH` fills more than the action."""

    action: CalibrationAction
    accuracy_px: float = 0.0
    """Mean error at validation targets, or at the others by leave-one-out; screen pixels."""
    accuracy_deg: float = 0.0
    """The same in degrees of visual angle, at the distance of the face."""
    worst_deg: float = 0.0
    """The largest of these errors, degrees."""
    noise_deg: float = 0.0
    """Standard deviation of single samples, both axes together, degrees."""
    px_per_deg: float = 0.0
    """Screen pixels per degree, at the distance of the face."""
    targets: tuple[TargetError, ...] = ()
    calibration: bytes = b""
    """The calibration, for the client to store and to restore later."""
