"""A video and the gaze on it, found for every command: scene video, gaze, and the times of the video's frames.

A recording's folder is opened, or a video with its gaze:

    from sam_edge.gaze_video import open_gaze_video

    source = open_gaze_video("exports/000")                # or open_gaze_video("video.mp4", "gaze.csv")
    with source.open_frames() as frames:
        ...
"""

from sam_edge.gaze_video.frame_times import RecordedTimes
from sam_edge.gaze_video.gaze_video import (
    GazeVideo,
    attach_gaze,
    open_gaze_video,
    open_video,
    read_gaze,
    recognise_gaze,
)
from sam_edge.gaze_video.scene_video import VIDEO_SUFFIXES, find_scene_video, holds_frames

__all__ = [
    "VIDEO_SUFFIXES",
    "GazeVideo",
    "RecordedTimes",
    "attach_gaze",
    "find_scene_video",
    "holds_frames",
    "open_gaze_video",
    "open_video",
    "read_gaze",
    "recognise_gaze",
]
