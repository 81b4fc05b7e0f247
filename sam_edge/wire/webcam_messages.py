"""What is said about a camera that looks at the person: faces, calibration and clicks in, where they look out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.sight import Screen

Point = tuple[float, float]


class CalibrationAction(IntEnum):
    """What is asked about the calibration."""

    BEGIN = 1
    """Give gaze as it is, without a calibration, and collect it at targets."""
    FINISH = 2
    """Fit a calibration to what was collected, and use it."""
    ABANDON = 3
    """Forget what was collected, and use the calibration from before."""
    RESTORE = 4
    """Use a calibration that the client kept."""


class Aiming(IntEnum):
    """How far the gaze at one target has come."""

    COLLECTING = 0
    """More is needed."""
    SEEN = 1
    """Enough was seen."""
    UNSTEADY = 2
    """It was not steady, or the eyes were not seen: show the target again."""


@dataclass(frozen=True, slots=True)
class Eye:
    """What the person looks at: begins webcam gaze anew, or ends it."""

    screen: Screen | None
    """The screen, and where the camera is above it; None ends webcam gaze."""
    fov_deg: float = 78.0
    """How wide the camera sees, along the diagonal of its picture."""


@dataclass(frozen=True, slots=True)
class Face:
    """A picture of the person who looks."""

    face_id: int
    """The client's number of it."""
    time_ns: int
    """When it was taken, on the client's clock."""
    size: tuple[int, int]
    """(height, width), pixels."""
    data: bytes | memoryview
    """The JPEG."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the frames are shown on the screen."""

    origin_px: Point
    """Where the frames' top left corner is, pixels of the screen."""
    scale: Point
    """Pixels of the screen in one pixel of the frames, across and down."""


@dataclass(frozen=True, slots=True)
class Calibrate:
    """Something about the calibration."""

    action: CalibrationAction
    """What is asked for."""
    kept: bytes = b""
    """Restore: what `Calibrated.kept` was."""


@dataclass(frozen=True, slots=True)
class Target:
    """The person looks at a target from a moment on."""

    number: int
    """The client's number of it, echoed."""
    from_ns: int
    """From when on, on the client's clock: when the eyes have come to rest there."""
    place_px: Point
    """Where it is, pixels of the screen."""
    check: bool = False
    """Whether it is there to tell how good the calibration is, instead of being fitted to."""


@dataclass(frozen=True, slots=True)
class Clicked:
    """Something was clicked or selected: it was looked at."""

    time_ns: int
    """When, on the client's clock."""
    place_px: Point
    """Where: the click, or the middle of the thing; pixels of the screen."""
    size_px: float = 0.0
    """How large the thing is: a look at it may be anywhere on it; pixels of the screen."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a face is seen."""

    box_px: tuple[float, float, float, float]
    """Left, top, right, bottom of the landmarks, pixels of the face's picture."""
    irises_px: tuple[float, float, float, float]
    """x, y of the irises on the picture's left and right; pixels of the face's picture."""
    distance_mm: float
    """From the camera to the face."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Where the person looked in one picture of their face, and how the face was seen."""

    face_id: int
    """The picture's number. Pictures before it were looked at, or skipped for newer ones."""
    sample: GazeSample
    """The gaze, pixels of the screen; NaN in a blink, without a face, and while the face's shape is learned."""
    seen: Seen | None
    """The face; None when there was none."""
    blinking: bool = False
    """Whether the eyes were shut."""
    calibrated: bool = False
    """Whether a calibration was applied."""
    learned: float = 0.0
    """How much of the face's shape is known, 0..1; there is no gaze before it is."""
    took_ms: float = 0.0
    """From the picture's arrival to this."""


@dataclass(frozen=True, slots=True)
class Aimed:
    """How the gaze at a target comes along."""

    number: int
    """The target's."""
    state: Aiming
    """Whether more is needed."""
    progress: float
    """How much of the steady gaze that is needed was seen, 0..1."""
    samples: int
    """Valid samples so far."""


@dataclass(frozen=True, slots=True)
class TargetError:
    """How far calibrated gaze is from one target."""

    number: int
    """The target's."""
    check: bool
    """Whether the calibration was not fitted to it."""
    rejected: bool
    """Whether it did not agree with the others and was left out."""
    target_px: Point
    """Where it was, pixels of the screen."""
    gaze_px: Point
    """Where the calibrated gaze was, the middle of most samples; pixels of the screen."""

    @property
    def error_px(self) -> float:
        """The distance, pixels."""
        across, down = self.gaze_px[0] - self.target_px[0], self.gaze_px[1] - self.target_px[1]
        return float((across**2 + down**2) ** 0.5)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of something about the calibration."""

    action: CalibrationAction
    """What was asked for. Only `FINISH` says more than this."""
    accuracy_px: float = 0.0
    """Mean distance from targets that the map has not seen: those for checking, or each left out in turn."""
    accuracy_deg: float = 0.0
    """The same in degrees of visual angle, at the distance of the face."""
    worst_deg: float = 0.0
    """The largest of these distances, degrees."""
    noise_deg: float = 0.0
    """Standard deviation of single samples, both axes together, degrees."""
    px_per_deg: float = 0.0
    """Pixels of the screen in a degree, at the distance of the face."""
    targets: tuple[TargetError, ...] = ()
    """Each target."""
    kept: bytes = b""
    """The calibration, for the client to keep and to restore."""
