"""Images and video in and out, what is drawn on frames, and progress on the terminal."""

from typing import TYPE_CHECKING

from sam_edge.lazy_names import import_lazy_name

if TYPE_CHECKING:
    from sam_edge.media.caption import CORNERS, Corner, choose_corner
    from sam_edge.media.frame_reader import FrameReader, VideoFrame
    from sam_edge.media.frames import open_frames
    from sam_edge.media.images import IMAGE_SUFFIXES, read_image, write_png
    from sam_edge.media.mask_folder import MaskFolderWriter
    from sam_edge.media.overlay import draw_selection
    from sam_edge.media.progress import ProgressBar
    from sam_edge.media.video_writer import VIDEO_CODECS, VideoWriter

__all__ = [
    "CORNERS",
    "IMAGE_SUFFIXES",
    "VIDEO_CODECS",
    "Corner",
    "FrameReader",
    "MaskFolderWriter",
    "ProgressBar",
    "VideoFrame",
    "VideoWriter",
    "choose_corner",
    "draw_selection",
    "open_frames",
    "read_image",
    "write_png",
]

_LAZY = {
    "CORNERS": "sam_edge.media.caption:CORNERS",
    "Corner": "sam_edge.media.caption:Corner",
    "FrameReader": "sam_edge.media.frame_reader:FrameReader",
    "IMAGE_SUFFIXES": "sam_edge.media.images:IMAGE_SUFFIXES",
    "MaskFolderWriter": "sam_edge.media.mask_folder:MaskFolderWriter",
    "ProgressBar": "sam_edge.media.progress:ProgressBar",
    "VIDEO_CODECS": "sam_edge.media.video_writer:VIDEO_CODECS",
    "VideoFrame": "sam_edge.media.frame_reader:VideoFrame",
    "VideoWriter": "sam_edge.media.video_writer:VideoWriter",
    "choose_corner": "sam_edge.media.caption:choose_corner",
    "draw_selection": "sam_edge.media.overlay:draw_selection",
    "open_frames": "sam_edge.media.frames:open_frames",
    "read_image": "sam_edge.media.images:read_image",
    "write_png": "sam_edge.media.images:write_png",
}
"""Names that are imported on first use, as `module:name`: reading an image needs no video."""


def __getattr__(name: str) -> object:
    """Import a name of `_LAZY` on first use."""
    return import_lazy_name(__name__, _LAZY, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
