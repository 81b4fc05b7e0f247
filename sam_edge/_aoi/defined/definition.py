"""What a person says about an AOI before the recording is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.media.images import read_image

MASK_ENDING = ".mask.png"
"""A picture NAME.png may have its mask in NAME.mask.png."""
MIN_PICTURE_PX = 24
"""Least width and height of an AOI in a picture, pixels."""


@dataclass(frozen=True, slots=True)
class FrameSpot:
    """Where an AOI is on one frame of the recording."""

    frame: int | None = None
    """Number of the frame, from 0; None where `time_s` says which."""
    time_s: float | None = None
    """A time at which the frame is shown, seconds after the first frame."""
    mask: Path | None = None
    """Picture of the frame's size: not 0 on the AOI."""
    box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1, pixels of the frame."""
    points: tuple[tuple[float, float], ...] = ()
    """x, y on the AOI, pixels of the frame."""


@dataclass(frozen=True, slots=True)
class DefinedAoi:
    """A named AOI: on a frame of the recording, or as pictures."""

    name: str
    """What it is called in tables."""
    spot: FrameSpot | None = None
    """Where it is on a frame; None where pictures show it."""
    pictures: tuple[Path, ...] = ()
    """Pictures of it: cut out (with alpha), with a mask beside, or showing nothing else."""


@dataclass(frozen=True, slots=True, eq=False)
class AoiPicture:
    """A picture of an AOI."""

    image: NDArray[np.uint8]
    """RGB (H, W, 3)."""
    mask: NDArray[np.bool_]
    """(H, W) where the AOI is on it."""

    @classmethod
    def read(cls, path: Path) -> AoiPicture:
        """Read a picture with its mask: alpha, or NAME.mask.png beside it; without either it shows nothing else.

        Raises:
            InputError: its mask has another size or is empty, or the AOI is too small on it.
            MediaError: a file cannot be read.
        """
        cut_out = _read_cut_out(path)
        image = read_image(path) if cut_out is None else cut_out.image
        mask = np.ones(image.shape[:2], np.bool_) if cut_out is None else cut_out.mask
        if mask_path(path).is_file():
            mask = read_mask(mask_path(path))
        if mask.shape != image.shape[:2]:
            raise InputError(
                f"aois: {mask_path(path)}: is {mask.shape[1]}x{mask.shape[0]}, and {path.name} is "
                f"{image.shape[1]}x{image.shape[0]}; give a mask of the picture's size"
            )
        _, _, width, height = cv2.boundingRect(mask.astype(np.uint8))
        if min(width, height) < MIN_PICTURE_PX:
            raise InputError(
                f"aois: {path}: the AOI is {width}x{height} pixels on it; give a picture with at least "
                f"{MIN_PICTURE_PX}x{MIN_PICTURE_PX}"
            )
        return cls(image, mask)


def mask_path(picture: Path) -> Path:
    """Return where the mask of a picture would be."""
    return picture.with_name(picture.stem + MASK_ENDING)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask (H, W): True where the picture is not black. Raises `MediaError`."""
    return np.asarray(read_image(path).max(axis=2) > 0)


def _read_cut_out(path: Path) -> AoiPicture | None:
    """Return a picture with 8 bits and alpha, whose colours are not blended; None for another one."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 4:
        return None
    image = np.ascontiguousarray(pixels[:, :, 2::-1], np.uint8)
    return AoiPicture(image, np.asarray(pixels[:, :, 3] > 0))
