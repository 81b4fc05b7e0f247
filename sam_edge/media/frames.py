"""Open a video file or a folder of images as a sequence of frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sam_edge.errors import MediaError
from sam_edge.media.folder_frames import FOLDER_FPS, open_folder
from sam_edge.media.frame_reader import FrameReader, VideoFrame
from sam_edge.media.frame_times import MAX_FPS, check_fps
from sam_edge.media.images import check_value_range
from sam_edge.media.pixels import ValueRange
from sam_edge.media.video_frames import open_video
from sam_edge.media.video_index import VideoIndex

__all__ = ["FOLDER_FPS", "MAX_FPS", "FrameReader", "VideoFrame", "open_frames"]


def open_frames(
    path: str | Path,
    *,
    fps: float | None = None,
    recorded_ns: Sequence[int] = (),
    index: VideoIndex | None = None,
    value_range: ValueRange | None = None,
) -> FrameReader:
    """Open a video file or a folder of images, to read its frames in order, each at its true time.

    The images of a folder (jpg, jpeg, png, bmp, webp; see `read_image`) come in the natural order of their names: 2
    before 10. They are evenly spaced in time. The frames of a video come at the presentation times that the container
    states, rotated and mirrored as players show them.

    Args:
        path: the file or folder.
        fps: frames a second, evenly spaced; default: the file's own times, or 24 frames a second for a folder. A
            `SamEdgeWarning` says where it differs from the file's own times by more than 1 %.
        recorded_ns: when each frame was taken, nanoseconds, where a recording states it: counts before the file's own
            times. Times are given from the first one.
        index: what `index_video` returned for this file, so that it need not be read twice; None reads it.
        value_range: for a folder of images of more than 8 bits, the stored values that become black and white on every
            frame; None finds those of each frame.

    Raises:
        MediaError: the path is missing, unreadable, damaged, truncated or empty, states no times (give `fps`), or `fps`
            is not in (0, 1000]; or `value_range` is given for a video. A later frame that has another size raises it
            when it is reached.
    """
    path = Path(path)
    check_fps(fps)
    check_value_range(value_range)
    if path.is_dir():
        return open_folder(path, fps=fps, recorded_ns=recorded_ns, value_range=value_range)
    if not path.exists():
        raise MediaError(f"{path}: no such video or folder of images; check the path")
    if not path.is_file():
        raise MediaError(f"{path}: is neither a file nor a folder; give a video file or a folder of images")
    if value_range is not None:
        raise MediaError(
            f"value_range is {value_range}; accepted for a folder of images, and {path.name} is a video: write its "
            "frames to 16-bit images first, or leave it out"
        )
    return open_video(path, fps=fps, recorded_ns=recorded_ns, index=index)
