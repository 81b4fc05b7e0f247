"""Images and video in and out, what is drawn on frames, and progress on the terminal."""

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
