"""Where on a frame something has the colours of an object: cheap, so that every analysed frame can be asked."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.identity.appearance import BINS, COLOURS

LOW, HIGH = (0, 88, 88), (256, 168, 168)
"""Range of each CIELAB channel as OpenCV scales it, as in `identity.appearance`."""
LIKELY = 0.5
"""A place belongs to the object when its colour is likelier there than elsewhere."""


@dataclass(frozen=True, slots=True)
class ColourPlace:
    """A part of a frame that may be the object."""

    mask: NDArray[np.bool_]
    """(rows, columns) on the motion grid."""
    likeness: float
    """Bhattacharyya coefficient of its colours and the most similar appearance, 0..1."""


def colour_bins(small: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the bin of the colour histogram of each place of a frame scaled to the grid, RGB (rows, columns, 3)."""
    lab = cv2.cvtColor(cv2.GaussianBlur(small, (3, 3), 0), cv2.COLOR_RGB2LAB).astype(np.int32)
    index = np.zeros(lab.shape[:2], np.int32)
    for channel, (bins, low, high) in enumerate(zip(BINS, LOW, HIGH, strict=True)):
        place = (lab[:, :, channel] - low) * bins // (high - low)
        index = index * bins + np.clip(place, 0, bins - 1)
    return index


def find_colour_places(
    bins: NDArray[np.int32], colours: NDArray[np.float32], area_share: float | None, *, count: int = 2
) -> list[ColourPlace]:
    """Return the places that are most like one of an object's appearances, best first.

    Args:
        bins: from `colour_bins`.
        colours: (V, 384) square roots of the histograms of the appearances.
        area_share: share of the frame that the object covers; None where that is not known.
        count: places at most.
    """
    own = (colours**2).max(axis=0)
    frame = np.bincount(bins.ravel(), minlength=COLOURS) / bins.size
    expected = area_share or 0.03
    # The part of the frame's own histogram that the object may have brought in does not count against it.
    others = np.maximum(frame - expected * own, 0.1 * frame) + 1e-6
    table = (expected * own / (expected * own + others)).astype(np.float32)
    likely = table[bins]
    side = max(3, int(0.25 * np.sqrt(expected * bins.size)) | 1)
    smooth = cv2.blur(likely, (side, side))
    found: list[ColourPlace] = []
    left = (smooth > min(LIKELY, 0.6 * float(smooth.max()))).astype(np.uint8)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(left, connectivity=4)
    order = np.argsort(-facts[1:, cv2.CC_STAT_AREA])[: 2 * count] + 1
    for label in order:
        area = int(facts[label, cv2.CC_STAT_AREA])
        if area < 0.05 * expected * bins.size or area < 30:
            break
        mask = labels == label
        histogram = np.sqrt(np.bincount(bins[mask], minlength=COLOURS) / area)
        found.append(ColourPlace(mask, float((colours @ histogram).max())))
    return sorted(found, key=lambda place: -place.likeness)[:count]
