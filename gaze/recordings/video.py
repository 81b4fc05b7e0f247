"""The frame size of a recording's scene video."""

from __future__ import annotations

from pathlib import Path

from sam_edge.errors import GazeDataError


def frame_size(path: Path) -> tuple[int, int]:
    """Return (height, width) in pixels of a video's frames. Raises `GazeDataError`."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    try:
        size = (int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
    finally:
        capture.release()
    if size[0] <= 0 or size[1] <= 0:
        raise GazeDataError(f"{path}: not a video that can be opened; copy the recording again")
    return size
