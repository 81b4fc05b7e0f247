"""The frame size of a recording's scene video."""

from __future__ import annotations

from pathlib import Path

from sam_edge.errors import GazeDataError, MediaError
from sam_edge.media.video_frames import read_frame_size


def frame_size(path: Path) -> tuple[int, int]:
    """Return (height, width) in pixels of a video's frames. Raises `GazeDataError`."""
    try:
        return read_frame_size(path)
    except MediaError as error:
        raise GazeDataError(f"{error} (its size turns gaze positions into pixels)") from error
