"""A picture, a clip and gaze that ship with the package, for first steps and for tests.

    from sam_edge import samples

    masks = sam_edge.load().segment(samples.photo(), points=[[300, 160]])

The picture is a cup of coffee, (c) Rachel Michetti, CC0 1.0; the clip is from Big Buck Bunny, (c) 2008 Blender
Foundation, CC BY 3.0; the gaze is made, not recorded from a person.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.media.images import read_image
from sam_edge.media.opencv_log import opencv_silenced

__all__ = ["CLIP", "GAZE", "PHOTO", "camera", "clip_camera", "photo"]

_ASSETS = Path(__file__).parent / "assets"
PHOTO = _ASSETS / "labelled" / "images" / "coffee.jpg"
"""A JPEG file of 600x400 pixels: a cup of coffee on a table."""
CLIP = _ASSETS / "demo" / "clip.mp4"
"""A video of 5.3 seconds, 1280x720 pixels, 25 frames a second."""
GAZE = _ASSETS / "demo" / "gaze.csv"
"""Gaze on that clip at 200 Hz, as a gaze CSV."""


def photo() -> NDArray[np.uint8]:
    """Return the picture, RGB uint8 (400, 600, 3)."""
    return read_image(PHOTO)


def clip_camera() -> str:
    """Return the address that plays the clip as if it were a live scene camera, for `sam_edge.live`."""
    return f"file:{quote(CLIP.as_posix())}?gaze={quote(GAZE.as_posix())}"


def camera() -> str:
    """Return the address of this computer's first camera; where there is none, that of the clip."""
    with opencv_silenced():
        capture = cv2.VideoCapture(0)
        found = capture.isOpened()
        capture.release()
    return "webcam:0" if found else clip_camera()
