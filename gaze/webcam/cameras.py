"""Frames of a camera or a video file, each with its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from sam_edge.errors import MediaError, TrackerError
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.media.camera import CameraFrame, read_camera
from sam_edge.media.frames import open_frames

__all__ = ["CameraFrame", "camera_frames", "video_frames"]


def camera_frames(
    camera: int, stopping: threading.Event, *, size: tuple[int, int] | None = None
) -> Iterator[CameraFrame]:
    """Give the frames of camera number `camera` as they come, until `stopping` is set.

    `size` is (height, width); without it, 1280x720 where the camera has it: irises are small. Raises `TrackerError`.
    """
    try:
        yield from read_camera(camera, stopping, size=size)
    except MediaError as error:
        raise TrackerError(
            str(error).replace("another camera number", "another camera number, as in webcam:1")
        ) from error


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
