"""Write frames to a video file. The file appears when all of them are written."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError
from sam_edge.media.atomic import make_parent, partial_path, write_error
from sam_edge.media.integrity import find_video_fault

VIDEO_CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
"""Code of the video codec for each ending: those that every opencv-python wheel can write.

H.264 is not among them. Browsers play the `.webm`; desktop players play all of them.
"""


class VideoWriter:
    """Writes RGB frames to a video file that appears when all are written.

    The ending chooses the format, see `VIDEO_CODECS`. Codecs want even sides: where a side of `size` is odd, the
    video is one pixel larger and the last row or column is repeated. A context manager: leaving it with an
    exception, or without a frame, leaves nothing under the final name.
    """

    def __init__(self, path: str | Path, fps: float, size: tuple[int, int]) -> None:
        """Write to `path` at `fps` frames a second, frames of `size` (height, width).

        Raises `MediaError` for an ending that is not known, or an `fps` or `size` that is not positive.
        """
        self._path = Path(path)
        self._fps = fps
        self._size = size
        self._count = 0
        self._writer: cv2.VideoWriter | None = None
        if self._path.suffix.lower() not in VIDEO_CODECS:
            raise MediaError(f"{path}: ends in {self._path.suffix!r}; accepted: {', '.join(VIDEO_CODECS)}")
        if self._path.is_dir():
            raise MediaError(f"{path}: is a folder; give the name of a video file")
        if not 0 < fps < float("inf"):
            raise MediaError(f"fps is {fps!r}; accepted: above 0")
        if min(size) < 1:
            raise MediaError(f"size is {size}; accepted: (height, width), each at least 1")
        self._part = partial_path(self._path)

    def __enter__(self) -> VideoWriter:
        make_parent(self._path)
        height, width = (side + side % 2 for side in self._size)
        code = VIDEO_CODECS[self._path.suffix.lower()]
        self._writer = cv2.VideoWriter(
            str(self._part.resolve()), cv2.VideoWriter.fourcc(*code), self._fps, (width, height)
        )
        if not self._writer.isOpened():
            self._discard()
            raise MediaError(
                f"{self._path}: OpenCV cannot write {code} video of {width}x{height} at {self._fps:g} frames a "
                f"second there; try another ending ({', '.join(VIDEO_CODECS)}) or check the folder's permissions"
            )
        return self

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append one frame, uint8 RGB (H, W, 3). Raises `MediaError` for another size or dtype."""
        if self._writer is None:
            raise MediaError(f"{self._path}: the video is not open; write inside the `with` block")
        if image.dtype != np.uint8 or image.shape != (*self._size, 3):
            raise MediaError(
                f"frame {self._count} is {image.dtype} {image.shape}; accepted: uint8 {(*self._size, 3)}"
            )
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        height, width = self._size
        if height % 2 or width % 2:
            bgr = cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        self._writer.write(bgr)
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._writer is not None:
                self._writer.release()
            if kind is None:
                self._publish()
        finally:
            self._discard()

    def _publish(self) -> None:
        if self._count == 0:
            raise MediaError(f"{self._path}: no frame was written; a video needs at least one")
        try:
            # cv2.VideoWriter does not report a full disk: only looking at the result tells.
            if find_video_fault(self._part) is not None or not _can_be_read(self._part):
                raise MediaError(f"{self._path}: not all frames could be written; is the disk full?")
            self._part.replace(self._path)
        except OSError as error:
            raise write_error(self._path, error) from error

    def _discard(self) -> None:
        self._writer = None
        self._part.unlink(missing_ok=True)


def _can_be_read(path: Path) -> bool:
    capture = cv2.VideoCapture(str(path.resolve()))
    try:
        return capture.isOpened() and capture.read()[0]
    finally:
        capture.release()
