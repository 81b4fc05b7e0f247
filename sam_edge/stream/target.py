"""The thing that a person looks at: the places where gaze rested on it, moving with it, and its mask."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.events import Fixation
from sam_edge.masks import Masks, iou
from sam_edge.stream.motion import FrameMotion

POINTS_KEPT = 5
"""Places kept of a thing. Five points select as well as a box does on DAVIS; more add nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place on the thing where gaze rested."""

    event_id: int
    """The fixation that it came from."""
    x_px: float
    """Where it is on the newest frame, frame pixels."""
    y_px: float
    """As `x_px`, vertical."""


@dataclass(slots=True)
class Target:
    """One thing that is selected."""

    object_id: int
    """Its number."""
    places: list[Place] = field(default_factory=list)
    """Where gaze rested on it, newest last."""
    mask: NDArray[np.bool_] | None = None
    """Its mask on the newest frame, bool (H, W)."""
    score: float | None = None
    """Predicted IoU of its mask when it was decoded."""

    def follow(self, motion: FrameMotion, frame_size: tuple[int, int]) -> None:
        """Move mask and places on to the newest frame; places that leave the frame are let go."""
        if self.mask is not None:
            self.mask = motion.carry_mask(self.mask)
        height, width = frame_size
        moved = []
        for place in self.places:
            x_px, y_px = motion.carry_point(place.x_px, place.y_px)
            if 0 <= x_px <= width and 0 <= y_px <= height:
                moved.append(replace(place, x_px=x_px, y_px=y_px))
        self.places = moved

    def looked_at(self, fixation: Fixation) -> None:
        """Note that gaze rests here: a new place, or the newer position of one that is being looked at still."""
        place = Place(fixation.event_id, fixation.x_px, fixation.y_px)
        others = [kept for kept in self.places if kept.event_id != fixation.event_id]
        self.places = [*others, place][-POINTS_KEPT:]

    def share_inside(self, mask: NDArray[np.bool_], tolerance_px: float) -> float:
        """Return the share of its places that lie on a mask (H, W), or no farther from it than the tolerance."""
        inside = [near(mask, place.x_px, place.y_px, tolerance_px) for place in self.places]
        return sum(inside) / max(1, len(inside))

    def choose(self, masks: Masks) -> int:
        """Pick the mask that is this thing: at first by the project's rule, later the one most like it so far."""
        if self.mask is None or not self.mask.any():
            return 0
        likeness = [iou(mask, self.mask) for mask in masks.masks]
        return int(np.argmax(masks.scores + np.array(likeness)))


def near(mask: NDArray[np.bool_], x_px: float, y_px: float, tolerance_px: float) -> bool:
    """Say whether a point, frame pixels, lies on a mask (H, W) or no farther from it than the tolerance."""
    reach = max(1, round(tolerance_px))
    left, top = max(0, int(x_px) - reach), max(0, int(y_px) - reach)
    part = mask[top : max(0, int(y_px) + reach + 1), left : max(0, int(x_px) + reach + 1)]
    rows, columns = np.nonzero(part)
    return bool((np.hypot(columns + left + 0.5 - x_px, rows + top + 0.5 - y_px) <= tolerance_px).any())


def without_islands(mask: NDArray[np.bool_], share: float = 0.05) -> NDArray[np.bool_]:
    """Drop pieces of a mask (H, W) smaller than `share` of its largest one: a known fault of SAM's masks."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0
    keep = areas >= share * areas.max()
    return np.asarray(keep[labels])
