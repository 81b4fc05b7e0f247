"""Frames of a camera or a video file, each with its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import TrackerError
from sam_edge.gaze.clocks import host_now_ns

_DEFAULT_FPS = 30.0
_SIZES = ((720, 1280), (480, 640))


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """One image of the person."""

    image: NDArray[np.uint8]
    """RGB (H, W, 3)."""
    time_ns: int
    """Host time, monotonic nanoseconds: when it came from the camera, or is due in the video."""


def camera_frames(
    camera: int, stopping: threading.Event, *, size: tuple[int, int] | None = None
) -> Iterator[CameraFrame]:
    """Give the frames of camera number `camera` as they come, until `stopping` is set.

    `size` is (height, width); without it, 1280x720 where the camera has it: irises are small. Raises `TrackerError`.
    """
    capture = cv2.VideoCapture(camera)
    try:
        height, width = size or _SIZES[0]
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        came = False
        while not stopping.is_set():
            there, image = capture.read()
            now_ns = host_now_ns()
            if not there:
                problem = "it stopped sending images" if came else "there is none, or another program uses it"
                raise TrackerError(
                    f"camera {camera}: {problem}; check with another camera number, as in webcam:1, and that programs "
                    "may use the camera"
                )
            came = True
            yield CameraFrame(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), now_ns)
    finally:
        capture.release()


def video_frames(path: Path, stopping: threading.Event, *, paced: bool = True) -> Iterator[CameraFrame]:
    """Give the frames of a video of the person in their own time, or as fast as they are taken when not `paced`.

    Times run at the video's rate either way. Raises `TrackerError` when it cannot be opened.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise TrackerError(
                f"{path}: no video that can be opened; accepted: a file that OpenCV reads, as MP4"
            )
        fps = capture.get(cv2.CAP_PROP_FPS) or _DEFAULT_FPS
        begun_ns, index = host_now_ns(), 0
        while not stopping.is_set():
            there, image = capture.read()
            if not there:
                return
            due_ns = begun_ns + round(index * 1e9 / fps)
            index += 1
            if paced and stopping.wait(max(0.0, (due_ns - host_now_ns()) / 1e9)):
                return
            yield CameraFrame(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), due_ns)
    finally:
        capture.release()
