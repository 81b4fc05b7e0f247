"""JavaScript writes messages that Python reads."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.wire import protocol
from sam_edge.wire.messages import (
    CameraSetup,
    Command,
    CommandAction,
    Configure,
    Gaze,
    Hello,
    ImageFormat,
    MaskFormat,
    MaskOptions,
    ObjectAction,
    ObjectCommand,
    Ping,
    Rays,
    SceneFrame,
)
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationAction,
    CalibrationTarget,
    Click,
    FaceFrame,
    Viewport,
    Webcam,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WRITE = """async () => {
    const wire = await import("/assets/protocol.js");
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    const ray = {timeNs: 7n, direction: [0, 0, -1], depthM: 1.5, headOrientation: [0, 0, 0, 1]};
    const at = 2n ** 60n;
    const data = new Uint8Array(4096).fill(3);
    const hello = {maskFormat: "png", polygons: true, tolerancePx: 2, size: [672, 448]};
    return [
        wire.encodeHello({...hello, token: "t", engine: "e", name: "näme"}),
        wire.encodeFrame(9, {timeNs: at, format: "rgba", width: 32, height: 32, data, bottomUp: true}),
        wire.encodeGaze([{timeNs: 5n, x: 1.5, y: -2}, {timeNs: 6n, x: NaN, y: NaN, confidence: 0}]),
        wire.encodeRays([ray], {cameraAxes: false, space: "head"}),
        wire.encodeCamera({width: 640, height: 480, focalPx: [500, 501], centerPx: [320, 240]}),
        wire.encodeCommand(4, "pin", {point: [10, 20]}),
        wire.encodeCommand(5, "unpin", {objectId: 3}),
        wire.encodeCommand(6, "pin", {atNs: 123n}),
        wire.encodePing(8, {timeNs: 1n, offsetNs: -5n, uncertaintyNs: 2n}),
        wire.encodeConfigure({maskFormat: "coco"}),
    ].map(text);
}"""
WRITE_OBJECTS = """async () => {
    const wire = await import("/assets/protocol.js");
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    return [
        wire.encodeObjectCommand(6, "list"),
        wire.encodeObjectCommand(7, "rename", {objectId: 3, label: "Tasse ☕"}),
        wire.encodeObjectCommand(8, "rename", {objectId: 3, label: null}),
        wire.encodeObjectCommand(9, "merge", {objectId: 1, otherId: 3}),
        wire.encodeObjectCommand(10, "forget", {objectId: 2 ** 32 - 1}),
    ].map(text);
}"""
WRITE_WEBCAM = """async () => {
    const wire = await import("/assets/protocol.js");
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    const data = new Uint8Array([255, 216, 1]);
    return [
        wire.encodeWebcam({width: 1920, height: 1080, widthMm: 530, cameraAboveMm: 9, cameraAsideMm: -3, fovDeg: 64}),
        wire.encodeWebcam(null),
        wire.encodeFaceFrame(7, {timeNs: 2n ** 60n, width: 640, height: 480, data}),
        wire.encodeViewport({x: 12.5, y: -4, scaleX: 1.5, scaleY: 1.25}),
        wire.encodeCalibrate("start"),
        wire.encodeCalibrate("restore", '{"size": "groß"}'),
        wire.encodeTarget(9, {timeNs: 5n, x: 1.5, y: 2.5, validation: true}),
        wire.encodeClick({timeNs: 6n, x: 3.5, y: 4.5, sizePx: 20}),
    ].map(text);
}"""


def test_javascript_writes_what_python_reads(open_page: Callable[..., Any]) -> None:
    page = open_page()
    read = [protocol.decode_client_message(base64.b64decode(text)) for text in page.evaluate(WRITE)]
    hello, frame, gaze, rays, camera, pin_point, unpin, pin_at, ping, configure = read
    masks = MaskOptions(MaskFormat.PNG, polygons=True, tolerance_px=2)
    assert hello == Hello(masks=masks, token="t", engine="e", name="näme", size=(448, 672))
    assert isinstance(frame, SceneFrame)
    assert (frame.frame_id, frame.time_ns, frame.format) == (9, 2**60, ImageFormat.RGBA)
    assert bytes(frame.data) == bytes([3]) * 4096
    assert isinstance(gaze, Gaze)
    assert [(one.time_ns, one.x_px, one.y_px) for one in gaze.samples[:1]] == [(5, 1.5, -2.0)]
    assert not gaze.samples[1].valid
    assert isinstance(rays, Rays)
    assert len(rays.samples) == 1
    assert isinstance(camera, CameraSetup)
    assert isinstance(pin_point, Command)
    assert (pin_point.command_id, pin_point.action, pin_point.point_px) == (
        4,
        CommandAction.PIN,
        (10.0, 20.0),
    )
    assert isinstance(unpin, Command)
    assert (unpin.action, unpin.object_id) == (CommandAction.UNPIN, 3)
    assert isinstance(pin_at, Command)
    assert pin_at.at_ns == 123
    assert isinstance(ping, Ping)
    assert (ping.offset_ns, ping.uncertainty_ns) == (-5, 2)
    assert configure == Configure(MaskOptions(MaskFormat.COCO))


def test_javascript_writes_webcam_messages_that_python_reads(open_page: Callable[..., Any]) -> None:
    page = open_page()
    read = [protocol.decode_client_message(base64.b64decode(text)) for text in page.evaluate(WRITE_WEBCAM)]
    assert read == [
        Webcam(Screen((1080, 1920), 530.0, 9.0, -3.0), 64.0),
        Webcam(None),
        FaceFrame(7, 2**60, (480, 640), b"\xff\xd8\x01"),
        Viewport((12.5, -4.0), (1.5, 1.25)),
        Calibrate(CalibrationAction.START),
        Calibrate(CalibrationAction.RESTORE, '{"size": "groß"}'.encode()),
        CalibrationTarget(9, 5, (1.5, 2.5), validation=True),
        Click(6, (3.5, 4.5), 20.0),
    ]


def test_javascript_writes_commands_about_objects_that_python_reads(open_page: Callable[..., Any]) -> None:
    written = open_page().evaluate(WRITE_OBJECTS)
    assert [protocol.decode_client_message(base64.b64decode(text)) for text in written] == [
        ObjectCommand(6, ObjectAction.LIST),
        ObjectCommand(7, ObjectAction.RENAME, 3, label="Tasse ☕"),
        ObjectCommand(8, ObjectAction.RENAME, 3),
        ObjectCommand(9, ObjectAction.MERGE, 1, 3),
        ObjectCommand(10, ObjectAction.FORGET, 2**32 - 1),
    ]
