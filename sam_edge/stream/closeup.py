"""Following the selected thing at camera rate: encoding a close-up of it takes a fifth of a whole frame's time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.geometry import MASK_STRIDE, STRIDE, View
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.candidate import CLIP, Grid, box_on_frame, on_grid, overlap
from sam_edge.stream.rest import NS_PER_MS

SIDE = 224
"""The close-up's input is this wide and high, the smallest that the encoder takes without padding."""
MARGIN = 1.4
"""The close-up shows so many times the thing's longer side, so that what surrounds it is seen, too."""
LEAST_PX = 112
"""The close-up shows no less than this: a thing magnified more than twice gains nothing."""
POINTS_ON, POINTS_BESIDE = 8, 4
"""Most points that prompt: on the thing, and beside it within its box."""
APART, APART_LEAST = 1.5, 2.0
"""Points are so many depths of the place apart, and grid places at least."""
UNSURE = 2.0
"""Logits this close to 0 may be on the thing as well: no point beside it is put there."""
AGREES, AGREES_LATE = 0.5, 0.25
"""A close-up's mask that overlaps the carried one less than this is not believed: the carried one stays. Less will do
where motion had to carry it for longer than `LATE_MS`, and is likely to be off."""
LATE_MS = 100.0


@dataclass(frozen=True, slots=True)
class Track:
    """The selected thing on one frame."""

    object_id: int
    """Its number."""
    time_ns: int
    """The frame."""
    soft: Grid
    """Its mask on the motion grid."""
    score: float
    """Predicted IoU."""
    decoded_ns: int
    """The frame that the mask was decoded on; it was carried from there by motion when that is an earlier one."""
    low: NDArray[np.float32] | None = None
    """Low-resolution logits on `embedding`; None when the mask was carried."""
    embedding: Embedding | None = None
    """Of the frame; None when the mask was carried."""


def view_round(
    box: tuple[float, float, float, float], frame_size: tuple[int, int], margin: float = MARGIN
) -> View:
    """Return the square view round a box, x0, y0, x1, y1 in frame pixels, moved so that it lies on the frame."""
    x0, y0, x1, y1 = box
    side = max(max(x1 - x0, y1 - y0) * margin, LEAST_PX)
    height, width = min(side, frame_size[0]), min(side, frame_size[1])
    left = min(max((x0 + x1 - width) / 2, 0.0), frame_size[1] - width)
    top = min(max((y0 + y1 - height) / 2, 0.0), frame_size[0] - height)
    return View(int(left), int(top), int(width), int(height))


def look_closer(
    model: Segmenter, image: NDArray[np.uint8], before: Track, carried: Callable[[], Track | None]
) -> Track | None:
    """Encode a close-up of a thing, and decode its mask there.

    Args:
        model: encodes and decodes.
        image: the frame, RGB uint8 (H, W, 3).
        before: the thing on an earlier frame, the last one as a rule: where to look.
        carried: gives the thing carried to this frame by motion, which may be found while the encoder works; None when
            nothing is left of it.

    Returns:
        The thing with its new mask; as it was carried when the new mask is not believable; None when nothing is left.
    """
    size = (image.shape[0], image.shape[1])
    if not (before.soft > 0).any():
        return carried()
    view = view_round(box_on_frame(before.soft, size), size)
    embedding = model.encode(image, size=(SIDE, SIDE), view=view)
    track = carried()
    if track is None or not (track.soft > 0).any():
        return track
    # Prompted and compared on the close-up's own small grid; only the mask that is taken is laid over the frame.
    expected = lowered(track.soft, embedding, size)
    if not (expected > 0).any():
        return track
    points, labels = prompts_from(expected)
    step = MASK_STRIDE / embedding.placement.scale
    in_frame = (points + 0.5) * step + (view.x0, view.y0)
    logits, scores = model.decode_logits(embedding, points=[in_frame], labels=[labels])
    likeness = np.array([overlap(low > 0, expected > 0) for low in logits[0]])
    chosen = int(np.argmax(likeness + scores[0]))
    late = track.time_ns - track.decoded_ns > LATE_MS * NS_PER_MS
    if likeness[chosen] < (AGREES_LATE if late else AGREES):
        return track
    return Track(
        object_id=track.object_id,
        time_ns=track.time_ns,
        soft=on_grid(logits[0, chosen], embedding),
        score=float(scores[0, chosen]),
        decoded_ns=track.time_ns,
        low=logits[0, chosen],
        embedding=embedding,
    )


def prompts_from(expected: Grid) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Put points all over a mask, and beside it within its box.

    Points say more than the box does: a thing that moved or bent since leaves its box, but not all of its places. On
    DAVIS, true masks followed for half a second keep a J&F of .80 with the box and one point, .83 with these.

    Args:
        expected: logits on a grid (rows, columns), above 0 somewhere.

    Returns:
        points (N, 2): grid columns and rows; labels (N,): 1 on the thing, 0 beside it.
    """
    left, top, width, height = cv2.boundingRect((expected > 0).astype(np.uint8))
    beside = np.zeros(expected.shape, np.uint8)
    inside = np.s_[top : top + height, left : left + width]
    beside[inside] = expected[inside] < -UNSURE
    on = spread_over((expected > 0).astype(np.uint8), POINTS_ON)
    off = spread_over(beside, POINTS_BESIDE)
    labels = np.repeat(np.array([1, 0], np.int32), (len(on), len(off)))
    return np.array([*on, *off], np.float64), labels


def spread_over(region: NDArray[np.uint8], most: int) -> list[tuple[int, int]]:
    """Return up to `most` places, columns and rows, deep inside a region and apart from each other."""
    depth = cv2.distanceTransform(np.pad(region, 1), cv2.DIST_L2, 5)[1:-1, 1:-1].copy()
    found: list[tuple[int, int]] = []
    while len(found) < most:
        _, deepest, _, place = cv2.minMaxLoc(depth)
        if deepest <= 0 or (found and deepest <= 1):
            break
        found.append((place[0], place[1]))
        cv2.circle(depth, place, int(max(APART_LEAST, APART * deepest)), 0.0, -1)
    return found


def lowered(soft: Grid, embedding: Embedding, frame_size: tuple[int, int]) -> Grid:
    """Scale a map of the motion grid to an embedding's low-resolution logits (4h, 4w); the frame's edge repeats."""
    rows, columns = (side * STRIDE // MASK_STRIDE for side in embedding.data.shape[2:])
    placement = embedding.placement
    across, down = soft.shape[1] / frame_size[1], soft.shape[0] / frame_size[0]
    step = MASK_STRIDE / placement.scale
    matrix = np.array(
        [
            [step[0] * across, 0, (0.5 * step[0] + placement.view.x0) * across - 0.5],
            [0, step[1] * down, (0.5 * step[1] + placement.view.y0) * down - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    made = np.asarray(
        cv2.warpAffine(soft, matrix, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )
    # Beside a view that is not of the input's shape there is nothing.
    made[int(placement.view.height / step[1]) :] = -CLIP
    made[:, int(placement.view.width / step[0]) :] = -CLIP
    return made
