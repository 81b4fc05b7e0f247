"""Folders of images: calibration sets for quantizers, and labelled sets that accuracy is measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.geometry import Placement, View
from sam_edge.media.images import IMAGE_SUFFIXES, read_image

FEWEST = 8
"""Fewest images that a quantizer is calibrated on."""
SMALLEST_OBJECT_PX = 400
"""Labelled objects of fewer pixels are left out."""
FARTHEST = 10.0
"""Corners of labels may lie this many sides of the image outside it."""


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Images that quantization is calibrated on."""

    images: tuple[NDArray[np.uint8], ...]
    """uint8 (H, W, 3), letterboxed to one encoder input."""
    fingerprint: str
    """sha256 over the names and contents of the files, hexadecimal."""

    def summary(self) -> dict[str, int | str]:
        """Describe for a manifest."""
        return {"pictures": len(self.images), "sha256": self.fingerprint}


def list_images(folder: Path, argument: str) -> list[Path]:
    """List the images of a folder by name.

    Raises:
        InputError: it is not a folder.
    """
    if not folder.is_dir():
        raise InputError(f"{argument}: no such folder: {folder}")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def read_calibration(folder: Path, size: tuple[int, int], *, at_most: int = 32) -> CalibrationSet:
    """Read images evenly spread over a folder.

    Args:
        folder: images of what the model will see.
        size: the encoder's input (height, width) they are letterboxed to.
        at_most: how many to take.

    Raises:
        InputError: the folder holds fewer than 8 images.
        MediaError: an image cannot be read.
    """
    files = list_images(folder, "calibration")
    if len(files) < FEWEST:
        raise InputError(
            f"calibration: {folder} holds {len(files)} images; give at least {FEWEST}, best 32 or more"
        )
    count = min(at_most, len(files))
    chosen = [files[index * len(files) // count] for index in range(count)]
    digest = hashlib.sha256()
    images = []
    for path in chosen:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        image = read_image(path)
        images.append(Placement(View.whole((image.shape[0], image.shape[1])), size).render(image))
    return CalibrationSet(images=tuple(images), fingerprint=digest.hexdigest())


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and the masks of its labelled objects."""

    name: str
    """Its file's stem."""
    image: NDArray[np.uint8]
    """RGB (H, W, 3)."""
    objects: NDArray[np.bool_]
    """(N, H, W): one mask for each object."""

    @property
    def points(self) -> NDArray[np.float64]:
        """The deepest point of each object, (N, 2) frame pixels: the centre of the pixel farthest from its edge."""
        return np.array([deepest_point(mask) for mask in self.objects])


def deepest_point(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the centre of the pixel of a mask (H, W) that lies farthest from its edge; the frame's edge counts."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x) + 0.5, float(y) + 0.5


def read_labelled_images(folder: Path, *, at_most: int | None = None) -> Iterator[LabelledImage]:
    """Read a labelled set: `images/NAME.jpg` and `labels/NAME.txt`.

    A label file has one line for each object: its class, then a polygon as x y x y ... in 0..1 of the image's sides.
    Objects of fewer than 400 pixels are left out, and so are images in which none is left.

    Raises:
        InputError: the folders are missing, or a label file cannot be read.
        MediaError: an image cannot be read.
    """
    files = list_images(folder / "images", "labelled")
    count = 0
    for path in files:
        if at_most is not None and count >= at_most:
            return
        labels = folder / "labels" / f"{path.stem}.txt"
        if not labels.is_file():
            continue
        image = read_image(path)
        masks = read_polygons(labels, (image.shape[0], image.shape[1]))
        if len(masks):
            count += 1
            yield LabelledImage(path.stem, image, masks)


def read_polygons(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill the polygons of a label file: bool (N, height, width).

    Raises:
        InputError: the file cannot be read, or a line is no polygon.
    """
    height, width = size
    masks = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"labelled: {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            values = [float(word) for word in line.split()]
        except ValueError as error:
            raise InputError(f"labelled: {path} line {number}: {error}") from error
        if not values:
            continue
        if len(values) < 7 or len(values) % 2 == 0:
            raise InputError(
                f"labelled: {path} line {number}: a class and at least three x y pairs are needed"
            )
        if not all(abs(value) <= FARTHEST for value in values[1:]):
            raise InputError(
                f"labelled: {path} line {number}: a place is not finite or far outside; accepted: 0..1"
            )
        corners = np.array(values[1:]).reshape(-1, 2) * (width, height)
        canvas = np.zeros(size, np.uint8)
        cv2.fillPoly(canvas, [np.rint(corners).astype(np.int32)], 1)
        if np.count_nonzero(canvas) >= SMALLEST_OBJECT_PX:
            masks.append(canvas > 0)
    return np.array(masks, bool).reshape(-1, height, width)
