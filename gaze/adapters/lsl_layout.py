"""The meaning of a Lab Streaming Layer stream's channels: by label, type, unit and eye, never by position.

Supported are the XDF gaze conventions (https://github.com/sccn/xdf/wiki/Gaze-Meta-Data) as relays of Pupil Labs, Tobii,
Titta, Eye Tribe and SMI use them. An unknown layout is an error that lists the channels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sam_edge.errors import TrackerError
from sam_edge.gaze.adapters.fields import clamp01, unit_vector
from sam_edge.gaze.samples import GazeRay

Eye = Literal["both", "left", "right"]
_PIXEL_UNITS = {"pixels", "pixel", "px"}
_FRACTION_UNITS = {"normalized", "normalised", "norm", "screencoords", "fraction"}
_FRACTION_LABEL = re.compile(r"gaze2d[._]([xy])|(?:left|right)_gaze_point_on_display_area_([xy01])")
_PLAIN_LABEL = re.compile(r"(?:gaze|screen|pos)?[_.]?([xy])(?:pos)?(?:_px)?")
_MM = 1e-3


@dataclass(frozen=True, slots=True)
class Channel:
    """Description of one channel of a stream."""

    label: str
    """Label, such as `gaze_x`."""
    kind: str
    """Type, such as `ScreenX`."""
    unit: str
    """Unit, such as `pixels`."""
    eye: str
    """`left`, `right`, `both` or empty."""


@dataclass(frozen=True, slots=True)
class _Position:
    """Channels of the position of one eye, or of both."""

    eye: Eye
    x: int
    y: int
    fraction: bool
    bottom_left: bool


@dataclass(frozen=True, slots=True)
class LslGaze:
    """One sample, in pixels of the scene or screen."""

    x_px: float
    """Horizontal position, pixels; NaN when invalid."""
    y_px: float
    """Vertical position, pixels; NaN when invalid."""
    confidence: float
    """0..1; 1 for valid samples of streams without confidence."""
    left_valid: bool | None
    """Whether the left eye was seen; None when the stream does not distinguish the eyes."""
    right_valid: bool | None
    """Whether the right eye was seen; None when the stream does not distinguish the eyes."""
    ray: GazeRay | None
    """Line of sight; None when the stream has none."""
    depth_m: float | None
    """Distance of the gaze point from the ray's origin, metres."""


class GazeLayout:
    """Converts the samples of one stream to pixels."""

    def __init__(self, channels: Sequence[Channel], *, size: tuple[int, int] | None, stream: str) -> None:
        """Find the channels of position, confidence, validity and ray.

        Args:
            channels: descriptions of the channels, in order.
            size: (height, width) of the image or screen in pixels; needed for streams of fractions.
            stream: name of the stream, for messages.

        Raises:
            TrackerError: the layout is unknown, or positions are fractions and `size` is None.
        """
        self._count = len(channels)
        positions = _positions(channels)
        both = [each for each in positions if each.eye == "both"]
        self._positions = (
            both[:1] or [each for eye in ("left", "right") for each in positions if each.eye == eye][:2]
        )
        if not self._positions:
            found = "; ".join(
                f"{c.label!r} type {c.kind!r} unit {c.unit!r} eye {c.eye!r}" for c in channels[:40]
            )
            raise TrackerError(
                f"the stream {stream!r} has no known gaze position. Accepted are a pair of channels of type "
                "ScreenX and ScreenY with unit pixels or normalized, norm_pos_x and norm_pos_y, gaze2d.x and gaze2d.y, "
                "left/right_gaze_point_on_display_area_x and _y, or x and y with unit pixels. "
                f"Its {len(channels)} channels are: {found or 'not described'}"
            )
        if size is None and any(each.fraction for each in self._positions):
            raise TrackerError(
                f"the stream {stream!r} holds fractions of an image of unknown size; "
                "open it with size=WIDTHxHEIGHT, for example lsl://?size=1920x1080"
            )
        self._size = size or (1, 1)
        self._by_label = {channel.label.lower(): index for index, channel in enumerate(channels)}
        self._confidence = self._by_label.get("confidence")
        self._validity = {eye: _validity(channels, eye) for eye in ("left", "right")}

    def read(self, values: Sequence[float]) -> LslGaze | None:
        """Return the gaze of one sample; None when a value is infinite or their number is wrong."""
        if len(values) != self._count:
            return None
        confidence = 1.0 if self._confidence is None else clamp01(values[self._confidence])
        points: dict[Eye, tuple[float, float]] = {}
        for position in self._positions:
            x, y = self._pixels(position, values)
            if math.isinf(x) or math.isinf(y):
                return None
            if math.isfinite(x) and math.isfinite(y) and self._is_valid(position.eye, values):
                points[position.eye] = (x, y)
        seen = bool(points) and confidence > 0.0
        ray, depth_m = self._ray(values) if seen else (None, None)
        return LslGaze(
            x_px=sum(point[0] for point in points.values()) / len(points) if seen else math.nan,
            y_px=sum(point[1] for point in points.values()) / len(points) if seen else math.nan,
            confidence=confidence if seen else 0.0,
            left_valid=self._eye_valid("left", points, values),
            right_valid=self._eye_valid("right", points, values),
            ray=ray,
            depth_m=depth_m,
        )

    def _pixels(self, position: _Position, values: Sequence[float]) -> tuple[float, float]:
        x, y = values[position.x], values[position.y]
        if not position.fraction:
            return x, y
        height, width = self._size
        return x * width, (1.0 - y if position.bottom_left else y) * height

    def _is_valid(self, eye: Eye, values: Sequence[float]) -> bool:
        index = self._validity.get(eye)
        return index is None or values[index] > 0.0

    def _eye_valid(
        self, eye: Eye, points: dict[Eye, tuple[float, float]], values: Sequence[float]
    ) -> bool | None:
        if any(position.eye == eye for position in self._positions):
            return eye in points
        return self._is_valid(eye, values) if self._validity[eye] is not None else None

    def _ray(self, values: Sequence[float]) -> tuple[GazeRay | None, float | None]:
        """Return the line of sight of Pupil Labs' relay; its values are millimetres in the scene camera's space."""
        point = self._vector("gaze_point_3d_{}", values)
        centers = [
            center for eye in "01" if (center := self._vector(f"eye_center{eye}_3d_{{}}", values)) is not None
        ]
        if point is None or not centers:
            return None, None
        origin = [sum(axis) / len(centers) for axis in zip(*centers, strict=True)]
        towards = (point[0] - origin[0], point[1] - origin[1], point[2] - origin[2])
        direction = unit_vector(towards)
        if direction is None:
            return None, None
        depth_m = math.hypot(*towards) * _MM if len(centers) == 2 else None
        return GazeRay((origin[0] * _MM, origin[1] * _MM, origin[2] * _MM), direction), depth_m

    def _vector(self, pattern: str, values: Sequence[float]) -> tuple[float, float, float] | None:
        indices = [self._by_label.get(pattern.format(axis)) for axis in "xyz"]
        x, y, z = (math.nan if index is None else values[index] for index in indices)
        return (x, y, z) if all(map(math.isfinite, (x, y, z))) else None


def _positions(channels: Sequence[Channel]) -> list[_Position]:
    found: dict[tuple[Eye, bool, bool], dict[str, int]] = {}
    for index, channel in enumerate(channels):
        role = _role(channel)
        if role is not None:
            axis, fraction, bottom_left = role
            found.setdefault((_eye(channel), fraction, bottom_left), {}).setdefault(axis, index)
    return [
        _Position(eye, axes["x"], axes["y"], fraction, bottom_left)
        for (eye, fraction, bottom_left), axes in found.items()
        if len(axes) == 2
    ]


def _role(channel: Channel) -> tuple[str, bool, bool] | None:
    """Return axis, whether it is a fraction, and whether its origin is at the bottom."""
    label, kind, unit = channel.label.lower(), channel.kind.lower(), channel.unit.lower()
    if label in ("norm_pos_x", "norm_pos_y"):
        return label[-1], True, True
    matched = _FRACTION_LABEL.fullmatch(label)
    if matched is not None and (unit in _FRACTION_UNITS or not unit):
        return {"0": "x", "1": "y"}.get(axis := matched[1] or matched[2], axis), True, False
    if kind in ("screenx", "screeny") and unit in _PIXEL_UNITS | _FRACTION_UNITS:
        return kind[-1], unit in _FRACTION_UNITS, False
    matched = _PLAIN_LABEL.fullmatch(label)
    if matched is not None and unit in _PIXEL_UNITS:
        return matched[1], False, False
    return None


def _eye(channel: Channel) -> Eye:
    for eye in ("left", "right"):
        if channel.eye.lower() == eye or (
            not channel.eye and eye in re.split(r"[^a-z]+", channel.label.lower())
        ):
            return "left" if eye == "left" else "right"
    return "both"


def _validity(channels: Sequence[Channel], eye: str) -> int | None:
    for index, channel in enumerate(channels):
        label = channel.label.lower()
        if "valid" in label and "pupil" not in label and "origin" not in label and _eye(channel) == eye:
            return index
    return None
