"""Messages from a client to the server, except those about webcam gaze."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sam_edge.gaze.adapters.ray_projection import Axes, Pose, RayCamera, Space, Vector
from sam_edge.gaze.samples import GazeSample
from sam_edge.wire.kinds import VERSION


class MaskFormat(IntEnum):
    """How masks are encoded."""

    NONE = 0
    """No masks: boxes and polygons only."""
    RUNS = 1
    """Run lengths along the rows of the mask's rectangle."""
    PNG = 2
    """The rectangle as a grey PNG."""
    COCO = 3
    """COCO's compressed run-length text of the whole frame."""


class ImageFormat(IntEnum):
    """How a frame's image is encoded."""

    JPEG = 1
    RGB = 2
    NV12 = 3
    RGBA = 4


class CommandAction(IntEnum):
    """What a command does."""

    PIN = 1
    """Pin an object: it is followed until it is unpinned."""
    UNPIN = 2
    """Unpin one object, or all of them."""
    RESET = 3
    """Start a new session: forget all objects."""


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """What selections contain for each object."""

    format: MaskFormat = MaskFormat.RUNS
    polygons: bool = False
    """Whether polygons are sent too."""
    tolerance_px: float = 1.0
    """Largest distance of polygons from the mask's edge, pixels, 0 to 64."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The client's first message."""

    masks: MaskOptions = MaskOptions()
    token: str = ""
    """The server's access token; empty if it needs none."""
    engine: str = ""
    """Name of an engine; empty for the server's default."""
    name: str = ""
    """The client's name, for logs."""
    px_per_deg: float = 0.0
    """Frame pixels per degree of visual angle; 0: the server decides."""
    size: tuple[int, int] | None = None
    """Encoder input (height, width) for whole frames; None: the server decides."""
    lowest: int = VERSION
    """Lowest protocol version that the client speaks."""
    highest: int = VERSION
    """Highest protocol version that the client speaks."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Changes what selections contain."""

    masks: MaskOptions = MaskOptions()


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A camera's intrinsic parameters, in pixels of the frame that they come with."""

    focal_px: tuple[float, float]
    """Focal length x, y."""
    center_px: tuple[float, float]
    """Principal point x, y; the first pixel's centre is at 0.5."""
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """k1, k2, p1, p2, k3, in OpenCV's order."""


@dataclass(frozen=True, slots=True)
class SceneFrame:
    """An image of the scene camera."""

    frame_id: int
    """Chosen by the client; the answer repeats it."""
    time_ns: int
    """Capture time on the client's clock."""
    format: ImageFormat
    size: tuple[int, int]
    """(height, width), pixels."""
    data: bytes | memoryview
    """The encoded image."""
    intrinsics: Intrinsics | None = None
    """Replaces the intrinsics of the last `CameraSetup`."""
    bottom_up: bool = False
    """Raw images only: the first row is the lowest one."""


@dataclass(frozen=True, slots=True)
class Gaze:
    """Gaze samples in frame pixels, in order of time, on the client's clock."""

    samples: tuple[GazeSample, ...]


@dataclass(frozen=True, slots=True)
class RaySample:
    """A gaze ray."""

    time_ns: int
    """Time of the measurement on the client's clock."""
    origin_m: Vector
    direction: Vector
    """Along the line of sight; its length is ignored."""
    confidence: float = 1.0
    """0..1; 0: eyes closed or not visible."""
    depth_m: float | None = None
    """Distance from the origin to the point of regard, metres; None: unknown."""
    head: Pose | None = None
    """The head in the world; needed in the space `world`."""


@dataclass(frozen=True, slots=True)
class Rays:
    """Gaze rays, in order of time."""

    samples: tuple[RaySample, ...]
    axes: Axes = "openxr"
    """Axes of all vectors."""
    space: Space = "head"
    """Space of origins and directions."""


@dataclass(frozen=True, slots=True)
class CameraSetup:
    """The camera into which rays are projected from now on."""

    camera: RayCamera
    """Intrinsics, and pose on the head."""
    distance_m: float = 2.0
    """Depth of rays that have none, metres."""


@dataclass(frozen=True, slots=True)
class Command:
    """A deliberate action of the person: pin, unpin or reset."""

    command_id: int
    """Chosen by the client; the answer repeats it."""
    action: CommandAction
    object_id: int = 0
    """Unpin: the object; 0: all objects."""
    at_ns: int | None = None
    """Pin: time of the person's decision on the client's clock; None: now."""
    point_px: tuple[float, float] | None = None
    """Pin: the object at this point, instead of the gaze target."""
    ray: RaySample | None = None
    """Pin: the object on this ray, instead of the gaze target."""
    axes: Axes = "openxr"
    """Axes of the ray."""
    space: Space = "head"
    """Space of the ray."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for the server's time, and reports how the clocks relate."""

    ping_id: int
    """Chosen by the client; the answer repeats it."""
    sent_ns: int
    """The client's clock when the ping was sent."""
    offset_ns: int = 0
    """The client's estimate of server's minus client's clock."""
    uncertainty_ns: int | None = None
    """Half-width of the estimate's interval; None: no estimate yet."""
