"""The scene video in a recording's folder."""

from __future__ import annotations

from pathlib import Path

from sam_edge.errors import InputError
from sam_edge.media.images import IMAGE_SUFFIXES

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".mjpeg", ".m4v")
"""File name endings of videos, in lower case."""
SCENE_VIDEOS = ("world.*", "scenevideo.*", "fullstream.*", "Neon Scene Camera*", "PI world*")
"""File names that trackers give the video of their scene camera; other videos in the folder show the eyes."""


def find_scene_video(folder: Path) -> Path:
    """Return the scene video in a recording's folder, in its segment's folder, or in the recording around an export.

    Raises:
        InputError: there is none, or more than one.
    """
    for place in places(folder):
        videos = scene_videos(place)
        if len(videos) == 1:
            return videos[0]
        if videos:
            names = ", ".join(path.name for path in videos)
            raise InputError(f"{folder}: holds {names}; say which: give that video, and --gaze {folder}")
    raise InputError(f"{folder}: no scene video; give the video, and --gaze {folder}")


def places(folder: Path) -> list[Path]:
    """Return the folders in which the scene video of a recording may be, likely ones first."""
    found = [folder]
    if folder.parent.name == "exports":
        found.append(folder.parent.parent)
    # The recorder of Tobii Pro Glasses 2 has a folder for each segment of a recording.
    if (folder / "segments" / "1").is_dir():
        found.append(folder / "segments" / "1")
    return found


def scene_videos(folder: Path) -> list[Path]:
    """Return the videos in a folder that carry a scene camera's name; all videos where none does."""
    videos = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    return [path for path in videos if any(path.match(pattern) for pattern in SCENE_VIDEOS)] or videos


def holds_frames(path: Path) -> bool:
    """Say whether a folder is one of frames: it holds images, and no video."""
    if not path.is_dir():
        return False
    suffixes = {entry.suffix.lower() for entry in path.iterdir() if entry.is_file()}
    return bool(suffixes & set(IMAGE_SUFFIXES)) and not suffixes & set(VIDEO_SUFFIXES)
