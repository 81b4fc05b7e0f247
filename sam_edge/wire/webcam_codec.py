"""Encodes and decodes messages about webcam gaze."""

from __future__ import annotations

import math
import struct

from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.wire.binary import Reader
from sam_edge.wire.kinds import (
    MAX_CALIBRATION_BYTES,
    MAX_SIDE_PX,
    MAX_TARGETS,
    MIN_SIDE_PX,
    Encoded,
    MessageKind,
    Readers,
    Write,
    require_no_number,
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
    Point,
    TargetError,
    TargetProgress,
    TargetState,
    Viewport,
    Webcam,
)

_ACTIVE, _VALIDATION = 0x01, 0x01
_FACE, _BLINKING, _CALIBRATED = 0x01, 0x02, 0x04
_REJECTED = 0x02
_MIN_SCALE, _MAX_SCALE = 1e-3, 1e3
_UNKNOWN = (math.nan, math.nan, math.nan)


def _write_face_frame(frame: FaceFrame) -> Encoded:
    height, width = frame.size
    header = struct.pack("<qHHI", frame.time_ns, width, height, 0)
    return MessageKind.FACE_FRAME, 0, frame.face_frame_id, header + bytes(frame.data)


def _read_face_frame(reader: Reader, flags: int, number: int) -> FaceFrame:
    time_ns, width, height = reader.integers("<qHH")
    reader.zeros(4)
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (width, height)):
        raise reader.error(f"{width}x{height} pixels; accepted: sides of {MIN_SIDE_PX} to {MAX_SIDE_PX}")
    return FaceFrame(number, time_ns, (height, width), reader.rest())


def _write_webcam(webcam: Webcam) -> Encoded:
    if webcam.screen is None:
        return MessageKind.WEBCAM, 0, 0, bytes(20)
    screen, (height, width) = webcam.screen, webcam.screen.size
    body = struct.pack("<HHf", width, height, screen.width_mm)
    body += struct.pack("<3f", screen.camera_above_mm, screen.camera_aside_mm, webcam.fov_deg)
    return MessageKind.WEBCAM, _ACTIVE, 0, body


def _read_webcam(reader: Reader, flags: int, number: int) -> Webcam:
    require_no_number(reader, number)
    if not flags & _ACTIVE:
        reader.zeros(20)
        return Webcam(None)
    width, height = reader.integers("<HH")
    width_mm, above_mm, aside_mm, fov_deg = reader.numbers(4, "screen geometry")
    if min(width, height) < MIN_SIDE_PX or not 20 <= width_mm <= 20_000:
        raise reader.error(
            f"a screen of {width}x{height} pixels, {width_mm} mm; accepted: sides of {MIN_SIDE_PX} pixels or "
            "more, 20 to 20000 mm across"
        )
    if max(abs(above_mm), abs(aside_mm)) > 10_000 or not 20 <= fov_deg <= 150:
        raise reader.error(
            f"a camera {above_mm} mm above, {aside_mm} mm aside, with a field of view of {fov_deg} degrees; accepted: "
            "up to 10000 mm, 20 to 150 degrees"
        )
    return Webcam(Screen((height, width), width_mm, above_mm, aside_mm), fov_deg)


def _write_viewport(viewport: Viewport) -> Encoded:
    return MessageKind.VIEWPORT, 0, 0, struct.pack("<4f", *viewport.origin_px, *viewport.scale)


def _read_viewport(reader: Reader, flags: int, number: int) -> Viewport:
    require_no_number(reader, number)
    x, y, scale_x, scale_y = reader.numbers(4, "origin or scale")
    if not all(_MIN_SCALE <= scale <= _MAX_SCALE for scale in (scale_x, scale_y)):
        raise reader.error(f"scale is {scale_x}, {scale_y}; accepted: {_MIN_SCALE:g} to {_MAX_SCALE:g}")
    return Viewport((x, y), (scale_x, scale_y))


def _write_calibrate(calibrate: Calibrate) -> Encoded:
    header = struct.pack("<BBH", calibrate.action, 0, len(calibrate.calibration))
    return MessageKind.CALIBRATE, 0, 0, header + calibrate.calibration


def _read_calibrate(reader: Reader, flags: int, number: int) -> Calibrate:
    require_no_number(reader, number)
    (action_number,) = reader.integers("<B")
    reader.zeros(1)
    action = reader.choice(action_number, CalibrationAction, "action")
    calibration = _calibration_bytes(reader)
    if (action is CalibrationAction.RESTORE) != bool(calibration):
        raise reader.error(
            f"{len(calibration)} bytes of a calibration; accepted: some with restore, none otherwise"
        )
    return Calibrate(action, calibration)


def _calibration_bytes(reader: Reader) -> bytes:
    (size,) = reader.integers("<H")
    if size > MAX_CALIBRATION_BYTES:
        raise reader.error(f"a calibration of {size} bytes; accepted: at most {MAX_CALIBRATION_BYTES}")
    return bytes(reader.block(size))


def _write_target(target: CalibrationTarget) -> Encoded:
    body = struct.pack("<qff", target.start_ns, *target.position_px)
    return MessageKind.TARGET, _VALIDATION if target.validation else 0, target.target_id, body


def _read_target(reader: Reader, flags: int, number: int) -> CalibrationTarget:
    (start_ns,) = reader.integers("<q")
    return CalibrationTarget(_target_id(reader, number), start_ns, _point(reader), bool(flags & _VALIDATION))


def _target_id(reader: Reader, number: int) -> int:
    if number >= MAX_TARGETS:
        raise reader.error(f"its number is {number}; accepted: 0 to {MAX_TARGETS - 1}")
    return number


def _point(reader: Reader) -> Point:
    x, y = reader.numbers(2, "position")
    return x, y


def _write_click(click: Click) -> Encoded:
    return MessageKind.CLICK, 0, 0, struct.pack("<q3f", click.time_ns, *click.position_px, click.size_px)


def _read_click(reader: Reader, flags: int, number: int) -> Click:
    require_no_number(reader, number)
    (time_ns,) = reader.integers("<q")
    x, y, size_px = reader.numbers(3, "click")
    if size_px < 0:
        raise reader.error(f"size is {size_px} pixels; accepted: 0 or more")
    return Click(time_ns, (x, y), size_px)


def _write_gaze_estimate(estimate: GazeEstimate) -> Encoded:
    flags = _BLINKING if estimate.blinking else 0
    flags |= _CALIBRATED if estimate.calibrated else 0
    flags |= _FACE if estimate.face is not None else 0
    sample = estimate.sample
    body = struct.pack("<q3f", sample.time_ns, sample.x_px, sample.y_px, sample.confidence)
    body += struct.pack("<3f", *(sample.covariance_px2 or _UNKNOWN))
    body += struct.pack("<ff", estimate.face_model_progress, estimate.latency_ms)
    face = estimate.face
    numbers = (math.nan,) * 9 if face is None else (*face.box_px, *face.irises_px, face.distance_mm)
    return MessageKind.GAZE_ESTIMATE, flags, estimate.face_frame_id, body + struct.pack("<9f", *numbers)


def _read_gaze_estimate(reader: Reader, flags: int, number: int) -> GazeEstimate:
    (time_ns,) = reader.integers("<q")
    x, y = reader.numbers(2, "gaze", nan=True)
    (confidence,) = reader.numbers(1, "confidence")
    xx, xy, yy = reader.numbers(3, "covariance", nan=True)
    progress, latency_ms = reader.numbers(2, "progress or latency")
    numbers = reader.numbers(9, "face", nan=not flags & _FACE)
    if math.isnan(x) or math.isnan(y):
        sample = GazeSample(time_ns, math.nan, math.nan, 0.0)
    else:
        known = not (math.isnan(xx) or math.isnan(xy) or math.isnan(yy))
        sample = GazeSample(time_ns, x, y, confidence, covariance_px2=(xx, xy, yy) if known else None)
    face = None
    if flags & _FACE:
        x0, y0, x1, y1, ax, ay, bx, by, distance_mm = numbers
        face = FaceObservation((x0, y0, x1, y1), (ax, ay, bx, by), distance_mm)
    blinking, calibrated = bool(flags & _BLINKING), bool(flags & _CALIBRATED)
    return GazeEstimate(number, sample, face, blinking, calibrated, progress, latency_ms)


def _write_target_progress(message: TargetProgress) -> Encoded:
    body = struct.pack("<BBHf", message.state, 0, message.valid_samples, message.progress)
    return MessageKind.TARGET_PROGRESS, 0, message.target_id, body


def _read_target_progress(reader: Reader, flags: int, number: int) -> TargetProgress:
    (state,) = reader.integers("<B")
    reader.zeros(1)
    (valid_samples,) = reader.integers("<H")
    (progress,) = reader.numbers(1, "progress")
    target_id = _target_id(reader, number)
    return TargetProgress(target_id, reader.choice(state, TargetState, "state"), progress, valid_samples)


def _write_calibration_result(result: CalibrationResult) -> Encoded:
    body = struct.pack("<BBH", result.action, len(result.targets), len(result.calibration))
    body += struct.pack(
        "<5f",
        result.accuracy_px,
        result.accuracy_deg,
        result.worst_deg,
        result.noise_deg,
        result.px_per_deg,
    )
    targets = b"".join(map(_target_error_bytes, result.targets))
    return MessageKind.CALIBRATION_RESULT, 0, 0, body + targets + result.calibration


def _target_error_bytes(error: TargetError) -> bytes:
    flags = (_VALIDATION if error.validation else 0) | (_REJECTED if error.rejected else 0)
    return struct.pack("<HH4f", error.target_id, flags, *error.target_px, *error.gaze_px)


def _read_calibration_result(reader: Reader, flags: int, number: int) -> CalibrationResult:
    require_no_number(reader, number)
    action_number, target_count, size = reader.integers("<BBH")
    accuracy_px, accuracy_deg, worst_deg, noise_deg, px_per_deg = reader.numbers(5, "accuracy")
    targets = tuple(_read_target_error(reader) for _ in range(target_count))
    action = reader.choice(action_number, CalibrationAction, "action")
    calibration = bytes(reader.block(size))
    return CalibrationResult(
        action, accuracy_px, accuracy_deg, worst_deg, noise_deg, px_per_deg, targets, calibration
    )


def _read_target_error(reader: Reader) -> TargetError:
    number, flags = reader.integers("<HH")
    if flags & ~(_VALIDATION | _REJECTED):
        raise reader.error(f"flags {flags:#04x} of a target, which the protocol does not define")
    target, gaze = _point(reader), _point(reader)
    return TargetError(number, bool(flags & _VALIDATION), bool(flags & _REJECTED), target, gaze)


WRITERS: dict[type, Write] = {
    FaceFrame: _write_face_frame,
    Webcam: _write_webcam,
    Viewport: _write_viewport,
    Calibrate: _write_calibrate,
    CalibrationTarget: _write_target,
    Click: _write_click,
    GazeEstimate: _write_gaze_estimate,
    TargetProgress: _write_target_progress,
    CalibrationResult: _write_calibration_result,
}
CLIENT_READERS: Readers = {
    MessageKind.FACE_FRAME: (0, _read_face_frame),
    MessageKind.WEBCAM: (_ACTIVE, _read_webcam),
    MessageKind.VIEWPORT: (0, _read_viewport),
    MessageKind.CALIBRATE: (0, _read_calibrate),
    MessageKind.TARGET: (_VALIDATION, _read_target),
    MessageKind.CLICK: (0, _read_click),
}
SERVER_READERS: Readers = {
    MessageKind.GAZE_ESTIMATE: (_FACE | _BLINKING | _CALIBRATED, _read_gaze_estimate),
    MessageKind.TARGET_PROGRESS: (0, _read_target_progress),
    MessageKind.CALIBRATION_RESULT: (0, _read_calibration_result),
}
