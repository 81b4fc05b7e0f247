"""Frames, one after the other, from a video file or a folder of images."""

from __future__ import annotations

import math
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError
from sam_edge.media.images import IMAGE_SUFFIXES, read_image
from sam_edge.media.mp4 import video_seconds
from sam_edge.media.wholeness import fault_of_video

FOLDER_FPS = 24.0
"""Frames a second of a folder of images, unless given."""
MAX_FPS = 1000.0
"""Highest frame rate that is taken for one."""

_Images = Generator[tuple[str, NDArray[np.uint8]], None, None]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a video. Frame i is shown from i/fps to (i+1)/fps seconds."""

    index: int
    """Number of the frame, from 0."""
    stem: str
    """Its name: the image file's without ending, or the index in five digits for a video."""
    time_ns: int
    """When it begins to be shown, nanoseconds after the first one."""
    image: NDArray[np.uint8]
    """uint8 RGB (H, W, 3), C-contiguous."""


class FrameReader:
    """Frames of one video, in order. A context manager and an iterator; made by `open_frames`.

    The first frame is read when it is opened, so that an unreadable or empty input fails at once.
    """

    def __init__(self, images: _Images, *, name: str, fps: float, count: int | None) -> None:
        """Read from `images` (stem, RGB image); see the properties for the rest."""
        self._images = images
        self._name = name
        self._fps = fps
        self._count = count
        self._index = 0
        self._waiting: tuple[str, NDArray[np.uint8]] | None = next(images)
        self._size = self._waiting[1].shape[:2]

    @property
    def name(self) -> str:
        """Name of the file or folder."""
        return self._name

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self._fps

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every frame, pixels."""
        return self._size[0], self._size[1]

    @property
    def count(self) -> int | None:
        """Number of frames: exact for a folder, the header's estimate for a video; None when it states none."""
        return self._count

    def __iter__(self) -> FrameReader:
        return self

    def __next__(self) -> Frame:
        """Return the next frame; raises `MediaError` when it cannot be read or has another size."""
        stem, image = self._waiting or next(self._images)
        self._waiting = None
        index = self._index
        if image.shape[:2] != self._size:
            raise MediaError(
                f"{self._name}: frame {index} ({stem}) is {_text(image.shape)} and the frames before it are "
                f"{_text(self._size)}; all frames of a video must have one size"
            )
        self._index += 1
        return Frame(index=index, stem=stem, time_ns=round(index * 1e9 / self._fps), image=image)

    def close(self) -> None:
        """Give back the file. Closing twice is allowed; a closed reader yields no more frames."""
        self._waiting = None
        self._images.close()

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_frames(path: str | Path, *, fps: float | None = None) -> FrameReader:
    """Open a video file, or a folder of images, to read its frames one after the other.

    A folder's images (jpg, jpeg, png, bmp, webp; see `read_image`) come in natural order of their names: 2
    before 10. Frames are taken to be evenly spaced in time. A video's rotation note is applied by OpenCV.

    Args:
        path: the file or folder.
        fps: frames a second; default the video's own, or 24 for a folder.

    Raises:
        MediaError: the path is missing, unreadable, damaged, cut off or empty, or `fps` is not in (0, 1000].
            Frames further on that cannot be read or have another size raise it when they are reached.
    """
    path = Path(path)
    if fps is not None and not _is_rate(fps):
        raise MediaError(f"fps is {fps!r}; accepted: above 0 and up to {MAX_FPS:g} frames a second")
    if path.is_dir():
        return _open_folder(path, FOLDER_FPS if fps is None else float(fps))
    if not path.exists():
        raise MediaError(f"{path}: no such video or folder of images; check the path")
    if not path.is_file():
        raise MediaError(f"{path}: is neither a file nor a folder; give a video file or a folder of images")
    return _open_video(path, fps)


def _open_folder(folder: Path, fps: float) -> FrameReader:
    try:
        files = [file for file in folder.iterdir() if _is_image_name(file) and file.is_file()]
    except OSError as error:
        raise MediaError(f"{folder}: the folder cannot be read ({error.strerror or error})") from error
    if not files:
        raise MediaError(f"{folder}: holds no images; accepted: {', '.join(s[1:] for s in IMAGE_SUFFIXES)}")
    files.sort(key=_natural)
    seen: dict[str, str] = {}
    for file in files:
        if file.stem in seen:
            raise MediaError(
                f"{folder}: {seen[file.stem]} and {file.name} are both frame {file.stem!r}; keep one of them"
            )
        seen[file.stem] = file.name
    return FrameReader(_folder_images(files), name=folder.resolve().name, fps=fps, count=len(files))


def _open_video(path: Path, fps: float | None) -> FrameReader:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise MediaError(f"{path}: is one image; give a video file or a folder of images")
    try:
        fault, seconds = fault_of_video(path), video_seconds(path)
    except OSError as error:
        raise MediaError(f"{path}: the video cannot be read ({error.strerror or error})") from error
    if fault is not None:
        raise MediaError(f"{path}: {fault}; copy or make the video again")
    capture = _capture(path)
    own_fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    rate = own_fps if fps is None else float(fps)
    if not _is_rate(rate):
        capture.release()
        raise MediaError(f"{path}: the video states {own_fps:g} frames a second; give its rate as fps")
    known = round(count) if math.isfinite(count) and 0 < count < 2**31 else None
    expected = None
    if known is not None and seconds is not None and _is_rate(own_fps):
        expected = known = max(1, min(known, round(seconds * own_fps)))
    return FrameReader(_video_images(path, capture, expected), name=path.name, fps=rate, count=known)


def _capture(path: Path) -> cv2.VideoCapture:
    has_ffmpeg = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)
    if not capture.isOpened():
        capture.release()
        raise MediaError(
            f"{path}: not a video that OpenCV can open, or damaged; accepted: mp4, mkv, webm, avi, ..."
        )
    return capture


def _folder_images(files: list[Path]) -> _Images:
    for file in files:
        yield file.stem, read_image(file)


def _video_images(path: Path, capture: cv2.VideoCapture, expected: int | None) -> _Images:
    """Yield the frames of a video; far fewer than `expected` mean that it is damaged. Releases `capture`."""
    index = 0
    try:
        while True:
            there, image = capture.read()
            if not there:
                break
            yield f"{index:05d}", np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            index += 1
    except cv2.error as error:
        raise MediaError(f"{path}: frame {index} cannot be decoded ({error.err})") from error
    finally:
        capture.release()
    if index == 0:
        raise MediaError(f"{path}: the video holds no frame that can be decoded")
    if expected is not None and index < 0.95 * expected - 3:
        raise MediaError(
            f"{path}: the video ends after {index} of {expected} frames: it is damaged; copy or make it again"
        )


def _is_image_name(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")


def _natural(file: Path) -> tuple[list[tuple[bool, int, str]], str]:
    parts = re.findall(r"\d+|\D+", file.stem)
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts], file.name


def _is_rate(fps: float) -> bool:
    return math.isfinite(fps) and 0 < fps <= MAX_FPS


def _text(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
