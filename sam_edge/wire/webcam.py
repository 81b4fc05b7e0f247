"""What is said about a camera that looks at the person, as bytes."""

from __future__ import annotations

import math
import struct

from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.sight import Screen
from sam_edge.wire.binary import Reader
from sam_edge.wire.kinds import (
    AIMED,
    CALIBRATE,
    CALIBRATED,
    CALIBRATION_BYTES,
    CLICKED,
    EYE,
    FACE,
    LARGEST_SIDE_PX,
    SIGHT,
    SMALLEST_SIDE_PX,
    STAGE,
    TARGET,
    TARGETS,
    Readers,
    Write,
    Written,
    unnumbered,
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
    Point,
    Seen,
    Sight,
    Stage,
    Target,
    TargetError,
)

_WATCHES, _CHECK = 0x01, 0x01
_SEEN, _BLINKING, _CALIBRATED = 0x01, 0x02, 0x04
_REJECTED = 0x02
_LEAST_SCALE, _MOST_SCALE = 1e-3, 1e3
_NOWHERE = (math.nan, math.nan, math.nan)


def _write_face(face: Face) -> Written:
    height, width = face.size
    return FACE, 0, face.face_id, struct.pack("<qHHI", face.time_ns, width, height, 0) + bytes(face.data)


def _read_face(reader: Reader, flags: int, number: int) -> Face:
    time_ns, width, height = reader.integers("<qHH")
    reader.zeros(4)
    if not all(SMALLEST_SIDE_PX <= side <= LARGEST_SIDE_PX for side in (width, height)):
        raise reader.error(
            f"{width}x{height} pixels; accepted: sides of {SMALLEST_SIDE_PX} to {LARGEST_SIDE_PX}"
        )
    return Face(number, time_ns, (height, width), reader.rest())


def _write_eye(eye: Eye) -> Written:
    if eye.screen is None:
        return EYE, 0, 0, bytes(20)
    screen, (height, width) = eye.screen, eye.screen.size
    body = struct.pack("<HHf", width, height, screen.width_mm)
    return (
        EYE,
        _WATCHES,
        0,
        body + struct.pack("<3f", screen.camera_above_mm, screen.camera_aside_mm, eye.fov_deg),
    )


def _read_eye(reader: Reader, flags: int, number: int) -> Eye:
    unnumbered(reader, number)
    if not flags & _WATCHES:
        reader.zeros(20)
        return Eye(None)
    width, height = reader.integers("<HH")
    width_mm, above_mm, aside_mm, fov_deg = reader.numbers(4, "the screen's place")
    if min(width, height) < SMALLEST_SIDE_PX or not 20 <= width_mm <= 20_000:
        raise reader.error(
            f"a screen of {width}x{height} pixels, {width_mm} mm; accepted: sides of {SMALLEST_SIDE_PX} pixels or "
            "more, 20 to 20000 mm across"
        )
    if max(abs(above_mm), abs(aside_mm)) > 10_000 or not 20 <= fov_deg <= 150:
        raise reader.error(
            f"a camera {above_mm} mm above, {aside_mm} mm aside, {fov_deg} degrees wide; accepted: up to 10000 mm, "
            "20 to 150 degrees"
        )
    return Eye(Screen((height, width), width_mm, above_mm, aside_mm), fov_deg)


def _write_stage(stage: Stage) -> Written:
    return STAGE, 0, 0, struct.pack("<4f", *stage.origin_px, *stage.scale)


def _read_stage(reader: Reader, flags: int, number: int) -> Stage:
    unnumbered(reader, number)
    x, y, across, down = reader.numbers(4, "the stage")
    if not all(_LEAST_SCALE <= one <= _MOST_SCALE for one in (across, down)):
        raise reader.error(f"scale is {across}, {down}; accepted: {_LEAST_SCALE:g} to {_MOST_SCALE:g}")
    return Stage((x, y), (across, down))


def _write_calibrate(calibrate: Calibrate) -> Written:
    return CALIBRATE, 0, 0, struct.pack("<BBH", calibrate.action, 0, len(calibrate.kept)) + calibrate.kept


def _read_calibrate(reader: Reader, flags: int, number: int) -> Calibrate:
    unnumbered(reader, number)
    (kind,) = reader.integers("<B")
    reader.zeros(1)
    action = reader.choice(kind, CalibrationAction, "action")
    kept = _blob(reader)
    if (action is CalibrationAction.RESTORE) != bool(kept):
        raise reader.error(f"{len(kept)} bytes of a calibration; accepted: some with restore, none otherwise")
    return Calibrate(action, kept)


def _blob(reader: Reader) -> bytes:
    (size,) = reader.integers("<H")
    if size > CALIBRATION_BYTES:
        raise reader.error(f"a calibration of {size} bytes; accepted: at most {CALIBRATION_BYTES}")
    return bytes(reader.block(size))


def _write_target(target: Target) -> Written:
    body = struct.pack("<qff", target.from_ns, *target.place_px)
    return TARGET, _CHECK if target.check else 0, target.number, body


def _read_target(reader: Reader, flags: int, number: int) -> Target:
    (from_ns,) = reader.integers("<q")
    return Target(_number(reader, number), from_ns, _point(reader), bool(flags & _CHECK))


def _number(reader: Reader, number: int) -> int:
    if number >= TARGETS:
        raise reader.error(f"its number is {number}; accepted: 0 to {TARGETS - 1}")
    return number


def _point(reader: Reader) -> Point:
    x, y = reader.numbers(2, "place")
    return x, y


def _write_clicked(clicked: Clicked) -> Written:
    return CLICKED, 0, 0, struct.pack("<q3f", clicked.time_ns, *clicked.place_px, clicked.size_px)


def _read_clicked(reader: Reader, flags: int, number: int) -> Clicked:
    unnumbered(reader, number)
    (time_ns,) = reader.integers("<q")
    x, y, size_px = reader.numbers(3, "click")
    if size_px < 0:
        raise reader.error(f"size is {size_px} pixels; accepted: 0 or more")
    return Clicked(time_ns, (x, y), size_px)


def _write_sight(sight: Sight) -> Written:
    flags = _BLINKING if sight.blinking else 0
    flags |= _CALIBRATED if sight.calibrated else 0
    flags |= _SEEN if sight.seen is not None else 0
    sample = sight.sample
    body = struct.pack("<q3f", sample.time_ns, sample.x_px, sample.y_px, sample.confidence)
    body += struct.pack("<3f", *(sample.covariance_px2 or _NOWHERE))
    body += struct.pack("<ff", sight.learned, sight.took_ms)
    nothing = (math.nan,) * 9
    seen = sight.seen
    face = nothing if seen is None else (*seen.box_px, *seen.irises_px, seen.distance_mm)
    return SIGHT, flags, sight.face_id, body + struct.pack("<9f", *face)


def _read_sight(reader: Reader, flags: int, number: int) -> Sight:
    (time_ns,) = reader.integers("<q")
    x, y = reader.numbers(2, "gaze", nan=True)
    (confidence,) = reader.numbers(1, "confidence")
    xx, xy, yy = reader.numbers(3, "covariance", nan=True)
    learned, took_ms = reader.numbers(2, "progress or time")
    face = reader.numbers(9, "face", nan=not flags & _SEEN)
    if math.isnan(x) or math.isnan(y):
        sample = GazeSample(time_ns, math.nan, math.nan, 0.0)
    else:
        told = not (math.isnan(xx) or math.isnan(xy) or math.isnan(yy))
        sample = GazeSample(time_ns, x, y, confidence, covariance_px2=(xx, xy, yy) if told else None)
    seen = None
    if flags & _SEEN:
        x0, y0, x1, y1, ax, ay, bx, by, distance_mm = face
        seen = Seen((x0, y0, x1, y1), (ax, ay, bx, by), distance_mm)
    blinking, calibrated = bool(flags & _BLINKING), bool(flags & _CALIBRATED)
    return Sight(number, sample, seen, blinking, calibrated, learned, took_ms)


def _write_aimed(aimed: Aimed) -> Written:
    return AIMED, 0, aimed.number, struct.pack("<BBHf", aimed.state, 0, aimed.samples, aimed.progress)


def _read_aimed(reader: Reader, flags: int, number: int) -> Aimed:
    (state,) = reader.integers("<B")
    reader.zeros(1)
    (samples,) = reader.integers("<H")
    (progress,) = reader.numbers(1, "progress")
    return Aimed(_number(reader, number), reader.choice(state, Aiming, "state"), progress, samples)


def _write_calibrated(calibrated: Calibrated) -> Written:
    body = struct.pack("<BBH", calibrated.action, len(calibrated.targets), len(calibrated.kept))
    body += struct.pack(
        "<5f",
        calibrated.accuracy_px,
        calibrated.accuracy_deg,
        calibrated.worst_deg,
        calibrated.noise_deg,
        calibrated.px_per_deg,
    )
    targets = b"".join(map(_target_bytes, calibrated.targets))
    return CALIBRATED, 0, 0, body + targets + calibrated.kept


def _target_bytes(target: TargetError) -> bytes:
    flags = (_CHECK if target.check else 0) | (_REJECTED if target.rejected else 0)
    return struct.pack("<HH4f", target.number, flags, *target.target_px, *target.gaze_px)


def _read_calibrated(reader: Reader, flags: int, number: int) -> Calibrated:
    unnumbered(reader, number)
    kind, count, size = reader.integers("<BBH")
    accuracy_px, accuracy_deg, worst_deg, noise_deg, px_per_deg = reader.numbers(5, "accuracy")
    targets = tuple(_read_target_error(reader) for _ in range(count))
    action = reader.choice(kind, CalibrationAction, "action")
    kept = bytes(reader.block(size))
    return Calibrated(action, accuracy_px, accuracy_deg, worst_deg, noise_deg, px_per_deg, targets, kept)


def _read_target_error(reader: Reader) -> TargetError:
    number, flags = reader.integers("<HH")
    if flags & ~(_CHECK | _REJECTED):
        raise reader.error(f"flags {flags:#04x} of a target are none of the protocol's")
    target, gaze = _point(reader), _point(reader)
    return TargetError(number, bool(flags & _CHECK), bool(flags & _REJECTED), target, gaze)


WRITERS: dict[type, Write] = {
    Face: _write_face,
    Eye: _write_eye,
    Stage: _write_stage,
    Calibrate: _write_calibrate,
    Target: _write_target,
    Clicked: _write_clicked,
    Sight: _write_sight,
    Aimed: _write_aimed,
    Calibrated: _write_calibrated,
}
REQUESTS: Readers = {
    FACE: ("face", 0, _read_face),
    EYE: ("eye", _WATCHES, _read_eye),
    STAGE: ("stage", 0, _read_stage),
    CALIBRATE: ("calibrate", 0, _read_calibrate),
    TARGET: ("target", _CHECK, _read_target),
    CLICKED: ("clicked", 0, _read_clicked),
}
ANSWERS: Readers = {
    SIGHT: ("sight", _SEEN | _BLINKING | _CALIBRATED, _read_sight),
    AIMED: ("aimed", 0, _read_aimed),
    CALIBRATED: ("calibrated", 0, _read_calibrated),
}
