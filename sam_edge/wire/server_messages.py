"""Messages from the server to a client, except those about webcam gaze."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.identity.events import ObjectEvent
from sam_edge.masks.rle import Rle
from sam_edge.stream.selection import State
from sam_edge.wire.client_messages import CommandAction, MaskFormat
from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.mask_codec import mask_of_png, mask_of_runs

Box: TypeAlias = tuple[float, float, float, float]


class SkipReason(IntEnum):
    """Why a frame was skipped."""

    REPLACED = 1
    """A newer frame came before its turn."""
    RESET = 2
    """The session was reset, or the connection is closing."""
    TOO_SOON = 3
    """It came sooner after the previous frame than the granted rate allows."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server's first message: version, limits and model."""

    client_id: int
    """Number of the client, from 1."""
    version: int
    """The protocol version of this connection."""
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
    """Highest accepted frame rate."""
    window: int
    """Most unanswered frames."""
    idle_s: float
    """The server closes a connection that is silent for this long."""
    size: tuple[int, int] | None
    """Encoder input (height, width) for whole frames; None: chosen for each frame."""
    server: str
    """Name and version of the server."""
    model: str
    engine: str
    precision: str
    """Precision that the engine computes in."""


@dataclass(frozen=True, slots=True)
class SelectedObject:
    """One object in a selection."""

    object_id: int
    """From 1; an object that gaze returns to has its number again."""
    gaze_target: bool
    """Whether the gaze is on it now."""
    pinned: bool
    score: float
    """Predicted IoU of the mask."""
    box: Box
    """x0, y0, x1, y1, frame pixels."""
    area_px: int
    """Area of the mask."""
    rectangle: tuple[int, int, int, int]
    """x, y, width, height of the mask's bounding rectangle, frame pixels."""
    format: MaskFormat
    """Encoding of `mask_data`."""
    mask_data: bytes = b""
    polygons: tuple[NDArray[np.float32], ...] = ()
    """(N, 2) vertices x, y each, frame pixels."""
    label: str | None = None
    """The object's label; None where it has none, or the client sent no `ObjectCommand`. `ObjectInfo` carries it."""

    def mask(self, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
        """Decode the mask, bool (H, W), of a frame of (height, width).

        Raises:
            InputError: the message has no mask, or the mask is damaged.
        """
        x, y, width, height = self.rectangle
        rows, columns = frame_size
        if x + width > columns or y + height > rows:
            raise InputError(f"mask: its rectangle {self.rectangle} leaves the frame {columns}x{rows}")
        if self.format is MaskFormat.COCO:
            return Rle.from_json({"size": [rows, columns], "counts": self.mask_data.decode("latin-1")}).mask()
        if self.format is MaskFormat.NONE:
            raise InputError("mask: the server sent none; connect with masks=MaskOptions(MaskFormat.RUNS)")
        decode = mask_of_runs if self.format is MaskFormat.RUNS else mask_of_png
        mask = np.zeros(frame_size, np.bool_)
        mask[y : y + height, x : x + width] = decode(self.mask_data, (height, width))
        return mask


@dataclass(frozen=True, slots=True)
class FrameSelection:
    """The objects selected in one frame."""

    frame_id: int
    """The client's number of the frame."""
    frame_time_ns: int
    """Capture time on the client's clock."""
    received_ns: int
    """Arrival of the frame on the server's clock."""
    sent_ns: int
    """Time at which this message was sent, on the server's clock."""
    session: int
    """Rises with each reset; object numbers start again with it."""
    frame_size: tuple[int, int]
    """(height, width) of the frame, pixels."""
    state: State
    origin: str
    """How the gaze target's mask was made: `none`, `encoded`, `reused`, `propagated` or `followed`."""
    age_ms: float = 0.0
    """How much older than this frame the frame is on which the mask was decoded."""
    fixation: tuple[float, float, float] | None = None
    """Centre x, y and spread of the current fixation, frame pixels; None while the gaze moves."""
    objects: tuple[SelectedObject, ...] = ()
    """The gaze target, then pinned objects, oldest first."""
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    """Duration of each processing stage."""
    events: tuple[ObjectEvent, ...] = ()
    """What happened to objects since the selection before; as `label`, `ObjectInfo` carries it."""
    confirmed: bool = True
    """False while the gaze target looks like background and one dwell alone is on it: outline it, do not fill it. True
    where the client sent no `ConfirmationRequest`; `Unconfirmed` carries it."""

    @property
    def gaze_target(self) -> SelectedObject | None:
        """The object that the gaze is on now."""
        return next((item for item in self.objects if item.gaze_target), None)

    @property
    def pinned(self) -> tuple[SelectedObject, ...]:
        """The pinned objects, oldest first."""
        return tuple(item for item in self.objects if item.pinned)


@dataclass(frozen=True, slots=True)
class Grant:
    """How many frames the server accepts."""

    window: int
    """Most unanswered frames."""
    frames_per_s: float = 0.0
    """Frame rate that the server asks for; 0: no limit."""


@dataclass(frozen=True, slots=True)
class SkippedFrame:
    """A frame was not processed."""

    frame_id: int
    """The client's number of the frame."""
    reason: SkipReason = SkipReason.REPLACED


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command."""

    command_id: int
    """The client's number of the command."""
    action: CommandAction
    object_id: int
    """The object that was pinned or unpinned; 0: none."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The server's time."""

    ping_id: int
    """Number of the ping."""
    client_sent_ns: int
    """The client's clock when the ping was sent, as in the ping."""
    received_ns: int
    """Arrival of the ping on the server's clock."""
    sent_ns: int
    """Time at which this message was sent, on the server's clock."""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The server refuses a message, or ends the connection."""

    code: ErrorCode
    message: str
    about_kind: int = 0
    """Kind of the message that caused the error; 0: none."""
    about_id: int = 0
    """Number of the message that caused the error; 0: none."""
    fatal: bool = False
    """Whether the connection ends with this message."""
