"""The best picture of each object: where the model is surest of its mask, and the object is large and sharp."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge._track import StreamedFrame
from sam_edge.cutouts import cutout_rgba, write_cutout
from sam_edge.identity import ObjectEvent, final_numbers
from sam_edge.masks import mask_to_box
from sam_edge.media import read_image, write_png
from sam_edge.media.png import encode_png
from sam_edge.stream.packed_selection import PackedMask

MARGIN = 0.25
"""Border round the object's box, as a share of its longer side."""
SHARPNESS_SIDE = 128
"""Longer side of an object when its sharpness is measured, pixels."""
CLEARLY_BETTER = 1.05
"""A picture takes the place of another one when its quality is higher by this factor."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectPicture:
    """A part of one frame, with an object in it."""

    quality: float
    """Predicted IoU, times the square root of the mask's area and of `measure_sharpness`: the higher, the better."""
    frame: int
    """Number of the frame."""
    time_ns: int
    """When it is shown, nanoseconds after the first frame."""
    corner: tuple[int, int]
    """Left and top of the picture on the frame, pixels."""
    png: bytes
    """The picture, RGB (h, w, 3), as a PNG file."""
    mask: PackedMask
    """The object on it, (h, w)."""

    def write(self, folder: Path, **facts: Any) -> None:
        """Write picture, mask, cut-out and `object.json`, which holds `facts` as well, into a new folder."""
        folder.mkdir(parents=True)
        mask = self.mask.unpack()
        (folder / "picture.png").write_bytes(self.png)
        write_png(folder / "mask.png", mask)
        write_cutout(folder / "cutout.png", cutout_rgba(read_image(folder / "picture.png"), mask))
        place = {
            "quality": round(self.quality, 3),
            "frame": self.frame,
            "time_s": self.time_ns / 1e9,
            "x0": self.corner[0],
            "y0": self.corner[1],
        }
        text = json.dumps({**facts, **place}, indent=1, ensure_ascii=False)
        (folder / "object.json").write_text(text + "\n", encoding="utf-8")


class BestPictures:
    """Keeps one picture of each object, the best so far."""

    def __init__(self) -> None:
        """Begin without any."""
        self._best: dict[int, ObjectPicture] = {}
        self._merges: list[ObjectEvent] = []

    def add(self, frame: StreamedFrame) -> None:
        """Look at the next frame."""
        selection = frame.selection
        self._merges += [event for event in frame.events if event.kind == "merged"]
        if frame.mask is None or selection.object_id is None or frame.dropped:
            return
        self.add_mask(frame, selection.object_id, frame.mask, selection.score or 0.0)

    def add_mask(
        self, frame: StreamedFrame, number: int, mask: NDArray[np.bool_], score: float = 1.0
    ) -> None:
        """Look at an object on a frame; `score` is the predicted IoU of its mask (H, W)."""
        area_px = np.count_nonzero(mask)
        if not area_px:
            return
        quality = score * float(area_px * measure_sharpness(frame.image, mask)) ** 0.5
        best = self._best.get(number)
        if best is None or quality > CLEARLY_BETTER * best.quality:
            self._best[number] = _take_picture(frame, mask, quality)

    def by_object(self) -> dict[int, ObjectPicture]:
        """Return the best picture of each object by the number that it has in the end."""
        final = final_numbers(self._merges)
        found: dict[int, ObjectPicture] = {}
        for number, picture in self._best.items():
            kept = final.get(number, number)
            if kept not in found or picture.quality > found[kept].quality:
                found[kept] = picture
        return found


def measure_sharpness(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Return how much fine detail an object has: 1 plus the standard deviation of the Laplacian, grey levels.

    The object is brought to one size before, so that near and far views compare. Its outline does not count.

    Args:
        image: RGB uint8 (H, W, 3).
        mask: bool (H, W), not empty.
    """
    x0, y0, x1, y1 = (int(side) for side in mask_to_box(mask) or (0, 0, mask.shape[1], mask.shape[0]))
    scale = SHARPNESS_SIDE / max(x1 - x0, y1 - y0)
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY), size, interpolation=way)
    inside = cv2.resize(mask[y0:y1, x0:x1].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    inside = cv2.erode(inside, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    detail = np.asarray(cv2.Laplacian(grey, cv2.CV_32F), np.float32)[inside > 0]
    return 1.0 + (float(detail.std()) if detail.size else 0.0)


def _take_picture(frame: StreamedFrame, mask: NDArray[np.bool_], quality: float) -> ObjectPicture:
    box = mask_to_box(mask) or (0, 0, mask.shape[1], mask.shape[0])
    margin = round(MARGIN * max(box[2] - box[0], box[3] - box[1]))
    left, top = (max(0, int(side) - margin) for side in box[:2])
    right, bottom = int(box[2]) + margin, int(box[3]) + margin
    part = np.s_[top:bottom, left:right]
    png, packed = encode_png(frame.image[part]), PackedMask.pack(mask[part])
    return ObjectPicture(quality, frame.index, frame.time_ns, (left, top), png, packed)
