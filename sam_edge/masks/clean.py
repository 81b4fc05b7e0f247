"""Islands and holes: small regions that do not belong in a mask, a known fault of SAM's.

Regions are found by their outlines, which takes a twentieth of the time of labelling every pixel. How many pixels an
outline encloses follows from the area of the polygon through the middles of its pixels (Pick's theorem, 1899).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError

ISLAND_SHARE = 0.05
"""Pieces below this share of the largest piece are islands."""
HOLE_SHARE = 0.01
"""Holes below this share of the mask are faults; larger ones may be holes of the object."""

Outline = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Component:
    """Pixels of a mask that hang together."""

    outline: Outline
    """The pixels at its outer edge, (N, 1, 2) x, y, as OpenCV has them."""
    holes: tuple[Outline, ...]
    """The pixels of the piece at the edge of each of its holes."""

    @property
    def area_px(self) -> int:
        """Its pixels."""
        return _pixels_within(self.outline) - sum(hole_area_px(hole) for hole in self.holes)


def remove_islands(
    mask: NDArray[np.bool_], share: float = ISLAND_SHARE, *, least_px: float = 0.0
) -> NDArray[np.bool_]:
    """Drop small pieces of a mask. Pixels that touch at a corner are one piece; the largest piece always stays.

    Args:
        mask: bool (H, W).
        share: pieces smaller than this share of the largest one go, 0..1.
        least_px: pieces of fewer pixels than this go, too.

    Returns:
        bool (H, W); the mask itself when nothing had to go.

    Raises:
        InputError: the mask is not bool (H, W), or an option is out of range.
    """
    _check(mask, share, least_px)
    pieces = find_components(mask)
    if len(pieces) < 2:
        return mask
    areas_px = [piece.area_px for piece in pieces]
    largest = int(np.argmax(areas_px))
    bound_px = max(share * areas_px[largest], least_px)
    gone = [piece for index, piece in enumerate(pieces) if areas_px[index] < bound_px and index != largest]
    if not gone:
        return mask
    cleaned: NDArray[np.bool_] = mask.copy()
    for piece in gone:
        cv2.drawContours(cleaned.view(np.uint8), [piece.outline, *piece.holes], -1, 0, cv2.FILLED)
    return cleaned


def fill_holes(
    mask: NDArray[np.bool_], share: float = HOLE_SHARE, *, least_px: float = 0.0
) -> NDArray[np.bool_]:
    """Fill small holes of a mask, with whatever lies in them. What reaches the frame's border is no hole.

    Args:
        mask: bool (H, W).
        share: holes smaller than this share of the mask are filled, 0..1.
        least_px: holes of fewer pixels than this are filled, too.

    Returns:
        bool (H, W); the mask itself when nothing had to be filled.

    Raises:
        InputError: the mask is not bool (H, W), or an option is out of range.
    """
    _check(mask, share, least_px)
    holes = [hole for piece in find_components(mask) for hole in piece.holes]
    if not holes:
        return mask
    bound_px = max(share * np.count_nonzero(mask), least_px)
    filled = [hole for hole in holes if hole_area_px(hole) < bound_px]
    if not filled:
        return mask
    cleaned: NDArray[np.bool_] = mask.copy()
    for hole in filled:
        cv2.drawContours(cleaned.view(np.uint8), [hole], -1, 1, cv2.FILLED)
    return cleaned


def find_components(mask: NDArray[np.bool_]) -> list[Component]:
    """Return the pieces of a mask, bool (H, W): pixels that touch at a side or a corner belong together."""
    image = np.ascontiguousarray(mask).view(np.uint8)
    if not image.size:
        return []
    contours, tree = cv2.findContours(image, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return []
    outlines = [np.asarray(contour, np.int32) for contour in contours]
    parents = np.asarray(tree)[0, :, 3].tolist()
    holes: dict[int, list[Outline]] = defaultdict(list)
    for outline, parent in zip(outlines, parents, strict=True):
        if parent >= 0:
            holes[parent].append(outline)
    return [
        Component(outline, tuple(holes[index]))
        for index, (outline, parent) in enumerate(zip(outlines, parents, strict=True))
        if parent < 0
    ]


def hole_area_px(hole: Outline) -> int:
    """Return the number of pixels that a hole encloses; `hole` is its edge, pixels that are not part of it."""
    return _pixels_within(hole) - len(hole)


def _pixels_within(outline: Outline) -> int:
    """Return the number of pixels on and within an outline, each step of which goes to one of the eight neighbours."""
    if len(outline) == 1:
        return 1
    return round(cv2.contourArea(outline) + len(outline) / 2 + 1)


def _check(mask: NDArray[np.bool_], share: float, least_px: float) -> None:
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise InputError(f"mask: {mask.dtype} {mask.shape}; accepted: bool (H, W)")
    if not 0 <= share <= 1:
        raise InputError(f"share: {share}; accepted: 0 to 1")
    if not 0 <= least_px < np.inf:
        raise InputError(f"least_px: {least_px}; accepted: 0 or more pixels")
