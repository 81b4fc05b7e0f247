"""A video and the gaze on it: two paths, or one recording that holds both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from sam_edge.errors import GazeDataError, InputError
from sam_edge.gaze import recordings
from sam_edge.gaze.recordings import GazeRecording
from sam_edge.gaze.recordings.files import Table, lines, open_binary
from sam_edge.media.images import IMAGE_SUFFIXES
from sam_edge.stream.recording import HEADER as SESSION_HEADER
from sam_edge.stream.recording import RecordedGaze, read_session_recording

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".mjpeg", ".m4v")
SCENE_VIDEOS = ("world.*", "scenevideo.*", "fullstream.*", "Neon Scene Camera*", "PI world*")
"""File names that trackers give the video of their scene camera; other videos in the folder show the eyes."""
GAZE_FILE = "gaze.csv"
"""Name of the gaze file in a user's own folder, next to its video."""


@dataclass(frozen=True, slots=True)
class GazeVideo:
    """A video with gaze."""

    video: Path
    """The video, or a folder of frames."""
    gaze: GazeRecording
    """The gaze, in pixels of the video's frames; times count from its first frame."""
    times_ns: tuple[int, ...] = ()
    """When each frame began, nanoseconds after the first one; empty for a constant frame rate."""


def open_gaze_video(path: Path, gaze: Path | None = None) -> GazeVideo:
    """Find the video and the gaze.

    Args:
        path: a video, a folder of frames, or a recording's folder with its scene video.
        gaze: the gaze, where `path` does not hold it: a CSV, any known recording, or a session's recording.

    Raises:
        InputError: there is no gaze, or no video.
        GazeDataError: the gaze cannot be read.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a recording's folder, or a video with --gaze")
    if gaze is not None:
        is_video = path.is_file() or _holds_frames(path)
        return GazeVideo(
            path if is_video else find_scene_video(path),
            read_gaze(gaze),
            () if is_video else read_frame_times(path),
        )
    if path.is_file() or _holds_frames(path):
        raise InputError(f"{path}: holds no gaze; give it with --gaze, or give the folder of a recording")
    return GazeVideo(find_scene_video(path), read_gaze(path), read_frame_times(path))


def read_gaze(path: Path) -> GazeRecording:
    """Read gaze from a known recording, a session's recording, or a folder with a `gaze.csv`.

    Raises:
        GazeDataError: the gaze cannot be read.
    """
    if path.is_dir() and (path / SESSION_HEADER).is_file():
        return _read_session_gaze(path)
    try:
        return recordings.read(path)
    except GazeDataError:
        if not path.is_dir() or not (path / GAZE_FILE).is_file():
            raise
        return recordings.read(path / GAZE_FILE)


def find_scene_video(folder: Path) -> Path:
    """Return the scene video in a recording's folder, or in the recording around an export's folder.

    Raises:
        InputError: there is none, or more than one.
    """
    places = [folder, folder.parent.parent] if folder.parent.name == "exports" else [folder]
    for place in places:
        videos = sorted(path for path in place.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
        scenes = [path for path in videos if any(path.match(pattern) for pattern in SCENE_VIDEOS)]
        choices = scenes or videos
        if len(choices) == 1:
            return choices[0]
        if choices:
            names = ", ".join(path.name for path in choices)
            raise InputError(f"{folder}: holds {names}; say which: give that video, and --gaze {folder}")
    is_session = (folder / SESSION_HEADER).is_file()
    problem = "a session's recording holds no pictures" if is_session else "no scene video"
    raise InputError(f"{folder}: {problem}; give the video, and --gaze {folder}")


def read_frame_times(folder: Path) -> tuple[int, ...]:
    """Return when each frame of a recording's scene video began, where the recording says it; else empty.

    Raises:
        GazeDataError: the file with the times is damaged.
    """
    timestamps = folder / "world_timestamps.csv"
    if timestamps.is_file():
        return _from_first(timestamps, _read_timestamps(timestamps))
    files = [path for pattern in SCENE_VIDEOS for path in folder.glob(f"{pattern}.time")]
    if len(files) == 1:
        return _from_first(files[0], np.fromfile(files[0], "<i8").tolist())
    return ()


def _read_session_gaze(path: Path) -> GazeRecording:
    session = read_session_recording(path)
    samples = [
        sample for entry in session.entries() if isinstance(entry, RecordedGaze) for sample in entry.samples
    ]
    begin_ns = next((frame.time_ns for frame in session.frames), 0)
    px_per_deg = session.options.get("px_per_deg")
    return recordings.make_recording(
        (replace(sample, time_ns=sample.time_ns - begin_ns) for sample in samples),
        path=path,
        format="session",
        px_per_deg=float(px_per_deg) if isinstance(px_per_deg, int | float) else None,
    )


def _read_timestamps(path: Path) -> list[int]:
    """Return the times of a `world_timestamps.csv` of Pupil Player or Pupil Cloud, nanoseconds."""
    with open_binary(path) as handle:
        table = Table(path, lines(path, handle))
        nanoseconds = table.find("timestamp [ns]")
        if nanoseconds is not None:
            return [_whole(table, row[nanoseconds], nanoseconds) for row in table.rows([nanoseconds])]
        column = table.index("# timestamps [seconds]", "timestamps [seconds]", "timestamp")
        return [table.time_ns(row[column], column) for row in table.rows([column])]


def _whole(table: Table, text: str, column: int) -> int:
    if not text.strip().isdecimal():
        raise table.error(column, text, "a whole number of nanoseconds")
    return int(text)


def _from_first(path: Path, times_ns: Sequence[int]) -> tuple[int, ...]:
    """Return times relative to the first one; refuse times that go back."""
    if any(after < before for before, after in pairwise(times_ns)):
        raise GazeDataError(f"{path}: times of frames go back; accepted: in order; copy the recording again")
    return tuple(time_ns - times_ns[0] for time_ns in times_ns)


def _holds_frames(path: Path) -> bool:
    """Say whether a folder is one of frames: it holds pictures, and no video."""
    if not path.is_dir():
        return False
    suffixes = {entry.suffix.lower() for entry in path.iterdir() if entry.is_file()}
    return bool(suffixes & set(IMAGE_SUFFIXES)) and not suffixes & set(VIDEO_SUFFIXES)
