"""Open a video file or a folder of images as a sequence of frames."""

from __future__ import annotations

import math
from pathlib import Path

from sam_edge.errors import MediaError
from sam_edge.media.folder_frames import open_folder
from sam_edge.media.frame_reader import MAX_FPS, FrameReader, VideoFrame
from sam_edge.media.video_frames import open_video

__all__ = ["FOLDER_FPS", "MAX_FPS", "FrameReader", "VideoFrame", "open_frames"]

FOLDER_FPS = 24.0
"""Frames a second of a folder of images, unless `fps` is given."""


def open_frames(path: str | Path, *, fps: float | None = None) -> FrameReader:
    """Open a video file or a folder of images, to read its frames in order.

    The images of a folder (jpg, jpeg, png, bmp, webp; see `read_image`) come in the natural order of their names: 2
    before 10. Frames are evenly spaced in time: frame i is shown from i / fps to (i + 1) / fps seconds. The rotation
    that a video's header states is applied.

    Args:
        path: the file or folder.
        fps: frames a second; default: the video's own rate, or 24 for a folder.

    Raises:
        MediaError: the path is missing, unreadable, damaged, truncated or empty, or `fps` is not in (0, 1000]. A later
            frame that cannot be read or has another size raises it when it is reached.
    """
    path = Path(path)
    if fps is not None and not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise MediaError(f"fps is {fps!r}; accepted: above 0 and up to {MAX_FPS:g} frames a second")
    if path.is_dir():
        return open_folder(path, FOLDER_FPS if fps is None else float(fps))
    if not path.exists():
        raise MediaError(f"{path}: no such video or folder of images; check the path")
    if not path.is_file():
        raise MediaError(f"{path}: is neither a file nor a folder; give a video file or a folder of images")
    return open_video(path, fps)
