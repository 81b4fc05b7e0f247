"""Frames from a video file, decoded by OpenCV."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np

from sam_edge.errors import MediaError
from sam_edge.media.frame_reader import MAX_FPS, FrameReader, VideoFrame
from sam_edge.media.images import IMAGE_SUFFIXES
from sam_edge.media.integrity import find_video_fault
from sam_edge.media.mp4 import read_video_duration_s


def open_video(path: Path, fps: float | None) -> FrameReader:
    """Open a video file; `fps` (frames a second) replaces the rate that the file states.

    Raises:
        MediaError: the file is an image, unreadable, damaged or truncated, or states no usable frame rate.
    """
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise MediaError(f"{path}: is one image; give a video file or a folder of images")
    try:
        fault, duration_s = find_video_fault(path), read_video_duration_s(path)
    except OSError as error:
        raise MediaError(f"{path}: the video cannot be read ({error.strerror or error})") from error
    if fault is not None:
        raise MediaError(f"{path}: {fault}; copy or make the video again")
    capture = _open_capture(path)
    stated_fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    rate = stated_fps if fps is None else float(fps)
    if not _is_rate(rate):
        capture.release()
        raise MediaError(f"{path}: the video states {stated_fps:g} frames a second; give its rate as fps")
    known_count = round(count) if math.isfinite(count) and 0 < count < 2**31 else None
    expected_count = None
    if known_count is not None and duration_s is not None and _is_rate(stated_fps):
        expected_count = known_count = max(1, min(known_count, round(duration_s * stated_fps)))
    frames = _decode_frames(path, capture, rate, expected_count)
    return FrameReader(frames, name=path.name, fps=rate, count=known_count)


def _open_capture(path: Path) -> cv2.VideoCapture:
    has_ffmpeg = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)
    if not capture.isOpened():
        capture.release()
        raise MediaError(
            f"{path}: not a video that OpenCV can open, or damaged; accepted: mp4, mkv, webm, avi, ..."
        )
    return capture


def _decode_frames(
    path: Path, capture: cv2.VideoCapture, fps: float, expected_count: int | None
) -> Generator[VideoFrame, None, None]:
    """Yield the frames of a video, and release `capture`. Far fewer than `expected_count` mean a damaged file."""
    index = 0
    try:
        while True:
            success, bgr = capture.read()
            if not success:
                break
            image = np.ascontiguousarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            yield VideoFrame(index, f"{index:05d}", round(index * 1e9 / fps), image)
            index += 1
    except cv2.error as error:
        raise MediaError(f"{path}: frame {index} cannot be decoded ({error.err})") from error
    finally:
        capture.release()
    if index == 0:
        raise MediaError(f"{path}: the video holds no frame that can be decoded")
    if expected_count is not None and index < 0.95 * expected_count - 3:
        raise MediaError(
            f"{path}: the video ends after {index} of {expected_count} frames: it is damaged; copy or make it again"
        )


def _is_rate(fps: float) -> bool:
    return math.isfinite(fps) and 0 < fps <= MAX_FPS
