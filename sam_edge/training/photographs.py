"""Photographs with outlined objects: what synthetic scenes are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.exporters.image_sets import list_images
from sam_edge.masks.polygons import polygons_to_mask
from sam_edge.media.images import read_image

LONG_SIDE_PX = 416
"""Photographs are scaled down to this."""
MIN_SIDE, MAX_SIDE = 0.2, 0.9
"""Shortest and longest extent of an object, shares of the photograph's longer side."""
MIN_AREA = 0.01
"""Least area of an object, share of the photograph."""
HELD_OUT = 10
"""One photograph in this many is kept for validation, by the hash of its name."""


@dataclass(frozen=True, slots=True)
class ObjectOutline:
    """One outlined object of a photograph."""

    photograph: Path
    """The image file."""
    polygon: NDArray[np.float64]
    """(N, 2), x and y in 0..1 of the photograph's sides."""

    @property
    def held_out(self) -> bool:
        """Whether it is for validation."""
        return int(hashlib.sha256(self.photograph.name.encode()).hexdigest(), 16) % HELD_OUT == 0

    def mask(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return its mask, 0 or 255, uint8 of `size` (height, width)."""
        corners = self.polygon * (size[1], size[0])
        return np.asarray(255 * polygons_to_mask([corners], size), np.uint8)


def read_photograph(path: Path) -> NDArray[np.uint8]:
    """Read a photograph, RGB uint8 (H, W, 3), scaled down to `LONG_SIDE_PX`."""
    image = read_image(path)
    scale = LONG_SIDE_PX / max(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def find_outlines(folders: Sequence[Path]) -> list[ObjectOutline]:
    """List the objects of labelled folders (`images/NAME.jpg`, `labels/NAME.txt`) that are large enough.

    Raises:
        InputError: a folder is missing, or none of them has an object.
    """
    found = []
    for folder in folders:
        for path in list_images(folder / "images", "--data"):
            labels = folder / "labels" / f"{path.stem}.txt"
            if labels.is_file():
                lines = labels.read_text(encoding="utf-8").splitlines()
                found += [
                    ObjectOutline(path, polygon)
                    for line in lines
                    if (polygon := read_polygon(line)) is not None
                ]
    if not found:
        raise InputError(
            f"--data: no objects in {', '.join(map(str, folders))}; accepted: images/ and labels/"
        )
    return found


def read_polygon(line: str) -> NDArray[np.float64] | None:
    """Read a label's polygon; None when the object is too small or too large to be followed."""
    polygon = np.array([float(value) for value in line.split()[1:]]).reshape(-1, 2)
    if len(polygon) < 3:
        return None
    extent = float(np.ptp(polygon, axis=0).max())
    x, y = polygon.T
    area = abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
    return polygon if MIN_SIDE <= extent <= MAX_SIDE and area >= MIN_AREA else None
