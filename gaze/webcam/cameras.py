"""Frames of a camera or a video file, each with its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError, TrackerError
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.media.frames import open_frames

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


def video_frames(
    path: Path, stopping: threading.Event, *, paced: bool = True, fps: float | None = None
) -> Iterator[CameraFrame]:
    """Yield the frames of a video of the person, each when it is due, or as fast as they are taken when not `paced`.

    Args:
        path: the video, or a folder of frames.
        stopping: ends the iteration when it is set.
        paced: wait until each frame is due. Times are those of the video either way.
        fps: frames a second, evenly spaced; None: the times that the video states.

    Raises:
        TrackerError: the video cannot be read.
    """
    try:
        with open_frames(path, fps=fps) as reader:
            begin_ns = host_now_ns()
            for frame in reader:
                due_ns = begin_ns + frame.time_ns
                if paced and stopping.wait(max(0.0, (due_ns - host_now_ns()) / 1e9)):
                    return
                if stopping.is_set():
                    return
                yield CameraFrame(frame.image, due_ns)
    except MediaError as error:
        raise TrackerError(str(error).replace("fps (--fps)", "fps, as in webcam:FILE?fps=30")) from error
