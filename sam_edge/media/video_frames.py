"""Frames from a video file, each at its true time."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path

from sam_edge.errors import MediaError
from sam_edge.media.frame_reader import FrameReader, VideoFrame
from sam_edge.media.frame_times import FrameTimes, choose_times
from sam_edge.media.image_decoder import is_still_image
from sam_edge.media.video_decoder import decode_video
from sam_edge.media.video_index import VideoIndex, index_video


def open_video(
    path: Path,
    *,
    fps: float | None = None,
    recorded_ns: Sequence[int] = (),
    index: VideoIndex | None = None,
) -> FrameReader:
    """Open a video file; see `open_frames` for which times count, and for `index`.

    Raises:
        MediaError: the file is an image, no video, damaged, truncated, or states no usable times.
    """
    if is_still_image(path):
        raise MediaError(f"{path}: is one image; give a video file or a folder of images")
    index = index or index_video(path)
    times = choose_times(path.name, count=index.count, own=index.times, fps=fps, recorded_ns=recorded_ns)
    return FrameReader(partial(_read_frames, index, times), name=path.name, times=times)


def read_frame_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of a video's frames as they are shown, pixels. Raises `MediaError`."""
    frames = decode_video(VideoIndex(path, count=1, times=None))
    _, image = next(frames)
    frames.close()
    return image.shape[0], image.shape[1]


def _read_frames(index: VideoIndex, times: FrameTimes, first: int) -> Generator[VideoFrame, None, None]:
    for number, image in decode_video(index, first):
        if number >= len(times):
            return
        begin_ns, end_ns = times.interval(number)
        yield VideoFrame(number, f"{number:05d}", begin_ns, end_ns, image)
