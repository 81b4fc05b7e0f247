"""A head that turns to what the eye looks at, and the camera on it: its path along a wall, and its frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from gallery_truth import Labels
from gallery_wall import Image, Layout, Point, Wall
from numpy.typing import NDArray

VISIT_S = (2.5, 6.0)
"""Shortest and longest time that is planned for one object."""
RETURN_CHANCE = 0.5
"""Chance of a return while there are objects that were not looked at yet."""
HEAD_SHARE = 0.8
"""The head makes this share of the way from the middle of a picture to its object; the eye makes the rest."""
STIFFNESS_PER_S2, DAMPING_PER_S, TOP_SPEED_PX_S = 14.0, 6.0, 2200.0
"""The head is a damped spring that is drawn to where it aims."""
SWAY_PX, SWAY_HZ, TREMOR_PX = 5.0, (0.15, 0.6), 0.4
"""Amplitude and range of frequencies of slow sway; standard deviation of the tremor from frame to frame."""
TILT_DEG = 2.0
"""Amplitude of the slow tilt, which has a frequency of the same range."""
EDGE_PX = 20
"""The view stays this far from the edge of the wall, without sway."""
EXPOSURE, STEPS, STILL_PX = 0.36, 4, 3.0
"""Share of a frame's length for which the shutter is open; poses that are averaged; motion without visible blur."""
GAIN, GAIN_RAD_S, NOISE = 0.12, 0.7, 2.0
"""Amplitude and angular speed of the drift of the exposure; standard deviation of a pixel's noise, 8-bit steps."""


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """The time for which the head turns to one picture."""

    place: int
    """Place of the picture on the wall, from 0 on."""
    start_s: float
    """When the head begins to turn, seconds after the first frame."""


@dataclass(frozen=True, slots=True)
class Pose:
    """What the camera is turned to."""

    x_px: float
    """Middle of the view on the wall."""
    y_px: float
    tilt_deg: float
    """Roll of the camera, counter-clockwise."""

    def towards(self, other: Pose, share: float) -> Pose:
        """Return the pose on the way to another one."""
        return Pose(
            self.x_px + share * (other.x_px - self.x_px),
            self.y_px + share * (other.y_px - self.y_px),
            self.tilt_deg + share * (other.tilt_deg - self.tilt_deg),
        )

    def distance_px(self, other: Pose) -> float:
        """Return how far the middle of the view is from that of another pose."""
        return math.hypot(self.x_px - other.x_px, self.y_px - other.y_px)

    def view_from_wall(self, layout: Layout) -> NDArray[np.float64]:
        """Return the affine map (2, 3) from pixels of the wall to those of the view."""
        matrix = np.asarray(cv2.getRotationMatrix2D((self.x_px, self.y_px), self.tilt_deg, 1.0), np.float64)
        matrix[:, 2] += (layout.width_px / 2 - self.x_px, layout.height_px / 2 - self.y_px)
        return matrix


def plan_visits(count: int, seconds: float, rng: np.random.Generator) -> list[PlannedVisit]:
    """Return visits to `count` objects: the first two are new ones, then new ones and returns mix."""
    fresh: list[int] = rng.permutation(count).tolist()
    known: list[int] = []
    visits: list[PlannedVisit] = []
    start_s = 0.0
    while start_s < seconds:
        returns = [place for place in known if place != visits[-1].place]
        if fresh and (not returns or rng.random() >= RETURN_CHANCE):
            known.append(fresh.pop())
            place = known[-1]
        else:
            place = int(rng.choice(returns))
        visits.append(PlannedVisit(place, start_s))
        start_s += float(rng.uniform(*VISIT_S))
    return visits


def move_head(
    wall: Wall, visits: Sequence[PlannedVisit], frames: int, fps: float, rng: np.random.Generator
) -> Iterator[Pose]:
    """Yield the pose on each frame: late and smoothly after the object that is looked at."""
    frequencies, phases = rng.uniform(*SWAY_HZ, 3), rng.uniform(0, 2 * math.pi, 3)
    here, speed = aim_at(wall, visits[0].place, 0), np.zeros(2)
    for frame in range(frames):
        time_s = frame / fps
        place = [visit.place for visit in visits if visit.start_s <= time_s][-1]
        force = STIFFNESS_PER_S2 * (aim_at(wall, place, frame) - here) - DAMPING_PER_S * speed
        speed = speed + force / fps
        speed = speed * min(1.0, TOP_SPEED_PX_S / max(1.0, float(np.linalg.norm(speed))))
        here = here + speed / fps
        waves = np.sin(2 * math.pi * frequencies * time_s + phases)
        x_px, y_px = here + SWAY_PX * waves[:2] + rng.normal(0.0, TREMOR_PX, 2)
        yield Pose(float(x_px), float(y_px), float(TILT_DEG * waves[2]))


def aim_at(wall: Wall, place: int, frame: int) -> Point:
    """Return the middle (x, y) of the view that the head aims at, within the wall."""
    middle, layout = wall.middle(place), wall.layout
    aim = middle + HEAD_SHARE * (wall.object_centre(place, frame) - middle)
    margin = np.array([layout.width_px / 2 + EDGE_PX, layout.height_px / 2 + EDGE_PX])
    return np.asarray(np.clip(aim, margin, np.array(wall.size[::-1]) - margin))


class Camera:
    """The camera on the head, with motion blur, a drifting exposure and noise."""

    def __init__(self, wall: Wall, fps: float, rng: np.random.Generator) -> None:
        """Draw the phase of the exposure."""
        self._wall, self._fps, self._rng = wall, fps, rng
        self._phase = rng.uniform(0, 2 * math.pi)

    def take(self, frame: int, pose: Pose, before: Pose) -> tuple[Image, Labels]:
        """Return a frame and its labels; `before` is the pose on the frame before."""
        wall, labels = self._wall.paint(frame)
        still = pose.distance_px(before) < STILL_PX
        shares = [0.0] if still else np.linspace(0.0, EXPOSURE, STEPS).tolist()
        views = [self._warp(wall, pose.towards(before, share), cv2.INTER_LINEAR) for share in shares]
        gain = 1 + GAIN * math.sin(self._phase + GAIN_RAD_S * frame / self._fps)
        light = gain * np.mean(views, axis=0, dtype=np.float32)
        noise = NOISE * self._rng.standard_normal(light.shape, np.float32)
        return np.clip(light + noise, 0, 255).astype(np.uint8), self._warp(labels, pose, cv2.INTER_NEAREST)

    def _warp(self, image: NDArray[np.uint8], pose: Pose, interpolation: int) -> NDArray[np.uint8]:
        layout = self._wall.layout
        border = cv2.BORDER_REPLICATE if image.ndim == 3 else cv2.BORDER_CONSTANT
        return np.asarray(
            cv2.warpAffine(
                image,
                pose.view_from_wall(layout),
                (layout.width_px, layout.height_px),
                flags=interpolation,
                borderMode=border,
            ),
            np.uint8,
        )
