"""Messages survive the way to bytes and back; anything else is refused, and nothing else is raised."""

from __future__ import annotations

import math
import re
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.adapters.ray_projection import Pose, RayCamera
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.sight import Screen
from sam_edge.media.png import encode_png
from sam_edge.stream.selection import State
from sam_edge.wire import protocol
from sam_edge.wire.binary import Code, ProtocolError
from sam_edge.wire.messages import (
    Action,
    Answer,
    Camera,
    Fault,
    Frame,
    Gaze,
    Grant,
    Hello,
    Intrinsics,
    MaskFormat,
    PictureFormat,
    Ping,
    Pong,
    Rays,
    RaySample,
    Request,
    Selected,
    Skipped,
    SkipReason,
    Thing,
    Trigger,
    Triggered,
    Wanted,
    Welcome,
    mask_of_png,
    mask_of_runs,
    runs_of,
)
from sam_edge.wire.webcam_messages import (
    Aimed,
    Aiming,
    Calibrate,
    Calibrated,
    CalibrationAction,
    Clicked,
    Eye,
    Face,
    Seen,
    Sight,
    Stage,
    Target,
    TargetError,
)

RAY = RaySample(5, (0.5, 0.25, 0.0), (0.0, 0.0, -1.0), 0.5, 2.0)
IN_WORLD = RaySample(6, (0, 0, 0), (0, 0, 1), 1.0, None, Pose((1, 2, 3), (0, 1, 0, 0)))
LENS = Intrinsics((500.0, 501.0), (320.5, 240.5), (0.125, -0.25, 0.0, 0.0, 0.5))
REQUESTS: list[Request] = [
    Hello(),
    Hello(Wanted(MaskFormat.PNG, True, 2.0), "töken", "openvino", "Unity", 20.0, (448, 672)),
    Wanted(MaskFormat.COCO, True, 0.5),
    Frame(7, -5, PictureFormat.JPEG, (48, 64), b"\xff\xd8 no picture"),
    Frame(7, 2**61, PictureFormat.RGB, (32, 34), bytes(range(256)) * 12 + bytes(192), LENS, bottom_up=True),
    Frame(2**32 - 1, 0, PictureFormat.NV12, (32, 32), bytes(1536)),
    Frame(8, 1, PictureFormat.RGBA, (32, 32), bytes(4096)),
    Gaze((GazeSample(1, 2.5, -3.5, 0.75, covariance_px2=(4.0, 1.0, 2.0)), GazeSample(2, 1.0, 1.0))),
    Rays((RAY,), "camera", "camera"),
    Rays((IN_WORLD, IN_WORLD), "openxr", "world"),
    Camera(
        RayCamera(1280, 720, 900, 901, 640, 360, pose=Pose((0, 0.5, 0), (0, 0, 0, 1)), axes="camera"), 1.5
    ),
    Trigger(3, Action.SELECT),
    Trigger(3, Action.SELECT, at_ns=0),
    Trigger(3, Action.SELECT, point_px=(10.5, 20.5)),
    Trigger(3, Action.SELECT, at_ns=-7, ray=IN_WORLD, axes="openxr", space="world"),
    Trigger(4, Action.RELEASE, 12),
    Trigger(5, Action.RESTART),
    Ping(9, 10),
    Ping(9, 10, -(2**62), 3),
    Eye(None),
    Eye(Screen((1080, 1920), 530.0, 8.0, -4.0), 64.0),
    Face(3, -9, (480, 640), b"\xff\xd8 no picture"),
    Stage((12.5, -4.0), (1.5, 1.25)),
    Calibrate(CalibrationAction.BEGIN),
    Calibrate(CalibrationAction.RESTORE, b'{"schema": 1}'),
    Target(8, 2**60, (96.0, 54.5)),
    Target(63, 1, (1.0, 2.0), check=True),
    Clicked(77, (3.5, 4.5), 20.0),
]
PATCH = np.zeros((6, 8), np.bool_)
PATCH[1:4, 2:7] = True
THING = Thing(
    4, True, False, 0.875, (10.0, 20.0, 18.0, 26.0), 15, (10, 20, 8, 6), MaskFormat.RUNS, runs_of(PATCH)
)
CONTOUR = np.array([[0, 0], [4, 0], [4, 4]], np.float32)
SIGHT = Sight(
    6,
    GazeSample(5, 100.5, 200.5, 1.0, covariance_px2=(400.0, 10.0, 900.0)),
    Seen((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0), 600.0),
    calibrated=True,
    learned=1.0,
    took_ms=12.5,
)
ANSWERS: list[Answer] = [
    Welcome(1, 1, 1, 1, 99, 1000, 2000, 60.0, 2, 30.0, None, "sam-edge 0", "m", "fake", "int8+bf16"),
    Welcome(2, 1, 1, 1, 99, 1000, 2000, 60.0, 2, 30.0, (448, 672), "", "", "", ""),
    Selected(5, 6, 7, 8, 1, (480, 640), State.NONE, "none"),
    Selected(
        5, 6, 7, 8, 2, (480, 640), State.HELD, "propagated", 41.5, (1.0, 2.0, 3.0), (THING,),
        {"wait": 0.5, "twelve_bytes": 2.0},
    ),
    Grant(3, 12.5),
    Skipped(17),
    Skipped(18, SkipReason.RESTARTED),
    Triggered(1, Action.SELECT, 4),
    Pong(1, -2, 3, 4),
    Fault(Code.PICTURE, "Größe", protocol.FRAME, 4),
    Fault(Code.CLOSING, "", fatal=True),
    SIGHT,
    Aimed(3, Aiming.COLLECTING, 0.25, 12),
    Aimed(0, Aiming.UNSTEADY, 0.0, 0),
    Calibrated(CalibrationAction.ABANDON),
    Calibrated(
        CalibrationAction.FINISH, 60.0, 1.5, 2.5, 0.75, 40.0,
        (TargetError(4, True, False, (1.0, 2.0), (4.0, 6.0)), TargetError(5, False, True, (8.0, 9.0), (8.0, 9.0))),
        b"kept",
    ),
]  # fmt: skip


@pytest.mark.parametrize("message", REQUESTS, ids=lambda one: type(one).__name__)
def test_requests_come_back_as_they_were(message: Request) -> None:
    assert protocol.decode_request(protocol.encode(message)) == message


@pytest.mark.parametrize("message", ANSWERS, ids=lambda one: type(one).__name__)
def test_answers_come_back_as_they_were(message: Answer) -> None:
    assert protocol.decode_answer(protocol.encode(message)) == message


def test_polygons_come_back_with_their_thing() -> None:
    thing = Thing(
        1, True, True, 0.5, (0, 0, 4, 4), 0, (0, 0, 4, 4), MaskFormat.PNG, b"odd", (CONTOUR, CONTOUR + 9)
    )
    sent = Selected(1, 2, 3, 4, 5, (32, 32), State.FOCUSED, "encoded", things=(thing, THING_SMALL))
    found = protocol.decode_answer(protocol.encode(sent))
    assert isinstance(found, Selected)
    assert found.things[1] == THING_SMALL
    assert found.meant is found.things[0]
    assert found.things[0].mask_data == b"odd"
    assert [polygon.tolist() for polygon in found.things[0].polygons] == [
        CONTOUR.tolist(),
        (CONTOUR + 9).tolist(),
    ]


THING_SMALL = Thing(2, False, True, 0.5, (0, 0, 1, 1), 1, (0, 0, 1, 1), MaskFormat.NONE)


def test_gaze_that_was_not_seen_is_invalid_gaze() -> None:
    data = struct.pack("<BBHIq6f", protocol.GAZE, 0, 0, 1, 5, math.nan, 1, 1, 0, 0, 0)
    found = protocol.decode_request(data)
    assert isinstance(found, Gaze)
    assert not found.samples[0].valid
    assert found.samples[0].time_ns == 5


def test_the_bytes_are_those_of_the_page() -> None:
    """Layouts written out by hand from docs/protocol.md."""
    hello = struct.pack("<BBHI4sBBBBffHH", 1, 0, 0, 0, b"SEGE", 1, 1, 1, 0, 1.0, 15.0, 672, 448)
    hello += b"\x03\x00abc" + b"\x00\x00" + b"\x02\x00me"
    assert protocol.decode_request(hello) == Hello(Wanted(), "abc", "", "me", 15.0, (448, 672))
    frame = struct.pack("<BBHIqBBHHH", 2, 0, 0, 17, 99, 2, 0, 0, 32, 33) + bytes(3 * 32 * 33)
    assert protocol.encode(Frame(17, 99, PictureFormat.RGB, (33, 32), bytes(3 * 32 * 33))) == frame
    gaze = struct.pack("<BBHIq6f", 3, 0, 0, 1, 7, 1.5, 2.5, 1.0, 4, 0, 4)
    assert protocol.encode(Gaze((GazeSample(7, 1.5, 2.5, covariance_px2=(4, 0, 4)),))) == gaze
    ray = struct.pack("<qff3f3f3f4fI", 5, 0.5, 2.0, 0.5, 0.25, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1, 0)
    assert len(ray) == protocol.RAY_SAMPLE_BYTES
    assert protocol.encode(Rays((RAY,))) == struct.pack("<BBHI", 4, 0, 0, 1) + ray
    camera = struct.pack("<BBHIHH2f2f5f3f4ff", 5, 0, 0, 0, 64, 48, 50, 51, 32, 24, *[0] * 8, 0, 0, 0, 1, 2)
    assert protocol.encode(Camera(RayCamera(64, 48, 50, 51, 32, 24))) == camera
    select = struct.pack("<BBHIBBHIqff", 6, 0x18, 0, 3, 1, 0, 0, 0, 8, 1.0, 2.0)
    assert protocol.encode(Trigger(3, Action.SELECT, at_ns=8, point_px=(1, 2))) == select
    with_ray = struct.pack("<BBHIBBHIqff", 6, 0x25, 0, 3, 1, 0, 0, 0, 0, 0, 0) + ray
    assert protocol.encode(Trigger(3, Action.SELECT, ray=RAY, axes="camera", space="camera")) == with_ray
    assert protocol.encode(Ping(1, 2)) == struct.pack("<BBHIqqq", 7, 0, 0, 1, 2, 0, -1)
    configure = struct.pack("<BBHIBBHf", 8, 0, 0, 0, 2, 1, 0, 1.5)
    assert protocol.encode(Wanted(MaskFormat.PNG, True, 1.5)) == configure


def test_the_bytes_of_answers_are_those_of_the_page() -> None:
    """As above, for what servers say."""
    welcome = struct.pack(
        "<BBHI4sBBBBqIIfHHfHH", 0x81, 0, 0, 1, b"SEGE", 1, 1, 1, 0, 99, 1000, 2000, 60, 2, 0, 30, 0, 0
    )
    assert len(welcome) == 48
    assert protocol.encode(ANSWERS[0]).startswith(welcome)
    selected = struct.pack(
        "<BBHIqqqIHHBBBBf3f", 0x82, 0, 0, 5, 6, 7, 8, 2, 640, 480, 3, 3, 2, 1, 41.5, 1, 2, 3
    )
    assert len(selected) == 60
    selected += b"wait" + bytes(8) + struct.pack("<f", 0.5) + b"twelve_bytes" + struct.pack("<f", 2)
    runs = struct.pack("<7I", 10, 5, 3, 5, 3, 5, 17)
    thing = struct.pack("<IBBHf4f4HIII", 4, 1, 1, 0, 0.875, 10, 20, 18, 26, 10, 20, 8, 6, 15, len(runs), 0)
    assert len(thing) == 48
    assert protocol.encode(ANSWERS[3]) == selected + thing + runs
    assert protocol.encode(Grant(3, 12.5)) == struct.pack("<BBHIf", 0x83, 0, 0, 3, 12.5)
    assert protocol.encode(Skipped(17)) == struct.pack("<BBHIBBBB", 0x84, 0, 0, 17, 1, 0, 0, 0)
    triggered = struct.pack("<BBHIBBHI", 0x85, 0, 0, 1, 1, 0, 0, 4)
    assert protocol.encode(Triggered(1, Action.SELECT, 4)) == triggered
    assert protocol.encode(Pong(1, -2, 3, 4)) == struct.pack("<BBHIqqq", 0x86, 0, 0, 1, -2, 3, 4)
    fault = struct.pack("<BBHIHBB", 0x87, 1, 0, 0, 12, 0, 0) + b"\x02\x00ab"
    assert protocol.encode(Fault(Code.CLOSING, "ab", fatal=True)) == fault


def test_the_bytes_about_an_eye_are_those_of_the_page() -> None:
    """As above, for the camera that looks at the person."""
    face = struct.pack("<BBHIqHHI", 9, 0, 0, 3, -9, 640, 480, 0) + b"jpeg"
    assert protocol.encode(Face(3, -9, (480, 640), b"jpeg")) == face
    eye = struct.pack("<BBHIHH4f", 10, 1, 0, 0, 1920, 1080, 530, 8, -4, 64)
    assert protocol.encode(Eye(Screen((1080, 1920), 530.0, 8.0, -4.0), 64.0)) == eye
    assert protocol.encode(Eye(None)) == struct.pack("<BBHI", 10, 0, 0, 0) + bytes(20)
    stage = struct.pack("<BBHI4f", 11, 0, 0, 0, 12.5, -4, 1.5, 1.25)
    assert protocol.encode(Stage((12.5, -4.0), (1.5, 1.25))) == stage
    restore = struct.pack("<BBHIBBH", 12, 0, 0, 0, 4, 0, 4) + b"kept"
    assert protocol.encode(Calibrate(CalibrationAction.RESTORE, b"kept")) == restore
    target = struct.pack("<BBHIq2f", 13, 1, 0, 9, 5, 1.5, 2.5)
    assert protocol.encode(Target(9, 5, (1.5, 2.5), check=True)) == target
    clicked = struct.pack("<BBHIq3f", 14, 0, 0, 0, 77, 3.5, 4.5, 20)
    assert protocol.encode(Clicked(77, (3.5, 4.5), 20.0)) == clicked
    sight = struct.pack(
        "<BBHIq8f9f", 0x88, 5, 0, 6, 5, 100.5, 200.5, 1, 400, 10, 900, 1, 12.5, 1, 2, 3, 4, 5, 6, 7, 8, 600
    )
    assert len(sight) == 84
    assert protocol.encode(SIGHT) == sight
    aimed = struct.pack("<BBHIBBHf", 0x89, 0, 0, 3, 0, 0, 12, 0.25)
    assert protocol.encode(Aimed(3, Aiming.COLLECTING, 0.25, 12)) == aimed
    calibrated = struct.pack("<BBHIBBH5f", 0x8A, 0, 0, 0, 2, 2, 4, 60, 1.5, 2.5, 0.75, 40)
    calibrated += struct.pack("<HH4f", 4, 1, 1, 2, 4, 6) + struct.pack("<HH4f", 5, 2, 8, 9, 8, 9) + b"kept"
    assert protocol.encode(ANSWERS[-1]) == calibrated


def test_a_face_that_was_not_seen_has_no_place() -> None:
    lost = Sight(6, GazeSample(5, math.nan, math.nan, 0.0), None, blinking=True, learned=0.5)
    found = protocol.decode_answer(protocol.encode(lost))
    assert isinstance(found, Sight)
    assert (found.seen, found.blinking, found.learned) == (None, True, 0.5)
    assert not found.sample.valid


def test_a_code_of_a_later_server_is_unknown() -> None:
    later = struct.pack("<BBHIHBB", 0x87, 0, 0, 0, 77, 0, 0) + b"\x00\x00"
    found = protocol.decode_answer(later)
    assert isinstance(found, Fault)
    assert found.code is Code.UNKNOWN


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (bytes([0x42]) + bytes(7), "0x42"),
        (struct.pack("<BBHI", 7, 1, 0, 0) + bytes(24), "flags"),
        (struct.pack("<BBHI", 7, 0, 1, 0) + bytes(24), "flags"),
        (protocol.encode(Ping(1, 2)) + b"\0", "33 bytes"),
        (protocol.encode(Ping(1, 2))[:-1], "cut off"),
        (protocol.encode(Frame(1, 1, PictureFormat.RGB, (32, 32), bytes(3071))), "3071 bytes of pixels"),
        (protocol.encode(Frame(1, 1, PictureFormat.NV12, (33, 32), bytes(1584))), "even"),
        (protocol.encode(Frame(1, 1, PictureFormat.JPEG, (31, 64), b"")), "64x31"),
        (protocol.encode(Frame(1, 1, PictureFormat.JPEG, (64, 64), b"", bottom_up=True)), "lowest row"),
        (protocol.encode(Hello(px_per_deg=1e6)), "1000000"),
        (protocol.encode(Hello(px_per_deg=math.nan)), "nan"),
        (protocol.encode(Wanted(tolerance_px=65)), "65"),
        (struct.pack("<BBHI", protocol.GAZE, 0, 0, 0), "0 samples"),
        (struct.pack("<BBHI", protocol.GAZE, 0, 0, 2**32 - 1), "samples"),
        (protocol.encode(Gaze((GazeSample(1, math.inf, 1),))), "inf"),
        (protocol.encode(Gaze((GazeSample(1, 1, 1, 1.5),))), "confidence"),
        (protocol.encode(Rays((RaySample(1, (0, 0, 0), (0, 0, 1), depth_m=-1.0),))), "depth"),
        (struct.pack("<BBHI", protocol.RAYS, 6, 0, 1) + bytes(72), "space"),
        (protocol.encode(Trigger(1, Action.SELECT, point_px=(1, 1), ray=RAY)), "one of them"),
        (protocol.encode(Trigger(1, Action.RELEASE, at_ns=4)), "release"),
        (protocol.encode(Eye(Screen((1080, 1920), 5.0))), "5.0 mm"),
        (protocol.encode(Eye(Screen((1080, 1920), 530.0), 170.0)), "170.0 degrees"),
        (protocol.encode(Eye(Screen((1080, 0), 530.0))), "0x1080"),
        (struct.pack("<BBHI", protocol.EYE, 0, 0, 0) + b"\x01" + bytes(19), "not all zero"),
        (protocol.encode(Face(1, 1, (16, 640), b"")), "640x16"),
        (protocol.encode(Stage((0.0, 0.0), (0.0, 1.0))), "scale"),
        (protocol.encode(Target(64, 1, (0.0, 0.0))), "64; accepted: 0 to 63"),
        (protocol.encode(Calibrate(CalibrationAction.RESTORE)), "0 bytes of a calibration"),
        (protocol.encode(Calibrate(CalibrationAction.BEGIN, b"x")), "1 bytes of a calibration"),
        (protocol.encode(Calibrate(CalibrationAction.RESTORE, bytes(4097))), "4097 bytes"),
        (struct.pack("<BBHIBBH", protocol.CALIBRATE, 0, 0, 0, 9, 0, 0), "action is 9"),
        (protocol.encode(Clicked(1, (0.0, 0.0), -1.0)), "-1.0 pixels"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=re.escape(words)):
        protocol.decode_request(data)


def test_another_version_has_a_code_of_its_own() -> None:
    data = bytearray(protocol.encode(Hello()))
    data[12:14] = bytes([2, 3])
    with pytest.raises(ProtocolError, match="speaks 2 to 3, this server 1") as caught:
        protocol.decode_request(bytes(data))
    assert caught.value.code is Code.VERSION


ANY_BYTES = st.binary(max_size=200)
WITH_HEAD = st.builds(
    lambda kind, flags, number, body: struct.pack("<BBHI", kind, flags, 0, number) + body,
    st.sampled_from([*range(1, 0x0F), *range(0x81, 0x8B)]),
    st.integers(0, 255),
    st.integers(0, 3),
    st.binary(max_size=160),
)
KNOWN = [protocol.encode(message) for message in (*REQUESTS, *ANSWERS)]


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
    for decode in (protocol.decode_request, protocol.decode_answer):
        with suppress(ProtocolError):
            # What was understood can be said again, and means the same.
            again = protocol.encode(decode(data))
            assert protocol.encode(decode(again)) == again


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


def test_a_thing_outside_the_frame_has_no_mask() -> None:
    with pytest.raises(InputError, match="leaves the frame"):
        THING.mask((10, 10))


def test_every_code_and_kind_stands_in_the_page(repo_dir: Path) -> None:
    page = (repo_dir / "docs" / "protocol.md").read_text(encoding="utf-8")
    for code in Code:
        if code is not Code.UNKNOWN:
            assert f"| {code.value} | {code.name.lower().replace('_', ' ')} |" in page
    for kind in (*range(1, 0x0F), *range(0x81, 0x8B)):
        assert f"| {kind:#04x} | [" in page
