"""What client and server say to each other, as values. `sam_edge.wire.protocol` brings them to bytes and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.adapters.ray_projection import Axes, Pose, RayCamera, Space, Vector
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks.rle import MAX_PIXELS, Rle
from sam_edge.stream.selection import State
from sam_edge.wire.binary import Code
from sam_edge.wire.webcam_messages import (
    Aimed,
    Calibrate,
    Calibrated,
    Clicked,
    Eye,
    Face,
    Sight,
    Stage,
    Target,
)

Box: TypeAlias = tuple[float, float, float, float]


class MaskFormat(IntEnum):
    """How masks are written."""

    NONE = 0
    """Not at all: boxes and polygons only."""
    RUNS = 1
    """Run lengths along the rows of the mask's rectangle."""
    PNG = 2
    """The rectangle as a grey PNG."""
    COCO = 3
    """COCO's compressed text of the whole frame."""


class PictureFormat(IntEnum):
    """How the picture of a frame is written."""

    JPEG = 1
    RGB = 2
    NV12 = 3
    RGBA = 4


class Action(IntEnum):
    """What a trigger asks for."""

    SELECT = 1
    """Keep a thing."""
    RELEASE = 2
    """Let go of one thing, or of everything that was kept."""
    RESTART = 3
    """Forget everything."""


class SkipReason(IntEnum):
    """Why a frame was not looked at."""

    REPLACED = 1
    """A newer one came before its turn."""
    RESTARTED = 2
    """The session began anew, or the connection is closing."""
    TOO_SOON = 3
    """It came sooner after the one before than the rate that was granted allows."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants to get of each thing."""

    mask: MaskFormat = MaskFormat.RUNS
    """How masks are written."""
    polygons: bool = False
    """Whether polygons come along."""
    tolerance_px: float = 1.0
    """How far polygons may be off the mask's edge, pixels, 0 to 64."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What the client says first."""

    wanted: Wanted = Wanted()
    """What selections hold."""
    token: str = ""
    """Proof that it may connect; empty where none is needed."""
    engine: str = ""
    """The engine that it wants; empty for the server's own choice."""
    name: str = ""
    """What the client calls itself, for people."""
    px_per_deg: float = 0.0
    """Pixels in a degree of visual angle; 0 leaves it to the server."""
    size: tuple[int, int] | None = None
    """The encoder's input (height, width) for whole frames; None leaves it to the server."""
    lowest: int = 1
    """Lowest version that it speaks."""
    highest: int = 1
    """Highest version that it speaks."""


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A camera's focal length, principal point and distortion, pixels of the frame they come with."""

    focal_px: tuple[float, float]
    """Focal length x, y."""
    center_px: tuple[float, float]
    """Principal point x, y; the first pixel's centre at 0.5."""
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """k1, k2, p1, p2, k3, in OpenCV's order."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of the camera."""

    frame_id: int
    """The client's number of it."""
    time_ns: int
    """When it was taken, on the client's clock."""
    format: PictureFormat
    """How `data` is written."""
    size: tuple[int, int]
    """(height, width), pixels."""
    data: bytes | memoryview
    """The picture."""
    intrinsics: Intrinsics | None = None
    """The camera's, where they come along."""
    bottom_up: bool = False
    """Whether the first row is the lowest one; raw pictures only."""


@dataclass(frozen=True, slots=True)
class Gaze:
    """Gaze samples in pixels of the frames, in order of time."""

    samples: tuple[GazeSample, ...]
    """One or more. Their times are on the client's clock."""


@dataclass(frozen=True, slots=True)
class RaySample:
    """A line of sight."""

    time_ns: int
    """When it was measured, on the client's clock."""
    origin_m: Vector
    """Where it starts, metres."""
    direction: Vector
    """Along the line of sight; its length does not matter."""
    confidence: float = 1.0
    """0..1; 0: eyes shut or not seen."""
    depth_m: float | None = None
    """Metres from the origin to the point of regard; None when not known."""
    head: Pose | None = None
    """The head in the world; needed when the space is `world`."""


@dataclass(frozen=True, slots=True)
class Rays:
    """Lines of sight, in order of time."""

    samples: tuple[RaySample, ...]
    """One or more."""
    axes: Axes = "openxr"
    """Axes of all vectors."""
    space: Space = "head"
    """What origins and directions are relative to."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What rays are projected into, from here on."""

    camera: RayCamera
    """Intrinsics, and pose on the head."""
    distance_m: float = 2.0
    """Distance at which a ray without a depth meets the picture."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Something done on purpose."""

    trigger_id: int
    """The client's number of it."""
    action: Action
    """What is asked for."""
    object_id: int = 0
    """Release: the thing, or 0 for everything."""
    at_ns: int | None = None
    """Select: when the person decided, on the client's clock; None is now."""
    point_px: tuple[float, float] | None = None
    """Select: what is at this pixel, instead of what gaze means."""
    ray: RaySample | None = None
    """Select: what this ray meets, instead of what gaze means."""
    axes: Axes = "openxr"
    """Axes of the ray."""
    space: Space = "head"
    """Space of the ray."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for the server's time."""

    number: int
    """The client's number of it."""
    sent_ns: int
    """The client's clock as it was sent."""
    offset_ns: int = 0
    """The client's estimate of server's minus client's clock."""
    uncertainty_ns: int | None = None
    """Half-width of what is known of it; None while there is no estimate."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the server says first: what is spoken, and what is accepted."""

    client_id: int
    """The client's number, from 1."""
    version: int
    """What is spoken from here on."""
    lowest: int
    """Lowest version that the server speaks."""
    highest: int
    """Highest version that the server speaks."""
    now_ns: int
    """The server's clock."""
    frame_bytes: int
    """Most bytes of a frame message."""
    frame_pixels: int
    """Most pixels of a frame."""
    frames_per_s: float
    """Most frames a second."""
    window: int
    """Most frames unanswered."""
    idle_s: float
    """Silence that ends the connection, seconds."""
    size: tuple[int, int] | None
    """The encoder's input (height, width) for whole frames; None: by the frame."""
    server: str
    """Name and version."""
    model: str
    """The model's name."""
    engine: str
    """The engine that runs it."""
    precision: str
    """What it computes in."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that is selected."""

    object_id: int
    """Its number, from 1, rising within a session."""
    meant: bool
    """Whether gaze means it now."""
    kept: bool
    """Whether it was selected on purpose."""
    score: float
    """IoU with the truth as the model predicts it."""
    box: Box
    """x0, y0, x1, y1, pixels of the frame."""
    area_px: int
    """Pixels of its mask."""
    rectangle: tuple[int, int, int, int]
    """x, y, width, height of the part of the frame that the mask covers."""
    format: MaskFormat
    """How `mask_data` is written."""
    mask_data: bytes = b""
    """The mask."""
    polygons: tuple[NDArray[np.float32], ...] = ()
    """(N, 2) of x, y each, pixels of the frame."""

    def mask(self, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask, bool (H, W), of a frame of (height, width).

        Raises:
            InputError: no mask came along, or it is damaged.
        """
        x, y, width, height = self.rectangle
        rows, columns = frame_size
        if x + width > columns or y + height > rows:
            raise InputError(f"mask: its rectangle {self.rectangle} leaves the frame {columns}x{rows}")
        if self.format is MaskFormat.COCO:
            return Rle.from_json({"size": [rows, columns], "counts": self.mask_data.decode("latin-1")}).mask()
        if self.format is MaskFormat.NONE:
            raise InputError("mask: none came along; ask for one: Wanted(mask=MaskFormat.RUNS)")
        runs = self.format is MaskFormat.RUNS
        part = (
            mask_of_runs(self.mask_data, (height, width))
            if runs
            else mask_of_png(self.mask_data, (height, width))
        )
        mask = np.zeros(frame_size, np.bool_)
        mask[y : y + height, x : x + width] = part
        return mask


@dataclass(frozen=True, slots=True)
class Selected:
    """What is selected on one frame."""

    frame_id: int
    """The client's number of the frame."""
    frame_time_ns: int
    """When it was taken, on the client's clock."""
    received_ns: int
    """When it had arrived, on the server's clock."""
    sent_ns: int
    """When this was made, on the server's clock."""
    session: int
    """Rises when everything is forgotten; object numbers begin anew with it."""
    frame_size: tuple[int, int]
    """(height, width) of the frame."""
    state: State
    """What the person seems to want."""
    source: str
    """Where the mask came from: `none`, `encoded`, `reused` or `propagated`."""
    age_ms: float = 0.0
    """How much older than this frame the frame is that the mask was decoded on."""
    fixation: tuple[float, float, float] | None = None
    """Where the gaze rests: x, y and spread, pixels; None while it does not."""
    things: tuple[Thing, ...] = ()
    """What is meant, then what was kept, oldest first."""
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds of each stage."""

    @property
    def meant(self) -> Thing | None:
        """What gaze means now."""
        return next((thing for thing in self.things if thing.meant), None)

    @property
    def kept(self) -> tuple[Thing, ...]:
        """What was selected on purpose, oldest first."""
        return tuple(thing for thing in self.things if thing.kept)


@dataclass(frozen=True, slots=True)
class Grant:
    """How many frames the server wants."""

    window: int
    """Most frames unanswered."""
    frames_per_s: float = 0.0
    """Frames a second that make sense; 0 is no advice."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A frame was not looked at."""

    frame_id: int
    """The client's number of it."""
    reason: SkipReason = SkipReason.REPLACED
    """Why."""


@dataclass(frozen=True, slots=True)
class Triggered:
    """What came of a trigger."""

    trigger_id: int
    """The client's number of it."""
    action: Action
    """What was asked for."""
    object_id: int
    """The thing that is kept or let go; 0 when there is none."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The server's time."""

    number: int
    """That of the ping."""
    asked_ns: int
    """The client's clock when the ping was sent, as it came."""
    received_ns: int
    """The server's clock when the ping had arrived."""
    sent_ns: int
    """The server's clock as this was sent."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something was wrong."""

    code: Code
    """What."""
    message: str
    """For people."""
    about: int = 0
    """Kind of the message at fault; 0 where there is none."""
    related_id: int = 0
    """Number of the message at fault; 0 where there is none."""
    fatal: bool = False
    """Whether the connection ends with it."""


def runs_of(mask: NDArray[np.bool_]) -> bytes:
    """Write a mask, bool (H, W), as run lengths along its rows: u32, the first one of False."""
    flat = np.ascontiguousarray(mask).view(np.uint8).reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0, 0] if flat[0] else [0]
    return np.diff(np.concatenate([first, changes, [flat.size]])).astype("<u4").tobytes()


def mask_of_runs(data: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read what `runs_of` wrote of a mask of `size` (height, width).

    Raises:
        InputError: the runs do not fill the mask exactly.
    """
    pixels = size[0] * size[1]
    runs = np.frombuffer(data, "<u4").astype(np.int64) if len(data) % 4 == 0 else np.zeros(0, np.int64)
    if int(runs.sum()) != pixels or not 0 < pixels <= MAX_PIXELS:
        raise InputError(f"mask: runs that fill {int(runs.sum())} pixels; accepted: {size[1]}x{size[0]}")
    values = np.zeros(len(runs), np.bool_)
    values[1::2] = True
    return np.repeat(values, runs).reshape(size)


def mask_of_png(data: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a mask of `size` (height, width) from a grey PNG.

    Raises:
        InputError: it is no PNG of that size.
    """
    # A PNG says its size in bytes 16 to 23; asked before it is unpacked.
    told = (int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    fault = InputError(f"mask: no PNG of {size[1]}x{size[0]}, or damaged")
    if told != size or not data.startswith(b"\x89PNG"):
        raise fault
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise fault from error
    if found is None:
        raise fault
    return np.asarray(found > 127)


EyeRequest: TypeAlias = Eye | Face | Stage | Calibrate | Target | Clicked
"""What a client says about a camera that looks at the person."""
EyeAnswer: TypeAlias = Sight | Aimed | Calibrated
"""What a server says about it."""
Request: TypeAlias = Hello | Wanted | Frame | Gaze | Rays | Camera | Trigger | Ping | EyeRequest
"""What a client says. `Wanted` alone is a configure message."""
Answer: TypeAlias = Welcome | Selected | Grant | Skipped | Triggered | Pong | Fault | EyeAnswer
"""What a server says."""
