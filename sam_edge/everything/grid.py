"""The grid of points in the image and in crops of it; masks that a crop cuts off.

Grid and crops are those of Kirillov et al., "Segment Anything" (2023), appendix B, as their generator lays them out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.everything.config import MaskGeneratorConfig
from sam_edge.geometry import View

EDGE_PX = 20.0
"""A mask this close to an edge of its crop inside the image counts as cut off, as in SAM."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of the image, with its grid."""

    view: View
    points_per_side: int
    """Points along a side of its grid."""


def layout_crops(frame_size: tuple[int, int], config: MaskGeneratorConfig) -> list[Crop]:
    """Return the whole image of (height, width), and the crops of every layer, column by column as SAM has them.

    Crops of a layer rank equally: of an object in two of them, the mask of the first stays.
    """
    height, width = frame_size
    crops = [Crop(View.whole(frame_size), config.points_per_side)]
    for layer in range(1, config.crop_layers + 1):
        across = 2**layer
        overlap = int(config.crop_overlap * min(height, width) * 2 / across)
        step_x, step_y = _crop_length(width, across, overlap), _crop_length(height, across, overlap)
        points = max(1, config.points_per_side // config.crop_points_divisor**layer)
        for column in range(across):
            for row in range(across):
                x0 = min(max(0, step_x - overlap) * column, width - 1)
                y0 = min(max(0, step_y - overlap) * row, height - 1)
                view = View(x0, y0, min(step_x, width - x0), min(step_y, height - y0))
                crops.append(Crop(view, points))
    return crops


def grid_points(crop: Crop, *, coarse_first: bool = True) -> NDArray[np.float64]:
    """Return the grid of a crop, (N, 2) frame pixels, coarse to fine, or row by row as SAM has it.

    From coarse to fine, the first points cover the whole crop evenly, so that their masks cover many later points.
    """
    count = crop.points_per_side
    index = np.arange(count)
    # Number of halvings before a row is odd: rows of the coarsest grid come first.
    level = np.array([_halvings(int(row), count) for row in index])
    rows, columns = (axis.ravel() for axis in np.meshgrid(index, index, indexing="ij"))
    coarse = np.minimum(level[rows], level[columns]) if coarse_first else np.zeros_like(rows)
    order = np.lexsort((columns, rows, -coarse))
    unit = (np.stack([columns, rows], axis=1)[order] + 0.5) / count
    view = crop.view
    return np.asarray(unit * (view.width, view.height) + (view.x0, view.y0))


def touches_crop_edge(box: tuple[float, float, float, float], crop: View, frame: View) -> bool:
    """Say whether a mask's box touches an edge of its crop that is not the image's."""
    box_sides = np.array(box)
    near_crop = np.abs(box_sides - _view_sides(crop)) <= EDGE_PX
    near_frame = np.abs(box_sides - _view_sides(frame)) <= EDGE_PX
    return bool((near_crop & ~near_frame).any())


def _view_sides(view: View) -> NDArray[np.float64]:
    return np.array([view.x0, view.y0, view.x0 + view.width, view.y0 + view.height], np.float64)


def _halvings(index: int, count: int) -> int:
    """Return in how many halvings of a grid of `count` the row `index` stays, counted from its middle."""
    distance = abs(index - count // 2)
    if distance == 0:
        return count.bit_length()
    return (distance & -distance).bit_length() - 1


def _crop_length(side: int, crops: int, overlap: int) -> int:
    return min(side, math.ceil((overlap * (crops - 1) + side) / crops))
