"""From a clip to what the follower sees of it: crops, true masks, and the real motion between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.follow.crops import CELLS, SIDE, places_before, render_crop, sample_map, square_round
from sam_edge.geometry import View
from sam_edge.masks import mask_to_box
from sam_edge.stream.motion import FrameMotion
from sam_edge.training.scenes import Clip

MIN_AREA_PX = 120
"""An object that shows fewer pixels than this on a clip's first frame cannot be followed."""
SHIFT, ZOOM = 0.04, 0.08
"""Standard deviations of the views' errors: shares of their side, and logarithm of their size."""


@dataclass(frozen=True, slots=True)
class CropSequence:
    """Crops of one object on consecutive frames."""

    images: NDArray[np.uint8]
    """(T, SIDE, SIDE, 3), RGB."""
    truth: NDArray[np.uint8]
    """(T, CELLS, CELLS), 0 to 255: how much of each cell is the object's."""
    places: NDArray[np.float32]
    """(T, CELLS, CELLS, 2): where each cell was in the crop before, by the session's own motion; 0 for the first."""


def crop_clip(clip: Clip, rng: np.random.Generator) -> CropSequence | None:
    """Cut the object out of every frame, with views as uncertain as a follower's; None if it is hardly to be seen."""
    if np.count_nonzero(clip.masks[0] > 127) < MIN_AREA_PX:
        return None
    count = len(clip.frames)
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    truth = np.empty((count, CELLS, CELLS), np.uint8)
    places = np.zeros((count, CELLS, CELLS, 2), np.float32)
    size = (clip.frames[0].shape[0], clip.frames[0].shape[1])
    motion = FrameMotion()
    view: View | None = None
    for index, (frame, mask) in enumerate(zip(clip.frames, clip.masks, strict=True)):
        before, view = view, uncertain_view(mask, rng, view)
        motion.advance(frame, index)
        images[index] = render_crop(frame, view)
        truth[index] = np.clip(np.rint(sample_map(mask.astype(np.float32), view, size, 0.0)), 0, 255)
        step = motion.between(index - 1, index)
        if before is not None and step is not None:
            places[index] = places_before(step.back, size, view, before)
    return CropSequence(images, truth, places)


def uncertain_view(mask: NDArray[np.uint8], rng: np.random.Generator, before: View | None) -> View:
    """Return the view round a mask, shifted and scaled a little; the one before when nothing of the mask is there."""
    box = mask_to_box(mask > 127)
    errors = rng.normal(0, (SHIFT, SHIFT, ZOOM))
    if box is None:
        return before or View.whole((mask.shape[0], mask.shape[1]))
    x0, y0, x1, y1 = (float(side) for side in box)
    half = max(x1 - x0, y1 - y0) / 2
    x, y = (x0 + x1) / 2 + errors[0] * half, (y0 + y1) / 2 + errors[1] * half
    half *= float(np.exp(errors[2]))
    return square_round((x - half, y - half, x + half, y + half))
