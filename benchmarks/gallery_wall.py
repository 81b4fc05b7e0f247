"""The scene of a simulated head-mounted recording: a wall on which sequences of pictures hang side by side.

Each sequence plays forwards and backwards in turn, so that it never jumps, and begins at a place of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from gallery_truth import Labels
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""BGR image (H, W, 3)."""
Point = NDArray[np.float64]

WALL_GREY, WALL_SPREAD, WALL_RANGE = 150.0, 14.0, (60, 230)
"""Mean, standard deviation and limits of the brightness of the wall."""
PATCH_PX = 16
"""Distance between the support points of the wall's texture, pixels."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes in the scene, pixels of the camera."""

    width_px: int = 854
    """Width of the camera's frame, and the most that a picture has."""
    height_px: int = 480
    """Height of the camera's frame, and the most that a picture has."""
    gap_px: int = 60
    """Wall between two pictures; around them there is twice as much."""

    def wall_size(self, count: int) -> tuple[int, int]:
        """Return (height, width) of a wall with `count` pictures."""
        width = count * self.width_px + (count - 1) * self.gap_px
        return self.height_px + 4 * self.gap_px, width + 4 * self.gap_px

    def corner(self, place: int) -> tuple[int, int]:
        """Return (x, y) of the upper left corner of a picture, by its place from 0 on."""
        return 2 * self.gap_px + place * (self.width_px + self.gap_px), 2 * self.gap_px


@dataclass(frozen=True, slots=True, eq=False)
class MovingPicture:
    """A sequence with the masks of its object."""

    images: Sequence[Image]
    masks: Sequence[Labels]
    """0 or 1 (H, W), as large as the images."""
    phase: int
    """Image that the first frame shows."""

    def index(self, frame: int) -> int:
        """Return the image that a frame shows: to the last one, and back to the first."""
        last = len(self.images) - 1
        return last - abs(last - (self.phase + frame) % (2 * last))

    def centre(self, frame: int) -> Point:
        """Return the object's centre of mass (x, y); the middle of the picture where there is no object."""
        mask = self.masks[self.index(frame)]
        rows, columns = np.nonzero(mask)
        if not len(rows):
            return np.array(mask.shape[::-1]) / 2
        return np.array([columns.mean(), rows.mean()])


class Wall:
    """A wall with pictures; object n is that of the picture at place n - 1."""

    def __init__(self, pictures: Sequence[MovingPicture], layout: Layout, rng: np.random.Generator) -> None:
        """Hang up the pictures on a wall with a random texture."""
        self.pictures, self.layout = pictures, layout
        self.size = layout.wall_size(len(pictures))
        coarse = rng.normal(WALL_GREY, WALL_SPREAD, [-(-side // PATCH_PX) for side in self.size])
        texture = cv2.resize(coarse, self.size[::-1], interpolation=cv2.INTER_CUBIC).clip(*WALL_RANGE)
        self._bare = np.repeat(texture.astype(np.uint8)[..., None], 3, axis=2)

    def paint(self, frame: int) -> tuple[Image, Labels]:
        """Return the wall on a frame, and the number of the object at each of its pixels."""
        image, labels = self._bare.copy(), np.zeros(self.size, np.uint8)
        for place, picture in enumerate(self.pictures):
            index, (x, y) = picture.index(frame), self.layout.corner(place)
            height, width = picture.masks[index].shape
            area = np.s_[y : y + height, x : x + width]
            image[area] = picture.images[index]
            labels[area] = picture.masks[index] * (place + 1)
        return image, labels

    def middle(self, place: int) -> Point:
        """Return the middle (x, y) of the place of a picture."""
        x_px, y_px = self.layout.corner(place)
        return np.array([x_px + self.layout.width_px / 2, y_px + self.layout.height_px / 2])

    def object_centre(self, place: int, frame: int) -> Point:
        """Return the centre (x, y) of the object of a picture on a frame."""
        return self.pictures[place].centre(frame) + self.layout.corner(place)


def read_picture(data: Path, name: str, layout: Layout, rng: np.random.Generator) -> MovingPicture:
    """Read a sequence of a folder like that of DAVIS, as large as the layout allows.

    Raises:
        SystemExit: the sequence has fewer than two images, or not a mask for each.
    """
    images = [_read(path, cv2.IMREAD_COLOR) for path in _files(data, "JPEGImages", name, "jpg")]
    masks = [_read(path, cv2.IMREAD_GRAYSCALE) for path in _files(data, "Annotations", name, "png")]
    if len(images) < 2 or len(images) != len(masks):
        raise SystemExit(
            f"{data}: sequence {name} has {len(images)} images and {len(masks)} masks; accepted: at least 2 images in "
            "JPEGImages, and a mask for each in Annotations"
        )
    height, width = images[0].shape[:2]
    scale = min(layout.width_px / width, layout.height_px / height)
    size = round(width * scale), round(height * scale)
    return MovingPicture(
        [np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) for image in images],
        [
            np.asarray(cv2.resize(np.sign(mask), size, interpolation=cv2.INTER_NEAREST), np.uint8)
            for mask in masks
        ],
        int(rng.integers(len(images))),
    )


def _files(data: Path, kind: str, name: str, suffix: str) -> list[Path]:
    folder = data / kind / "480p"
    return sorted(((folder if folder.is_dir() else data / kind) / name).glob(f"*.{suffix}"))


def _read(path: Path, flag: int) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), flag)
    if image is None:
        raise SystemExit(f"{path} cannot be read as an image")
    return np.asarray(image, np.uint8)
