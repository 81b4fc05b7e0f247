"""JavaScript reads messages that Python writes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import KnownObject, ObjectEvent
from sam_edge.stream.selection import State
from sam_edge.wire import protocol
from sam_edge.wire.mask_codec import runs_of
from sam_edge.wire.messages import (
    FrameSelection,
    MaskFormat,
    ObjectInfo,
    ObjectList,
    SelectedObject,
    Unconfirmed,
    Welcome,
)
from sam_edge.wire.webcam_messages import (
    CalibrationAction,
    CalibrationResult,
    FaceObservation,
    GazeEstimate,
    TargetError,
    TargetProgress,
    TargetState,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

READ = """async (text) => {
    const {decodeMessage, fillRuns} = await import("/assets/protocol.js");
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const message = decodeMessage(bytes.buffer);
    const plain = (key, value) => (typeof value === "bigint" ? Number(value) : value);
    const selected = message.kind === "selection" ? message.objects : undefined;
    const masks = selected?.map(({mask}) => Array.from(fillRuns(mask)));
    const polygons = selected?.map((object) => object.polygons.map((one) => Array.from(one)));
    return JSON.parse(JSON.stringify({...message, masks, polygons, objects: message.objects}, plain));
}"""
OBJECT_REPLIES = (
    (
        ObjectList(4, 2, (KnownObject(1, "Größe", -5, 6, 1234.0, 3, True, (1.0, 2.0, 3.5, 4.5)),)),
        {
            "kind": "object_list",
            "commandId": 4,
            "session": 2,
            "objects": [
                {
                    "objectId": 1,
                    "label": "Größe",
                    "firstSeenNs": -5,
                    "lastSeenNs": 6,
                    "dwellMs": 1234,
                    "visits": 3,
                    "pinned": True,
                    "box": [1, 2, 3.5, 4.5],
                }
            ],
        },
    ),
    (
        Unconfirmed(17, 4),
        {"kind": "unconfirmed", "frameId": 17, "objectId": 4},
    ),
    (
        ObjectInfo(17, {}, (ObjectEvent("merged", 3, 1, 2, "cup"), ObjectEvent("new", 4, 5))),
        {
            "kind": "object_info",
            "frameId": 17,
            "labels": {},
            "events": [
                {"kind": "merged", "timeNs": 3, "objectId": 1, "otherId": 2, "label": "cup"},
                {"kind": "new", "timeNs": 4, "objectId": 5, "otherId": None, "label": None},
            ],
        },
    ),
)
JOIN = """async (texts) => {
    const {SamEdgeClient} = await import("/assets/sam-edge-client.js");
    const sockets = [];
    class Socket {
        readyState = 1;
        sent = [];
        constructor() { sockets.push(this); }
        send(data) { this.sent.push(new Uint8Array(data)[0]); }
        close() {}
    }
    const client = new SamEdgeClient("ws://nowhere", {WebSocket: Socket, objects: true, confirmation: true});
    const seen = [];
    client.addEventListener("selection", ({detail}) => {
        const {frameId, objects, events, confirmed} = detail;
        seen.push([frameId, objects.map(({label}) => label), events.map(({kind}) => kind), confirmed]);
    });
    client.connect();
    const [socket] = sockets;
    socket.onopen();
    for (const text of texts) {
        socket.onmessage({data: Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer});
    }
    client.close();
    return {seen, asked: [0x0f, 0x10].filter((kind) => socket.sent.includes(kind))};
}"""
WEBCAM_REPLIES = (
    (
        GazeEstimate(
            6,
            GazeSample(5, 100.5, 200.5, 1.0, covariance_px2=(400.0, 10.0, 900.0)),
            FaceObservation((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0), 600.0),
            calibrated=True,
            face_model_progress=1.0,
            latency_ms=12.5,
        ),
        {
            "kind": "gaze_estimate",
            "faceFrameId": 6,
            "timeNs": 5,
            "gaze": {"x": 100.5, "y": 200.5, "confidence": 1, "covariance": [400, 10, 900]},
            "face": {"box": [1, 2, 3, 4], "irises": [[5, 6], [7, 8]], "distanceMm": 600},
            "blinking": False,
            "calibrated": True,
            "faceModelProgress": 1,
            "latencyMs": 12.5,
        },
    ),
    (
        GazeEstimate(
            7, GazeSample(5, float("nan"), float("nan"), 0.0), None, blinking=True, face_model_progress=0.5
        ),
        {
            "kind": "gaze_estimate",
            "faceFrameId": 7,
            "timeNs": 5,
            "gaze": None,
            "face": None,
            "blinking": True,
            "calibrated": False,
            "faceModelProgress": 0.5,
            "latencyMs": 0,
        },
    ),
    (
        TargetProgress(3, TargetState.UNSTEADY, 0.25, 12),
        {"kind": "target_progress", "targetId": 3, "state": "unsteady", "validSamples": 12, "progress": 0.25},
    ),
    (
        CalibrationResult(
            CalibrationAction.FINISH,
            60.0,
            1.5,
            2.5,
            0.75,
            40.0,
            (TargetError(4, True, False, (1.0, 2.0), (4.0, 6.0)),),
            b"stored",
        ),
        {
            "kind": "calibration_result",
            "action": "finish",
            "accuracyPx": 60,
            "accuracyDeg": 1.5,
            "worstDeg": 2.5,
            "noiseDeg": 0.75,
            "pxPerDeg": 40,
            "targets": [
                {"targetId": 4, "validation": True, "rejected": False, "x": 1, "y": 2, "gazeX": 4, "gazeY": 6}
            ],
            "calibration": "stored",
        },
    ),
)


def test_javascript_reads_objects_that_python_writes(open_page: Callable[..., Any]) -> None:
    page = open_page()
    for answer, expected in OBJECT_REPLIES:
        assert page.evaluate(READ, base64.b64encode(protocol.encode(answer)).decode()) == expected


def test_the_client_in_javascript_joins_labels_and_events_to_their_selection(
    open_page: Callable[..., Any],
) -> None:
    welcome = Welcome(1, 2, 2, 2, 99, 1000, 2000, 60.0, 2, 30.0, None, "sam-edge 0", "m", "fake", "int8")
    item = SelectedObject(1, True, False, 0.5, (0, 0, 1, 1), 1, (0, 0, 1, 1), MaskFormat.NONE)
    first, second = (
        FrameSelection(frame, 6, 7, 8, 1, (48, 64), State.FOCUSED, "encoded", objects=(item,))
        for frame in (17, 18)
    )
    info = ObjectInfo(17, {1: "cup"}, (ObjectEvent("returned", 3, 1, label="cup"),))
    sent = [
        base64.b64encode(protocol.encode(one)).decode()
        for one in (welcome, info, Unconfirmed(17, 1), first, second)
    ]
    found = open_page().evaluate(JOIN, sent)
    assert found["seen"] == [[17, ["cup"], ["returned"], False], [18, [None], [], True]]
    assert found["asked"] == [0x0F, 0x10]


def test_javascript_reads_webcam_messages_that_python_writes(open_page: Callable[..., Any]) -> None:
    page = open_page()
    for answer, expected in WEBCAM_REPLIES:
        assert page.evaluate(READ, base64.b64encode(protocol.encode(answer)).decode()) == expected


def test_javascript_reads_what_python_writes(open_page: Callable[..., Any]) -> None:
    mask = np.zeros((5, 7), np.bool_)
    mask[1:4, 2:6] = mask[0, 0] = True
    polygon = np.array([[1, 2], [3, 4], [5, 6.5]], np.float32)
    item = SelectedObject(
        object_id=3,
        gaze_target=True,
        pinned=True,
        score=0.5,
        box=(10.0, 20.0, 17.0, 25.0),
        area_px=int(mask.sum()),
        rectangle=(10, 20, 7, 5),
        format=MaskFormat.RUNS,
        mask_data=runs_of(mask),
        polygons=(polygon,),
    )
    selected = FrameSelection(
        frame_id=4,
        frame_time_ns=100,
        received_ns=200,
        sent_ns=300,
        session=2,
        frame_size=(48, 64),
        state=State.HELD,
        origin="propagated",
        age_ms=33.5,
        fixation=(1.0, 2.0, 3.0),
        objects=(item,),
        stages_ms={"wait": 1.5, "closeup": 2.25},
    )
    text = base64.b64encode(protocol.encode(selected)).decode()
    read = open_page().evaluate(READ, text)
    assert (read["kind"], read["frameId"], read["timeNs"], read["sentNs"]) == ("selection", 4, 100, 300)
    assert (read["width"], read["height"], read["state"], read["origin"]) == (64, 48, "held", "propagated")
    assert read["stages"] == {"wait": 1.5, "closeup": 2.25}
    assert read["fixation"] == {"x": 1, "y": 2, "spread": 3}
    [found] = read["objects"]
    assert (found["objectId"], found["gazeTarget"], found["pinned"], found["box"]) == (
        3,
        True,
        True,
        [10, 20, 17, 25],
    )
    assert read["masks"] == [mask.astype(int).ravel().tolist()]
    assert read["polygons"] == [[polygon.ravel().tolist()]]
