"""All messages of the protocol as values. `sam_edge.wire.protocol` encodes and decodes them."""

from __future__ import annotations

from typing import TypeAlias

from sam_edge.wire.client_messages import (
    CameraSetup,
    Command,
    CommandAction,
    Configure,
    Gaze,
    Hello,
    ImageFormat,
    Intrinsics,
    MaskFormat,
    MaskOptions,
    Ping,
    Rays,
    RaySample,
    SceneFrame,
)
from sam_edge.wire.object_messages import (
    ConfirmationRequest,
    ObjectAction,
    ObjectCommand,
    ObjectInfo,
    ObjectList,
    Unconfirmed,
)
from sam_edge.wire.server_messages import (
    Box,
    CommandResult,
    ErrorReply,
    FrameSelection,
    Grant,
    Pong,
    SelectedObject,
    SkippedFrame,
    SkipReason,
    Welcome,
)
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationResult,
    CalibrationTarget,
    Click,
    FaceFrame,
    GazeEstimate,
    TargetProgress,
    Viewport,
    Webcam,
)

__all__ = [
    "Box",
    "CameraSetup",
    "ClientMessage",
    "Command",
    "CommandAction",
    "CommandResult",
    "Configure",
    "ConfirmationRequest",
    "ErrorReply",
    "FrameSelection",
    "Gaze",
    "Grant",
    "Hello",
    "ImageFormat",
    "Intrinsics",
    "MaskFormat",
    "MaskOptions",
    "ObjectAction",
    "ObjectCommand",
    "ObjectInfo",
    "ObjectList",
    "Ping",
    "Pong",
    "RaySample",
    "Rays",
    "SceneFrame",
    "SelectedObject",
    "ServerMessage",
    "SkipReason",
    "SkippedFrame",
    "Unconfirmed",
    "WebcamReply",
    "WebcamRequest",
    "Welcome",
]

WebcamRequest: TypeAlias = Webcam | FaceFrame | Viewport | Calibrate | CalibrationTarget | Click
"""Messages about webcam gaze from the client."""
WebcamReply: TypeAlias = GazeEstimate | TargetProgress | CalibrationResult
"""Messages about webcam gaze from the server."""
ClientMessage: TypeAlias = (
    Hello
    | Configure
    | SceneFrame
    | Gaze
    | Rays
    | CameraSetup
    | Command
    | Ping
    | WebcamRequest
    | ObjectCommand
    | ConfirmationRequest
)
ServerMessage: TypeAlias = (
    Welcome
    | FrameSelection
    | Grant
    | SkippedFrame
    | CommandResult
    | Pong
    | ErrorReply
    | WebcamReply
    | ObjectList
    | ObjectInfo
    | Unconfirmed
)
