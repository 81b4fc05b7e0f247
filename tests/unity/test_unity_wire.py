"""The package's encoder and decoder against sam_edge.wire, message by message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sam_edge.gaze.adapters.ray_projection import Pose, RayCamera
from sam_edge.identity import KnownObject, ObjectEvent
from sam_edge.stream.selection import State
from sam_edge.wire import protocol
from sam_edge.wire.mask_codec import runs_of
from sam_edge.wire.messages import (
    CameraSetup,
    ClientMessage,
    Command,
    CommandAction,
    ConfirmationRequest,
    FrameSelection,
    Hello,
    ImageFormat,
    MaskFormat,
    MaskOptions,
    ObjectAction,
    ObjectCommand,
    ObjectInfo,
    ObjectList,
    Ping,
    Rays,
    RaySample,
    SceneFrame,
    SelectedObject,
)


def f32(*values: float) -> Any:
    """As numbers that a message holds."""
    return tuple(float(np.float32(value)) for value in values)


RAY = RaySample(123456789012, f32(0.1, 0.2, -0.3), f32(0.4, 0.5, -0.6), 0.75, 1.5)
CLOSED = RaySample(123456789013, (0, 0, 0), (0, 0, -1), 0.0)
LENS = RayCamera(640, 480, 500, 501, 320, 240, pose=Pose(f32(0.1, 0.2, -0.3), f32(-0.1, -0.7, -0.1, 0.7)))
EXPECTED: dict[str, ClientMessage] = {
    "hello": Hello(MaskOptions(MaskFormat.RUNS), "secret-token", "", "Ünity"),
    "camera": CameraSetup(LENS, 1.25),
    "frame": SceneFrame(7, 99, ImageFormat.JPEG, (480, 640), b"\x01\x02\x03"),
    "rgba": SceneFrame(8, 100, ImageFormat.RGBA, (32, 32), bytes(4096), bottom_up=True),
    "rays": Rays((RAY, CLOSED), "openxr", "head"),
    "ping": Ping(3, 50, -7, 4),
    "pin": Command(5, CommandAction.PIN, at_ns=77),
    "pin_ray": Command(6, CommandAction.PIN, ray=RAY),
    "unpin": Command(9, CommandAction.UNPIN, 4),
    "rename": ObjectCommand(10, ObjectAction.RENAME, 4, label="cup"),
    "confirmation": ConfirmationRequest(),
    "merge": ObjectCommand(11, ObjectAction.MERGE, 4, 5),
}


@pytest.fixture(scope="module")
def encoded(run_host: Callable[..., list[str]]) -> dict[str, bytes]:
    return {name: bytes.fromhex(code) for name, code in (line.split() for line in run_host("encode"))}


def test_no_message_is_left_out(encoded: dict[str, bytes]) -> None:
    assert encoded.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_server_reads_what_unity_writes(encoded: dict[str, bytes], name: str) -> None:
    assert protocol.decode_client_message(encoded[name]) == EXPECTED[name]


PATCH = np.zeros((6, 8), np.bool_)
PATCH[1:4, 2:7] = True
ITEM = SelectedObject(
    4, True, True, 0.875, (10.0, 20.0, 18.0, 26.0), 15, (10, 20, 8, 6), MaskFormat.RUNS, runs_of(PATCH)
)
SELECTION = FrameSelection(
    5,
    -6,
    7,
    8,
    2,
    (40, 48),
    State.HELD,
    "propagated",
    41.5,
    (1.5, 2.5, 3.0),
    (ITEM,),
    {"wait": 0.5, "twelve_bytes": 2.0},
)


def decoded(run_host: Callable[..., list[str]], *messages: bytes) -> list[str]:
    return run_host("decode", text="".join(message.hex() + "\n" for message in messages))


def test_unity_reads_a_selection(run_host: Callable[..., list[str]]) -> None:
    head, *stages, item = decoded(run_host, protocol.encode(SELECTION))
    assert head == "selection 5 -6 7 8 2 48 40 Held Propagated 41.5 1.5 2.5"
    assert stages == ["stage wait 0.5", "stage twelve_bytes 2"]
    *fields, image, upside = item.split()
    assert fields == ["object", "4", "True", "True", "0.875", "10", "20", "18", "26", "15"]
    mask = np.zeros((40, 48), np.bool_)
    mask[20:26, 10:18] = PATCH
    assert [int(index) for index in image.split(",")] == np.flatnonzero(mask).tolist()
    assert [int(index) for index in upside.split(",")] == np.flatnonzero(mask[::-1]).tolist()


def test_unity_reads_objects_and_events(run_host: Callable[..., list[str]]) -> None:
    cup = KnownObject(1, "Tasse ☕", -5, 2**61, 1234.0, 3, True, (1.0, 2.0, 3.5, 4.5))
    merged = ObjectEvent("merged", 3, 1, 3, "Tasse ☕")
    lines = decoded(
        run_host,
        protocol.encode(ObjectList(4, 2, (cup,))),
        protocol.encode(ObjectInfo(5, {1: "Tasse ☕"}, (merged,))),
    )
    assert lines == [
        f"known 1 True -5 {2**61} 1234 3 1 4.5 Tasse ☕",
        "label 1 Tasse ☕",
        "event Merged 3 1 3 Tasse ☕",
    ]


@pytest.mark.parametrize("left", [1, 3, 7])
def test_a_message_that_is_cut_is_an_error(run_host: Callable[..., list[str]], left: int) -> None:
    assert decoded(run_host, protocol.encode(SELECTION)[:-left]) == ["incomplete"]
