"""Frames of a camera that is connected to this computer: it may start slowly, lose a frame, or be unplugged.

Rates that cameras state are not used: many state 0 or 1000 frames/s. A frame's time is when it came.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError
from sam_edge.media.opencv_log import opencv_silenced

FIRST_FRAME_S = 2.0
"""A camera may take this long to its first frame, seconds; then it is opened once more without compression."""
LOST_S = 1.5
"""A camera that has sent nothing for this long is gone, seconds."""
_RETRY_S = 0.02
_SIZE = (720, 1280)


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """One image of a camera."""

    image: NDArray[np.uint8]
    """RGB uint8 (H, W, 3)."""
    time_ns: int
    """Host time, monotonic nanoseconds: when it came from the camera, or is due in a video."""


def read_camera(
    camera: int, stopping: threading.Event | None = None, *, size: tuple[int, int] | None = None
) -> Iterator[CameraFrame]:
    """Yield the frames of camera number `camera` as they come.

    Asks for Motion JPEG: USB cameras send large frames uncompressed at 5 to 10 a second. Reads that fail are repeated:
    a single lost frame costs nothing.

    Args:
        camera: its number, from 0.
        stopping: ends the iteration when it is set.
        size: (height, width) to ask for; None asks for 1280x720. The camera decides.

    Raises:
        MediaError: there is no such camera, or it has sent nothing for 1.5 s.
    """
    stopping = stopping or threading.Event()
    came = False
    for compressed in (True, False):
        with opencv_silenced():
            capture = cv2.VideoCapture(camera)
        try:
            if not capture.isOpened():
                break
            _configure(capture, size or _SIZE, compressed=compressed)
            for frame in _read(capture, stopping):
                came = True
                yield frame
        finally:
            capture.release()
        if came or stopping.is_set():
            break
    if not stopping.is_set():
        problem = "it stopped sending images" if came else "there is none, or another program uses it"
        raise MediaError(
            f"camera {camera}: {problem}; check with another camera number, and that programs may use the camera"
        )


def _configure(capture: cv2.VideoCapture, size: tuple[int, int], *, compressed: bool) -> None:
    # The format counts before the size: drivers pick the rate when the size is set.
    if compressed:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[1])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[0])
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)


def _read(capture: cv2.VideoCapture, stopping: threading.Event) -> Iterator[CameraFrame]:
    """Yield frames until none has come for a while."""
    patience_s = FIRST_FRAME_S
    last_s = time.monotonic()
    while not stopping.is_set():
        with opencv_silenced():
            there, image = capture.read()
        now_ns = time.monotonic_ns()
        if there:
            patience_s, last_s = LOST_S, now_ns / 1e9
            yield CameraFrame(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), now_ns)
            last_s = time.monotonic()
        elif now_ns / 1e9 - last_s >= patience_s:
            return
        else:
            stopping.wait(_RETRY_S)
