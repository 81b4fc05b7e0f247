"""Project Aria: the eye gaze CSV of the Machine Perception Services (Gen1, Gen2, and left/right vergence files).

Angles are radians in the Central Pupil Frame (x left, y up, z forward): the direction is (tan yaw, tan pitch, 1).
The order of columns varies, so they are found by name. `low` and `high` bound each angle; half their distance
is taken as one standard deviation. Pixels need the camera: `aria_camera.json` next to the CSV (see `AriaCamera`),
or the argument `camera`. Without it positions are NaN and samples have only rays. Source: projectaria_tools,
"MPS output - eye gaze".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sam_edge.gaze.recordings.aria_camera import AriaCamera
from sam_edge.gaze.recordings.recording import GazeRecording, make_recording
from sam_edge.gaze.recordings.tables import Table, has_header, names_header, open_table
from sam_edge.gaze.samples import GazeRay, GazeSample

FORMAT = "aria-mps"
SUMMARY = "Project Aria: MPS eye gaze CSV, Gen1, Gen2 and vergence (general_eye_gaze.csv, ...)"
MIN_CONFIDENCE = 0.0
CAMERA_FILE = "aria_camera.json"
"""Name of the file with the scene camera's description, next to the gaze."""
DEFAULT_DEPTH_M = 1.0
"""Assumed distance of rows without one (0 or empty), as in projectaria_tools."""
_IS_HEADER = names_header("tracking_timestamp_us", "pitch_rads_cpf")
_NAMES = ("personalized_eye_gaze.csv", "general_eye_gaze.csv", "generalized_eye_gaze.csv", "eyegaze.csv")


@dataclass(frozen=True, slots=True)
class _Direction:
    """Gaze direction of one row in the Central Pupil Frame, angles in radians."""

    yaw: float
    pitch: float
    depth_m: float | None
    yaw_sd: float
    pitch_sd: float


def recognise(path: Path) -> bool:
    """Return True for an MPS eye gaze CSV, or a folder that holds one."""
    return has_header(_gaze_file(path), _IS_HEADER)


def read(path: Path, *, camera: AriaCamera | None = None) -> GazeRecording:
    """Read an MPS eye gaze CSV; `camera` (or aria_camera.json next to it) gives pixels. Raises `GazeDataError`."""
    gaze_file = _gaze_file(path)
    notes = ["depth 0 means unknown; positions then assume 1 m"]
    described = gaze_file.with_name(CAMERA_FILE)
    if camera is None and described.is_file():
        camera = AriaCamera.load(described)
    if camera is None:
        notes = [f"no camera ({CAMERA_FILE}): positions are NaN; rays are in the head's space"]
    else:
        notes.append(f"positions include the lens's distortion ({camera.model})")
    start_ns = camera.first_frame_ns if camera else None
    if start_ns is None:
        notes.append("the first frame's time is not known: time 0 is the first gaze sample")
    with open_table(gaze_file, _IS_HEADER) as table:
        samples = list(_samples(table, camera, start_ns))
    return make_recording(
        samples,
        path=path,
        format=FORMAT,
        frame_size=camera.size if camera else None,
        px_per_deg=camera.px_per_deg if camera else None,
        notes=notes,
        camera_file=None if camera else CAMERA_FILE,
    )


def _gaze_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for folder in (path, path / "eye_gaze"):
        for name in _NAMES:
            if (folder / name).is_file():
                return folder / name
    return path / _NAMES[0]


def _samples(table: Table, camera: AriaCamera | None, start_ns: int | None) -> Iterator[GazeSample]:
    time_at = table.index("tracking_timestamp_us")
    columns = _AriaColumns(table)
    for row in table.rows([time_at, *columns.needed]):
        micros = table.number(row[time_at], time_at)
        if math.isnan(micros) or abs(micros) > 2**53:
            raise table.error(time_at, row[time_at], "a whole number of microseconds")
        device_ns = round(micros) * 1000
        start_ns = device_ns if start_ns is None else start_ns
        yield _sample(columns.direction(row), device_ns, start_ns, camera)


def _sample(gaze: _Direction | None, device_ns: int, start_ns: int, camera: AriaCamera | None) -> GazeSample:
    if gaze is None:
        return GazeSample(device_ns - start_ns, math.nan, math.nan, 0.0, device_time_ns=device_ns)
    point = gaze_point(gaze.yaw, gaze.pitch, gaze.depth_m or DEFAULT_DEPTH_M)
    x_px = y_px = math.nan
    covariance = None
    origin, target = (0.0, 0.0, 0.0), (-point[0], -point[1], point[2])
    if camera is not None:
        origin, target = camera.from_cpf((0.0, 0.0, 0.0)), camera.from_cpf(point)
        x_px, y_px = camera.project(target)
        covariance = _covariance(gaze, camera)
    along = [t - o for t, o in zip(target, origin, strict=True)]
    length = math.hypot(*along)
    direction = (along[0] / length, along[1] / length, along[2] / length)
    return GazeSample(
        device_ns - start_ns,
        x_px,
        y_px,
        1.0,
        device_time_ns=device_ns,
        ray=GazeRay(origin, direction),
        depth_m=gaze.depth_m,
        covariance_px2=covariance,
    )


def gaze_point(yaw: float, pitch: float, depth_m: float) -> tuple[float, float, float]:
    """Return the point (metres, Central Pupil Frame) at a distance along the gaze direction, angles in radians."""
    x, y = math.tan(yaw), math.tan(pitch)
    scale = depth_m / math.sqrt(x * x + y * y + 1.0)
    return x * scale, y * scale, scale


def vergence(
    left_yaw: float,
    right_yaw: float,
    pitch: float,
    left_eye: tuple[float, float],
    right_eye: tuple[float, float],
) -> tuple[float, float | None]:
    """Return combined yaw (radians) and depth (metres) where two lines of sight cross; None where they do not.

    Eyes are (x, z) in metres in the Central Pupil Frame, angles radians.
    """
    left, right = math.tan(left_yaw), math.tan(right_yaw)
    mean = math.atan((left + right) / 2.0)
    if right == left:
        return mean, None
    (xl, zl), (xr, zr) = left_eye, right_eye
    z = (xr - xl + zl * left - zr * right) / (left - right)
    if z <= 0.0:
        return mean, None
    x = xl + (z - zl) * left
    return math.atan2(x, z), math.hypot(x, z * math.tan(pitch), z)


def _covariance(gaze: _Direction, camera: AriaCamera) -> tuple[float, float, float] | None:
    """Return the pixel covariance (xx, xy, yy): the angles' uncertainty propagated through the projection."""
    if math.isnan(gaze.yaw_sd) or math.isnan(gaze.pitch_sd):
        return None
    step, depth = 1e-4, gaze.depth_m or DEFAULT_DEPTH_M

    def pixel(yaw: float, pitch: float) -> tuple[float, float]:
        return camera.project(camera.from_cpf(gaze_point(yaw, pitch, depth)))

    slopes = []
    for yaw, pitch in ((step, 0.0), (0.0, step)):
        (xa, ya), (xb, yb) = (
            pixel(gaze.yaw - yaw, gaze.pitch - pitch),
            pixel(gaze.yaw + yaw, gaze.pitch + pitch),
        )
        slopes.append(((xb - xa) / (2 * step), (yb - ya) / (2 * step)))
    (xw, yw), (xp, yp) = slopes
    yaw_var, pitch_var = gaze.yaw_sd**2, gaze.pitch_sd**2
    covariance = (
        xw * xw * yaw_var + xp * xp * pitch_var,
        xw * yw * yaw_var + xp * yp * pitch_var,
        yw * yw * yaw_var + yp * yp * pitch_var,
    )
    return covariance if all(map(math.isfinite, covariance)) else None


class _AriaColumns:
    """Indices of the angle columns, which depend on the generation of the glasses."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._pitch = table.index("pitch_rads_cpf")
        self._yaw = table.find("yaw_rads_cpf")
        self._both = tuple(table.find(f"{eye}_yaw_rads_cpf") for eye in ("left", "right"))
        if self._yaw is None and None in self._both:
            table.index("yaw_rads_cpf")
        self._depth = table.find("depth_m")
        yaw_bounds = [table.find(f"yaw_{side}_rads_cpf") for side in ("low", "high")]
        eye_bounds = [
            table.find(f"{eye}_yaw_{side}_rads_cpf") for eye in ("left", "right") for side in ("low", "high")
        ]
        self._yaw_bounds = yaw_bounds if None not in yaw_bounds else eye_bounds
        self._pitch_bounds = [table.find(f"pitch_{side}_rads_cpf") for side in ("low", "high")]
        self._eyes = [table.find(f"t{axis}_{eye}_eye_cpf") for eye in ("left", "right") for axis in "xz"]
        used = (self._yaw, *self._both, self._depth, *self._yaw_bounds, *self._pitch_bounds, *self._eyes)
        self.needed = [self._pitch, *(at for at in used if at is not None)]

    def direction(self, row: list[str]) -> _Direction | None:
        """Return the direction of a row, or None when it has none."""
        pitch, yaw, depth = (
            self._angle(row, self._pitch),
            self._angle(row, self._yaw),
            self._number(row, self._depth),
        )
        if self._yaw is None:
            left, right = (self._angle(row, at) for at in self._both)
            eyes = [self._number(row, at) for at in self._eyes]
            xl, zl, xr, zr = (0.0315, 0.0, -0.0315, 0.0) if any(map(math.isnan, eyes)) else eyes
            if not math.isnan(left + right + pitch):
                yaw, crossing = vergence(left, right, pitch, (xl, zl), (xr, zr))
                depth = (crossing or math.nan) if math.isnan(depth) else depth
        if math.isnan(yaw) or math.isnan(pitch):
            return None
        return _Direction(
            yaw,
            pitch,
            depth if depth > 0.0 else None,
            self._sd(row, self._yaw_bounds),
            self._sd(row, self._pitch_bounds),
        )

    def _sd(self, row: list[str], bounds: list[int | None]) -> float:
        """Half the width of the interval; for two eyes, that of their mean as if they erred together."""
        values = [self._number(row, at) for at in bounds]
        return sum(high - low for low, high in zip(values[::2], values[1::2], strict=True)) / len(values)

    def _angle(self, row: list[str], column: int | None) -> float:
        value = self._number(row, column)
        if column is not None and abs(value) >= math.pi / 2:
            raise self._table.error(column, row[column], "an angle in radians between -pi/2 and pi/2")
        return value

    def _number(self, row: list[str], column: int | None) -> float:
        return math.nan if column is None else self._table.number(row[column], column)
