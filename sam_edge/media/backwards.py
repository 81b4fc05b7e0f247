"""The frames of a video from a later one to the first one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.media.frame_reader import FrameReader, VideoFrame

PART_FRAMES = 120
"""Frames that are decoded at once, and kept compressed."""
JPEG_QUALITY = 95


def read_backwards(reader: FrameReader, last: int) -> Iterator[VideoFrame]:
    """Yield the frames from number `last` down to the first one. Their images went through JPEG of high quality.

    Args:
        reader: of the video; it stays where it is.
        last: number of the first frame that is yielded.

    Raises:
        MediaError: a frame cannot be read.
    """
    begin = last + 1
    while begin > 0:
        end, begin = begin, max(0, begin - PART_FRAMES)
        part: list[tuple[VideoFrame, NDArray[np.uint8]]] = []
        with reader.reopen(begin) as frames:
            for frame in frames:
                if frame.index >= end:
                    break
                part.append((replace(frame, image=frame.image[:0]), _pack(frame.image)))
        while part:
            frame, packed = part.pop()
            yield replace(frame, image=_unpack(packed))


def _pack(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return np.asarray(data, np.uint8)


def _unpack(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
