"""A camera of Project Aria: projects points of the Central Pupil Frame to pixels.

The models are those of projectaria_tools: `LINEAR` (pinhole) and `FISHEYE624` (Kannala-Brandt with six radial, two
tangential and four thin-prism coefficients). Source: projectaria_tools, "Camera intrinsic models".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import json_object, numbers

_MODELS = {"LINEAR": 4, "FISHEYE624": 15}


@dataclass(frozen=True, slots=True)
class AriaCamera:
    """Intrinsics of a camera, and its pose on the glasses."""

    model: str
    """`LINEAR` (fx, fy, cx, cy) or `FISHEYE624` (f, cx, cy, k0..k5, p0, p1, s0..s3)."""
    params: tuple[float, ...]
    """Parameters in the order above; focal lengths and centre in pixels."""
    size: tuple[int, int]
    """(height, width) of its frames, pixels."""
    camera_from_cpf: tuple[tuple[float, ...], ...]
    """Rigid transform, three rows of four, metres: takes a point in the Central Pupil Frame (x left, y up,
    z forward) to the camera's space (x right, y down, z forward, of the image as it is stored)."""
    first_frame_ns: int | None = None
    """Device time of the first frame, where known."""

    @classmethod
    def load(cls, path: str | Path) -> AriaCamera:
        """Read `model`, `params`, `image_size` [width, height], `camera_from_cpf` and `first_frame_ns` from JSON.

        `camera_from_cpf` is the 3x4 or 4x4 matrix of the device calibration. Raises `GazeDataError`.
        """
        path = Path(path)
        facts = json_object(path)
        model = str(facts.get("model")).rpartition(".")[2].upper()
        if model not in _MODELS:
            raise GazeDataError(f"{path}: model is {facts.get('model')!r}; accepted: {', '.join(_MODELS)}")
        params = numbers(facts.get("params"), _MODELS[model])
        if params is None or params[0] <= 0:
            raise GazeDataError(
                f"{path}: params; accepted: {_MODELS[model]} numbers for {model}, the focal length first"
            )
        size = numbers(facts.get("image_size"), 2)
        if size is None or not all(0 < side < 1e5 for side in size):
            raise GazeDataError(
                f"{path}: image_size is {facts.get('image_size')!r}; accepted: [width, height] in pixels"
            )
        rows: Any = facts.get("camera_from_cpf")
        pose = [numbers(row, 4) for row in rows[:3]] if isinstance(rows, list) and len(rows) in (3, 4) else []
        if len(pose) != 3 or None in pose:
            raise GazeDataError(
                f"{path}: camera_from_cpf; accepted: the 3x4 or 4x4 matrix of the device calibration"
            )
        first = facts.get("first_frame_ns")
        if first is not None and type(first) is not int:
            raise GazeDataError(
                f"{path}: first_frame_ns is {first!r}; accepted: a whole number of nanoseconds"
            )
        matrix = tuple(row for row in pose if row is not None)
        return cls(model, params, (int(size[1]), int(size[0])), matrix, first)

    @property
    def px_per_deg(self) -> float:
        """Pixels per degree at the middle of the frame."""
        return self.params[0] * math.pi / 180.0

    def from_cpf(self, point_m: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return a point of the Central Pupil Frame in the camera's space, metres."""
        x, y, z = point_m
        a, b, c = (row[0] * x + row[1] * y + row[2] * z + row[3] for row in self.camera_from_cpf)
        return a, b, c

    def project(self, point: tuple[float, float, float]) -> tuple[float, float]:
        """Return the pixel of a point in the camera's space; NaN behind the camera."""
        x, y, z = point
        if not z > 0.0:
            return math.nan, math.nan
        if self.model == "LINEAR":
            fx, fy, cx, cy = self.params
            return fx * x / z + cx, fy * y / z + cy
        focal, cx, cy = self.params[:3]
        radial, (p0, p1), (s0, s1, s2, s3) = self.params[3:9], self.params[9:11], self.params[11:15]
        side = math.hypot(x, y)
        theta = math.atan2(side, z)
        bent = theta + sum(k * theta ** (2 * power + 3) for power, k in enumerate(radial))
        u, v = (bent * x / side, bent * y / side) if side > 0.0 else (0.0, 0.0)
        square = u * u + v * v
        shear = 2.0 * (u * p0 + v * p1)
        u_out = u + u * shear + square * p0 + square * (s0 + s1 * square)
        v_out = v + v * shear + square * p1 + square * (s2 + s3 * square)
        return focal * u_out + cx, focal * v_out + cy
