"""Messages survive a round trip through bytes; all other bytes raise a `ProtocolError`, and nothing else."""

from __future__ import annotations

import math
import re
import struct
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.adapters.ray_projection import Pose, RayCamera
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.identity.events import EventKind, KnownObject, ObjectEvent
from sam_edge.media.png import encode_png
from sam_edge.stream.selection import State
from sam_edge.wire import protocol
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.kinds import MessageKind
from sam_edge.wire.mask_codec import mask_of_png, mask_of_runs, runs_of
from sam_edge.wire.messages import (
    CameraSetup,
    ClientMessage,
    Command,
    CommandAction,
    CommandResult,
    Configure,
    ConfirmationRequest,
    ErrorReply,
    FrameSelection,
    Gaze,
    Grant,
    Hello,
    ImageFormat,
    Intrinsics,
    MaskFormat,
    MaskOptions,
    ObjectAction,
    ObjectCommand,
    ObjectInfo,
    ObjectList,
    Ping,
    Pong,
    Rays,
    RaySample,
    SceneFrame,
    SelectedObject,
    ServerMessage,
    SkippedFrame,
    SkipReason,
    Unconfirmed,
    Welcome,
)
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationAction,
    CalibrationResult,
    CalibrationTarget,
    Click,
    FaceFrame,
    FaceObservation,
    GazeEstimate,
    TargetError,
    TargetProgress,
    TargetState,
    Viewport,
    Webcam,
)

RAY = RaySample(5, (0.5, 0.25, 0.0), (0.0, 0.0, -1.0), 0.5, 2.0)
IN_WORLD = RaySample(6, (0, 0, 0), (0, 0, 1), 1.0, None, Pose((1, 2, 3), (0, 1, 0, 0)))
LENS = Intrinsics((500.0, 501.0), (320.5, 240.5), (0.125, -0.25, 0.0, 0.0, 0.5))
CLIENT_MESSAGES: list[ClientMessage] = [
    Hello(),
    Hello(MaskOptions(MaskFormat.PNG, True, 2.0), "töken", "openvino", "Unity", 20.0, (448, 672)),
    Configure(MaskOptions(MaskFormat.COCO, True, 0.5)),
    SceneFrame(7, -5, ImageFormat.JPEG, (48, 64), b"\xff\xd8 no picture"),
    SceneFrame(
        7, 2**61, ImageFormat.RGB, (32, 34), bytes(range(256)) * 12 + bytes(192), LENS, bottom_up=True
    ),
    SceneFrame(2**32 - 1, 0, ImageFormat.NV12, (32, 32), bytes(1536)),
    SceneFrame(8, 1, ImageFormat.RGBA, (32, 32), bytes(4096)),
    Gaze((GazeSample(1, 2.5, -3.5, 0.75, covariance_px2=(4.0, 1.0, 2.0)), GazeSample(2, 1.0, 1.0))),
    Rays((RAY,), "camera", "camera"),
    Rays((IN_WORLD, IN_WORLD), "openxr", "world"),
    CameraSetup(
        RayCamera(1280, 720, 900, 901, 640, 360, pose=Pose((0, 0.5, 0), (0, 0, 0, 1)), axes="camera"), 1.5
    ),
    Command(3, CommandAction.PIN),
    Command(3, CommandAction.PIN, at_ns=0),
    Command(3, CommandAction.PIN, point_px=(10.5, 20.5)),
    Command(3, CommandAction.PIN, at_ns=-7, ray=IN_WORLD, axes="openxr", space="world"),
    Command(4, CommandAction.UNPIN, 12),
    Command(5, CommandAction.RESET),
    Ping(9, 10),
    Ping(9, 10, -(2**62), 3),
    Webcam(None),
    Webcam(Screen((1080, 1920), 530.0, 8.0, -4.0), 64.0),
    FaceFrame(3, -9, (480, 640), b"\xff\xd8 no picture"),
    Viewport((12.5, -4.0), (1.5, 1.25)),
    Calibrate(CalibrationAction.START),
    Calibrate(CalibrationAction.RESTORE, b'{"schema": 1}'),
    CalibrationTarget(8, 2**60, (96.0, 54.5)),
    CalibrationTarget(63, 1, (1.0, 2.0), validation=True),
    Click(77, (3.5, 4.5), 20.0),
    ObjectCommand(6, ObjectAction.LIST),
    ObjectCommand(7, ObjectAction.RENAME, 3, label="Tasse ☕"),
    ObjectCommand(8, ObjectAction.RENAME, 3),
    ObjectCommand(9, ObjectAction.MERGE, 1, 3),
    ObjectCommand(10, ObjectAction.FORGET, 2**32 - 1),
]
PATCH = np.zeros((6, 8), np.bool_)
PATCH[1:4, 2:7] = True
OBJECT = SelectedObject(
    4, True, False, 0.875, (10.0, 20.0, 18.0, 26.0), 15, (10, 20, 8, 6), MaskFormat.RUNS, runs_of(PATCH)
)
CONTOUR = np.array([[0, 0], [4, 0], [4, 4]], np.float32)
ESTIMATE = GazeEstimate(
    6,
    GazeSample(5, 100.5, 200.5, 1.0, covariance_px2=(400.0, 10.0, 900.0)),
    FaceObservation((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0), 600.0),
    calibrated=True,
    face_model_progress=1.0,
    latency_ms=12.5,
)
CUP = KnownObject(1, "cup", -5, 2**61, 1234.0, 3, True, (1.0, 2.0, 3.5, 4.5))
CHAIR = KnownObject(2, None, 7, 8, 0.0, 1, False, (0.0, 0.0, 0.0, 0.0))
EVENTS = (
    ObjectEvent("new", 1, 4),
    ObjectEvent("returned", 2, 1, label="cup"),
    ObjectEvent("merged", 3, 1, 3, "cup"),
    ObjectEvent("forgotten", -4, 2),
    ObjectEvent("renamed", 5, 4, label="Größe"),
)
CALIBRATED = CalibrationResult(
    CalibrationAction.FINISH, 60.0, 1.5, 2.5, 0.75, 40.0,
    (TargetError(4, True, False, (1.0, 2.0), (4.0, 6.0)), TargetError(5, False, True, (8.0, 9.0), (8.0, 9.0))),
    b"data",
)  # fmt: skip
SERVER_MESSAGES: list[ServerMessage] = [
    Welcome(1, 2, 2, 2, 99, 1000, 2000, 60.0, 2, 30.0, None, "sam-edge 0", "m", "fake", "int8+bf16"),
    Welcome(2, 2, 2, 2, 99, 1000, 2000, 60.0, 2, 30.0, (448, 672), "", "", "", ""),
    FrameSelection(5, 6, 7, 8, 1, (480, 640), State.NONE, "none"),
    FrameSelection(
        5, 6, 7, 8, 2, (480, 640), State.HELD, "propagated", 41.5, (1.0, 2.0, 3.0), (OBJECT,),
        {"wait": 0.5, "twelve_bytes": 2.0},
    ),
    Grant(3, 12.5),
    SkippedFrame(17),
    SkippedFrame(18, SkipReason.RESET),
    CommandResult(1, CommandAction.PIN, 4),
    Pong(1, -2, 3, 4),
    ErrorReply(ErrorCode.INVALID_IMAGE, "Größe", MessageKind.FRAME, 4),
    ErrorReply(ErrorCode.SHUTTING_DOWN, "", fatal=True),
    ESTIMATE,
    TargetProgress(3, TargetState.COLLECTING, 0.25, 12),
    TargetProgress(0, TargetState.UNSTEADY, 0.0, 0),
    CalibrationResult(CalibrationAction.CANCEL),
    CALIBRATED,
    ObjectList(3, 1),
    ObjectList(4, 2, (CUP, CHAIR)),
    ObjectInfo(17, {}),
    ObjectInfo(17, {1: "cup", 3: "Stuhl"}, EVENTS),
    Unconfirmed(17, 4),
]  # fmt: skip


@pytest.mark.parametrize("message", CLIENT_MESSAGES, ids=lambda one: type(one).__name__)
def test_client_messages_survive_a_round_trip(message: ClientMessage) -> None:
    assert protocol.decode_client_message(protocol.encode(message)) == message


@pytest.mark.parametrize("message", SERVER_MESSAGES, ids=lambda one: type(one).__name__)
def test_server_messages_survive_a_round_trip(message: ServerMessage) -> None:
    assert protocol.decode_server_message(protocol.encode(message)) == message


def test_polygons_survive_a_round_trip() -> None:
    item = SelectedObject(
        1, True, True, 0.5, (0, 0, 4, 4), 0, (0, 0, 4, 4), MaskFormat.PNG, b"odd", (CONTOUR, CONTOUR + 9)
    )
    sent = FrameSelection(1, 2, 3, 4, 5, (32, 32), State.FOCUSED, "encoded", objects=(item, OBJECT_SMALL))
    found = protocol.decode_server_message(protocol.encode(sent))
    assert isinstance(found, FrameSelection)
    assert found.objects[1] == OBJECT_SMALL
    assert found.gaze_target is found.objects[0]
    assert found.objects[0].mask_data == b"odd"
    assert [polygon.tolist() for polygon in found.objects[0].polygons] == [
        CONTOUR.tolist(),
        (CONTOUR + 9).tolist(),
    ]


OBJECT_SMALL = SelectedObject(2, False, True, 0.5, (0, 0, 1, 1), 1, (0, 0, 1, 1), MaskFormat.NONE)


def test_gaze_without_a_position_is_invalid() -> None:
    data = struct.pack("<BBHIq6f", MessageKind.GAZE, 0, 0, 1, 5, math.nan, 1, 1, 0, 0, 0)
    found = protocol.decode_client_message(data)
    assert isinstance(found, Gaze)
    assert not found.samples[0].valid
    assert found.samples[0].time_ns == 5


def test_client_bytes_are_those_of_the_specification() -> None:
    """Layouts written out by hand from docs/reference/protocol.md."""
    hello = struct.pack("<BBHI4sBBBBffHH", 1, 0, 0, 0, b"SEGE", 2, 2, 1, 0, 1.0, 15.0, 672, 448)
    hello += b"\x03\x00abc" + b"\x00\x00" + b"\x02\x00me"
    assert protocol.decode_client_message(hello) == Hello(MaskOptions(), "abc", "", "me", 15.0, (448, 672))
    frame = struct.pack("<BBHIqBBHHH", 2, 0, 0, 17, 99, 2, 0, 0, 32, 33) + bytes(3 * 32 * 33)
    assert protocol.encode(SceneFrame(17, 99, ImageFormat.RGB, (33, 32), bytes(3 * 32 * 33))) == frame
    gaze = struct.pack("<BBHIq6f", 3, 0, 0, 1, 7, 1.5, 2.5, 1.0, 4, 0, 4)
    assert protocol.encode(Gaze((GazeSample(7, 1.5, 2.5, covariance_px2=(4, 0, 4)),))) == gaze
    ray = struct.pack("<qff3f3f3f4fI", 5, 0.5, 2.0, 0.5, 0.25, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1, 0)
    assert len(ray) == protocol.RAY_SAMPLE_BYTES
    assert protocol.encode(Rays((RAY,))) == struct.pack("<BBHI", 4, 0, 0, 1) + ray
    camera = struct.pack("<BBHIHH2f2f5f3f4ff", 5, 0, 0, 0, 64, 48, 50, 51, 32, 24, *[0] * 8, 0, 0, 0, 1, 2)
    assert protocol.encode(CameraSetup(RayCamera(64, 48, 50, 51, 32, 24))) == camera
    select = struct.pack("<BBHIBBHIqff", 6, 0x18, 0, 3, 1, 0, 0, 0, 8, 1.0, 2.0)
    assert protocol.encode(Command(3, CommandAction.PIN, at_ns=8, point_px=(1, 2))) == select
    with_ray = struct.pack("<BBHIBBHIqff", 6, 0x25, 0, 3, 1, 0, 0, 0, 0, 0, 0) + ray
    assert protocol.encode(Command(3, CommandAction.PIN, ray=RAY, axes="camera", space="camera")) == with_ray
    assert protocol.encode(Ping(1, 2)) == struct.pack("<BBHIqqq", 7, 0, 0, 1, 2, 0, -1)
    configure = struct.pack("<BBHIBBHf", 8, 0, 0, 0, 2, 1, 0, 1.5)
    assert protocol.encode(Configure(MaskOptions(MaskFormat.PNG, True, 1.5))) == configure


def test_server_bytes_are_those_of_the_specification() -> None:
    """As above, for messages of the server."""
    welcome = struct.pack(
        "<BBHI4sBBBBqIIfHHfHH", 0x81, 0, 0, 1, b"SEGE", 2, 2, 2, 0, 99, 1000, 2000, 60, 2, 0, 30, 0, 0
    )
    assert len(welcome) == 48
    assert protocol.encode(SERVER_MESSAGES[0]).startswith(welcome)
    selected = struct.pack(
        "<BBHIqqqIHHBBBBf3f", 0x82, 0, 0, 5, 6, 7, 8, 2, 640, 480, 3, 3, 2, 1, 41.5, 1, 2, 3
    )
    assert len(selected) == 60
    selected += b"wait" + bytes(8) + struct.pack("<f", 0.5) + b"twelve_bytes" + struct.pack("<f", 2)
    runs = struct.pack("<7I", 10, 5, 3, 5, 3, 5, 17)
    item = struct.pack("<IBBHf4f4HIII", 4, 1, 1, 0, 0.875, 10, 20, 18, 26, 10, 20, 8, 6, 15, len(runs), 0)
    assert len(item) == 48
    assert protocol.encode(SERVER_MESSAGES[3]) == selected + item + runs
    assert protocol.encode(Grant(3, 12.5)) == struct.pack("<BBHIf", 0x83, 0, 0, 3, 12.5)
    assert protocol.encode(SkippedFrame(17)) == struct.pack("<BBHIBBBB", 0x84, 0, 0, 17, 1, 0, 0, 0)
    triggered = struct.pack("<BBHIBBHI", 0x85, 0, 0, 1, 1, 0, 0, 4)
    assert protocol.encode(CommandResult(1, CommandAction.PIN, 4)) == triggered
    assert protocol.encode(Pong(1, -2, 3, 4)) == struct.pack("<BBHIqqq", 0x86, 0, 0, 1, -2, 3, 4)
    fault = struct.pack("<BBHIHBB", 0x87, 1, 0, 0, 12, 0, 0) + b"\x02\x00ab"
    assert protocol.encode(ErrorReply(ErrorCode.SHUTTING_DOWN, "ab", fatal=True)) == fault


def test_webcam_bytes_are_those_of_the_specification() -> None:
    """As above, for messages about webcam gaze."""
    face_frame = struct.pack("<BBHIqHHI", 9, 0, 0, 3, -9, 640, 480, 0) + b"jpeg"
    assert protocol.encode(FaceFrame(3, -9, (480, 640), b"jpeg")) == face_frame
    webcam = struct.pack("<BBHIHH4f", 10, 1, 0, 0, 1920, 1080, 530, 8, -4, 64)
    assert protocol.encode(Webcam(Screen((1080, 1920), 530.0, 8.0, -4.0), 64.0)) == webcam
    assert protocol.encode(Webcam(None)) == struct.pack("<BBHI", 10, 0, 0, 0) + bytes(20)
    viewport = struct.pack("<BBHI4f", 11, 0, 0, 0, 12.5, -4, 1.5, 1.25)
    assert protocol.encode(Viewport((12.5, -4.0), (1.5, 1.25))) == viewport
    restore = struct.pack("<BBHIBBH", 12, 0, 0, 0, 4, 0, 4) + b"data"
    assert protocol.encode(Calibrate(CalibrationAction.RESTORE, b"data")) == restore
    target = struct.pack("<BBHIq2f", 13, 1, 0, 9, 5, 1.5, 2.5)
    assert protocol.encode(CalibrationTarget(9, 5, (1.5, 2.5), validation=True)) == target
    click = struct.pack("<BBHIq3f", 14, 0, 0, 0, 77, 3.5, 4.5, 20)
    assert protocol.encode(Click(77, (3.5, 4.5), 20.0)) == click
    estimate = struct.pack(
        "<BBHIq8f9f", 0x88, 5, 0, 6, 5, 100.5, 200.5, 1, 400, 10, 900, 1, 12.5, 1, 2, 3, 4, 5, 6, 7, 8, 600
    )
    assert len(estimate) == 84
    assert protocol.encode(ESTIMATE) == estimate
    progress = struct.pack("<BBHIBBHf", 0x89, 0, 0, 3, 0, 0, 12, 0.25)
    assert protocol.encode(TargetProgress(3, TargetState.COLLECTING, 0.25, 12)) == progress
    calibrated = struct.pack("<BBHIBBH5f", 0x8A, 0, 0, 0, 2, 2, 4, 60, 1.5, 2.5, 0.75, 40)
    calibrated += struct.pack("<HH4f", 4, 1, 1, 2, 4, 6) + struct.pack("<HH4f", 5, 2, 8, 9, 8, 9) + b"data"
    assert protocol.encode(CALIBRATED) == calibrated


def test_object_bytes_are_those_of_the_specification() -> None:
    """As above, for messages about the known objects."""
    rename = struct.pack("<BBHIBBHII", 15, 0, 0, 7, 2, 0, 0, 3, 0) + b"\x03\x00cup"
    assert protocol.encode(ObjectCommand(7, ObjectAction.RENAME, 3, label="cup")) == rename
    merge = struct.pack("<BBHIBBHII", 15, 0, 0, 9, 3, 0, 0, 1, 3) + bytes(2)
    assert protocol.encode(ObjectCommand(9, ObjectAction.MERGE, 1, 3)) == merge
    listed = struct.pack("<BBHIIHH", 0x8B, 0, 0, 4, 2, 2, 0)
    listed += struct.pack("<IBBHqqII4f", 1, 1, 0, 0, -5, 2**61, 1234, 3, 1, 2, 3.5, 4.5) + b"\x03\x00cup"
    listed += struct.pack("<IBBHqqII4f", 2, 0, 0, 0, 7, 8, 0, 1, 0, 0, 0, 0) + bytes(2)
    assert protocol.encode(ObjectList(4, 2, (CUP, CHAIR))) == listed
    info = struct.pack("<BBHIHH", 0x8C, 0, 0, 17, 1, 2) + struct.pack("<I", 1) + b"\x03\x00cup"
    info += struct.pack("<qBBHII", 2, 2, 0, 0, 1, 0) + b"\x03\x00cup"
    info += struct.pack("<qBBHII", 3, 3, 0, 0, 1, 3) + b"\x03\x00cup"
    assert protocol.encode(ObjectInfo(17, {1: "cup"}, EVENTS[1:3])) == info


def test_an_estimate_without_a_face_has_no_position() -> None:
    lost = GazeEstimate(
        6, GazeSample(5, math.nan, math.nan, 0.0), None, blinking=True, face_model_progress=0.5
    )
    found = protocol.decode_server_message(protocol.encode(lost))
    assert isinstance(found, GazeEstimate)
    assert (found.face, found.blinking, found.face_model_progress) == (None, True, 0.5)
    assert not found.sample.valid


def test_an_error_code_of_a_later_server_is_unknown() -> None:
    later = struct.pack("<BBHIHBB", 0x87, 0, 0, 0, 77, 0, 0) + b"\x00\x00"
    found = protocol.decode_server_message(later)
    assert isinstance(found, ErrorReply)
    assert found.code is ErrorCode.UNKNOWN


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (bytes([0x42]) + bytes(7), "0x42"),
        (struct.pack("<BBHI", 7, 1, 0, 0) + bytes(24), "flags"),
        (struct.pack("<BBHI", 7, 0, 1, 0) + bytes(24), "flags"),
        (protocol.encode(Ping(1, 2)) + b"\0", "33 bytes"),
        (protocol.encode(Ping(1, 2))[:-1], "cut off"),
        (protocol.encode(SceneFrame(1, 1, ImageFormat.RGB, (32, 32), bytes(3071))), "3071 bytes of pixels"),
        (protocol.encode(SceneFrame(1, 1, ImageFormat.NV12, (33, 32), bytes(1584))), "even"),
        (protocol.encode(SceneFrame(1, 1, ImageFormat.JPEG, (31, 64), b"")), "64x31"),
        (protocol.encode(SceneFrame(1, 1, ImageFormat.JPEG, (64, 64), b"", bottom_up=True)), "lowest row"),
        (protocol.encode(Hello(px_per_deg=1e6)), "1000000"),
        (protocol.encode(Hello(px_per_deg=math.nan)), "nan"),
        (protocol.encode(Configure(MaskOptions(tolerance_px=65))), "65"),
        (struct.pack("<BBHI", MessageKind.GAZE, 0, 0, 0), "0 samples"),
        (struct.pack("<BBHI", MessageKind.GAZE, 0, 0, 2**32 - 1), "samples"),
        (protocol.encode(Gaze((GazeSample(1, math.inf, 1),))), "inf"),
        (protocol.encode(Gaze((GazeSample(1, 1, 1, 1.5),))), "confidence"),
        (protocol.encode(Rays((RaySample(1, (0, 0, 0), (0, 0, 1), depth_m=-1.0),))), "depth"),
        (struct.pack("<BBHI", MessageKind.RAYS, 6, 0, 1) + bytes(72), "space"),
        (protocol.encode(Command(1, CommandAction.PIN, point_px=(1, 1), ray=RAY)), "one of them"),
        (protocol.encode(Command(1, CommandAction.UNPIN, at_ns=4)), "unpin"),
        (protocol.encode(Webcam(Screen((1080, 1920), 5.0))), "5.0 mm"),
        (protocol.encode(Webcam(Screen((1080, 1920), 530.0), 170.0)), "170.0 degrees"),
        (protocol.encode(Webcam(Screen((1080, 0), 530.0))), "0x1080"),
        (struct.pack("<BBHI", MessageKind.WEBCAM, 0, 0, 0) + b"\x01" + bytes(19), "not all zero"),
        (protocol.encode(FaceFrame(1, 1, (16, 640), b"")), "640x16"),
        (protocol.encode(Viewport((0.0, 0.0), (0.0, 1.0))), "scale"),
        (protocol.encode(CalibrationTarget(64, 1, (0.0, 0.0))), "64; accepted: 0 to 63"),
        (protocol.encode(Calibrate(CalibrationAction.RESTORE)), "0 bytes of a calibration"),
        (protocol.encode(Calibrate(CalibrationAction.START, b"x")), "1 bytes of a calibration"),
        (protocol.encode(Calibrate(CalibrationAction.RESTORE, bytes(4097))), "4097 bytes"),
        (struct.pack("<BBHIBBH", MessageKind.CALIBRATE, 0, 0, 0, 9, 0, 0), "action is 9"),
        (protocol.encode(Click(1, (0.0, 0.0), -1.0)), "-1.0 pixels"),
        (
            protocol.encode(ObjectCommand(1, ObjectAction.RENAME, label="cup")),
            "rename with the objects 0 and 0",
        ),
        (protocol.encode(ObjectCommand(1, ObjectAction.MERGE, 4)), "merge with the objects 4 and 0"),
        (protocol.encode(ObjectCommand(1, ObjectAction.FORGET, 4, 5)), "forget with the objects 4 and 5"),
        (protocol.encode(ObjectCommand(1, ObjectAction.LIST, 4)), "list with the objects 4 and 0"),
        (protocol.encode(ObjectCommand(1, ObjectAction.FORGET, 4, label="cup")), "a label with forget"),
        (struct.pack("<BBHIBBHII", 15, 0, 0, 1, 5, 0, 0, 1, 0) + bytes(2), "action is 5"),
        (struct.pack("<BBHIBBHIIH", 15, 0, 0, 1, 2, 0, 0, 1, 0, 257) + bytes(257), "a text of 257 bytes"),
        (struct.pack("<BBHIBBHII", 15, 0, 0, 1, 2, 0, 0, 1, 0) + b"\x01\x00\xff", "not UTF-8"),
    ],
)
def test_malformed_messages_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=re.escape(words)):
        protocol.decode_client_message(data)


def test_another_version_is_refused_with_its_own_code() -> None:
    data = bytearray(protocol.encode(Hello()))
    data[12:14] = bytes([3, 4])
    with pytest.raises(ProtocolError, match="versions 3 to 4; accepted: version 2") as caught:
        protocol.decode_client_message(bytes(data))
    assert caught.value.code is ErrorCode.UNSUPPORTED_VERSION


ANY_BYTES = st.binary(max_size=200)
WITH_HEAD = st.builds(
    lambda kind, flags, number, body: struct.pack("<BBHI", kind, flags, 0, number) + body,
    st.sampled_from([*range(1, 0x10), *range(0x81, 0x8D)]),
    st.integers(0, 255),
    st.integers(0, 3),
    st.binary(max_size=160),
)
KNOWN = [protocol.encode(message) for message in (*CLIENT_MESSAGES, *SERVER_MESSAGES)]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(KNOWN)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(1, len(data)))]) if draw(st.booleans()) else bytes(data)


@settings(deadline=None)
@given(st.one_of(ANY_BYTES, WITH_HEAD, damaged()))
def test_any_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    for decode in (protocol.decode_client_message, protocol.decode_server_message):
        with suppress(ProtocolError):
            # A decoded message can be encoded again, and decodes to the same message.
            again = protocol.encode(decode(data))
            assert protocol.encode(decode(again)) == again


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
LABELS = st.one_of(st.none(), TEXTS.filter(bool))
NUMBERS, TIMES_NS = st.integers(1, 2**32 - 1), st.integers(-(2**63), 2**63 - 1)
SIDES = st.floats(0, 1e7, width=32)
KNOWN_OBJECTS = st.builds(
    KnownObject,
    NUMBERS,
    LABELS,
    TIMES_NS,
    TIMES_NS,
    st.integers(0, 2**32 - 1).map(float),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.tuples(SIDES, SIDES, SIDES, SIDES),
)
OBJECT_EVENTS = st.builds(
    ObjectEvent,
    st.sampled_from(get_args(EventKind)),
    TIMES_NS,
    NUMBERS,
    st.one_of(st.none(), NUMBERS),
    LABELS,
)


@settings(deadline=None)
@given(
    st.one_of(
        st.builds(ObjectList, NUMBERS, NUMBERS, st.lists(KNOWN_OBJECTS, max_size=4).map(tuple)),
        st.builds(
            ObjectInfo,
            NUMBERS,
            st.dictionaries(NUMBERS, TEXTS.filter(bool), max_size=4),
            st.lists(OBJECT_EVENTS, max_size=4).map(tuple),
        ),
    )
)
def test_any_objects_and_events_survive_a_round_trip(message: ObjectList | ObjectInfo) -> None:
    assert protocol.decode_server_message(protocol.encode(message)) == message


@settings(deadline=None)
@given(NUMBERS, NUMBERS, LABELS)
def test_any_rename_survives_a_round_trip(command_id: int, object_id: int, label: str | None) -> None:
    sent = ObjectCommand(command_id, ObjectAction.RENAME, object_id, label=label)
    assert protocol.decode_client_message(protocol.encode(sent)) == sent


@pytest.mark.parametrize("label", ["x" * 257, "☕" * 86, "\ud800"])
def test_a_label_that_has_no_place_on_the_wire_is_refused(label: str) -> None:
    with pytest.raises(InputError, match="text"):
        protocol.encode(ObjectCommand(1, ObjectAction.RENAME, 1, label=label))


def test_confirmation_bytes_are_those_of_the_specification() -> None:
    assert protocol.encode(ConfirmationRequest()) == bytes([0x10, 0, 0, 0, 0, 0, 0, 0])
    assert protocol.encode(Unconfirmed(17, 4)) == struct.pack("<BBHII", 0x8D, 0, 0, 17, 4)
    with pytest.raises(ProtocolError, match="its number is 3; accepted: 0"):
        protocol.decode_client_message(bytes([0x10, 0, 0, 0, 3, 0, 0, 0]))


def test_what_is_not_confirmed_joins_the_selection_of_its_frame() -> None:
    plain = FrameSelection(17, 2, 3, 4, 5, (48, 64), State.HOVER, "encoded", objects=(OBJECT, OBJECT_SMALL))
    told = replace(plain, confirmed=False)
    message = Unconfirmed.of(told)
    assert message == Unconfirmed(17, OBJECT.object_id)
    assert protocol.encode(told) == protocol.encode(plain)
    assert message.add_to(plain) == told
    assert message.add_to(replace(plain, frame_id=18)).confirmed
    assert Unconfirmed.of(plain) is None
    assert Unconfirmed.of(replace(told, objects=())) is None


def test_a_very_long_dwell_stops_at_the_largest_number() -> None:
    aged = replace(CUP, dwell_ms=1e12)
    found = protocol.decode_server_message(protocol.encode(ObjectList(1, 1, (aged,))))
    assert isinstance(found, ObjectList)
    assert found.objects[0].dwell_ms == 2**32 - 1


def test_labels_and_events_join_the_selection_of_their_frame() -> None:
    plain = FrameSelection(17, 2, 3, 4, 5, (48, 64), State.FOCUSED, "encoded", objects=(OBJECT, OBJECT_SMALL))
    told = replace(plain, objects=(replace(OBJECT, label="cup"), OBJECT_SMALL), events=EVENTS)
    info = ObjectInfo.of(told)
    assert info == ObjectInfo(17, {OBJECT.object_id: "cup"}, EVENTS)
    assert info is not None
    assert protocol.encode(told) == protocol.encode(plain)
    assert info.add_to(plain) == told
    assert info.add_to(replace(plain, frame_id=18)) == replace(plain, frame_id=18)
    assert ObjectInfo.of(plain) is None


@settings(deadline=None)
@given(st.integers(0, 2**24 - 1), st.integers(1, 6), st.integers(1, 4))
def test_runs_give_back_the_mask(bits: int, rows: int, columns: int) -> None:
    mask: NDArray[np.bool_] = np.array([bits >> i & 1 for i in range(rows * columns)], np.bool_)
    mask = mask.reshape(rows, columns)
    assert np.array_equal(mask_of_runs(runs_of(mask), (rows, columns)), mask)


@settings(deadline=None)
@given(st.binary(max_size=64), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_damaged_masks_are_refused(data: bytes, size: tuple[int, int]) -> None:
    for read in (mask_of_runs, mask_of_png):
        with suppress(InputError):
            assert read(data, size).shape == size


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_a_damaged_png_is_refused(data: st.DataObject) -> None:
    png = bytearray(encode_png(PATCH))
    png[data.draw(st.integers(0, len(png) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(InputError):
        assert mask_of_png(bytes(png), (6, 8)).shape == (6, 8)


def test_runs_that_overflow_are_refused() -> None:
    wrapping = struct.pack("<3I", 2**32 - 1, 2**32 - 1, 6)
    with pytest.raises(InputError, match="runs that fill"):
        mask_of_runs(wrapping, (2, 2))


def test_an_object_outside_the_frame_has_no_mask() -> None:
    with pytest.raises(InputError, match="leaves the frame"):
        OBJECT.mask((10, 10))


def test_the_specification_lists_every_code_and_kind(repo_dir: Path) -> None:
    page = (repo_dir / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
    assert f"# The wire protocol, version {protocol.VERSION}\n" in page
    for code in ErrorCode:
        if code is not ErrorCode.UNKNOWN:
            assert f"| {code.value} | {code.name.lower()} |" in page
    for kind in MessageKind:
        assert f"| {kind.value:#04x} | [{kind.name.lower()}](#" in page
