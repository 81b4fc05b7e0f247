"""What is annotated: a video and gaze, given as two paths, or as one recording that holds both."""

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
from sam_edge.stream.recording import HEADER as SESSION
from sam_edge.stream.recording import RecordedGaze, read_recording

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".mjpeg", ".m4v")
SCENES = ("world.*", "scenevideo.*", "fullstream.*", "Neon Scene Camera*", "PI world*")
"""What trackers call the video of their scene camera, beside those of the eyes."""
OWN_GAZE = "gaze.csv"
"""Gaze in a folder of one's own, beside its video."""


@dataclass(frozen=True, slots=True)
class Source:
    """A video, and where a person looked in it."""

    video: Path
    """The video, or a folder of frames."""
    gaze: GazeRecording
    """The gaze."""
    times_ns: tuple[int, ...] = ()
    """When each frame began, nanoseconds after the first one; empty where frames come evenly."""


def open_source(path: Path, gaze: Path | None = None) -> Source:
    """Find video and gaze.

    Args:
        path: a video, a folder of frames, or a recording's folder with its scene video.
        gaze: the gaze, where `path` does not hold it: a CSV, any known recording, or a session's recording.

    Raises:
        InputError: there is no gaze, or no video.
        GazeDataError: the gaze cannot be understood.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a recording's folder, or a video with --gaze")
    if gaze is not None:
        whole = path.is_file() or _holds_frames(path)
        return Source(path if whole else scene_of(path), gaze_of(gaze), () if whole else frame_times(path))
    if path.is_file() or _holds_frames(path):
        raise InputError(f"{path}: holds no gaze; give it with --gaze, or give the folder of a recording")
    return Source(scene_of(path), gaze_of(path), frame_times(path))


def gaze_of(path: Path) -> GazeRecording:
    """Read gaze: a known recording, one of a session, or a folder with a `gaze.csv`."""
    if path.is_dir() and (path / SESSION).is_file():
        session = read_recording(path)
        samples = [
            one for entry in session.entries() if isinstance(entry, RecordedGaze) for one in entry.samples
        ]
        begin_ns = next((frame.time_ns for frame in session.frames), 0)
        stated = session.options.get("px_per_deg")
        moved = (replace(one, time_ns=one.time_ns - begin_ns) for one in samples)
        return recordings.make_recording(
            moved,
            path=path,
            format="session",
            px_per_deg=float(stated) if isinstance(stated, int | float) else None,
        )
    try:
        return recordings.read(path)
    except GazeDataError:
        if not path.is_dir() or not (path / OWN_GAZE).is_file():
            raise
        return recordings.read(path / OWN_GAZE)


def scene_of(folder: Path) -> Path:
    """Return the scene camera's video of a recording's folder, or of the one that an export of it lies in.

    Raises:
        InputError: there is none, or more than one.
    """
    places = [folder, folder.parent.parent] if folder.parent.name == "exports" else [folder]
    for place in places:
        videos = sorted(one for one in place.iterdir() if one.suffix.lower() in VIDEO_SUFFIXES)
        named = [one for one in videos if any(one.match(name) for name in SCENES)]
        found = named or videos
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(one.name for one in found)
            raise InputError(f"{folder}: holds {names}; say which: give that video, and --gaze {folder}")
    what = "a session's recording holds no pictures" if (folder / SESSION).is_file() else "no scene video"
    raise InputError(f"{folder}: {what}; give the video, and --gaze {folder}")


def frame_times(folder: Path) -> tuple[int, ...]:
    """Return when each frame of a recording's scene video began, where the recording says it.

    Raises:
        GazeDataError: what says it is damaged.
    """
    stamps = folder / "world_timestamps.csv"
    if stamps.is_file():
        return _risen(stamps, _from_table(stamps))
    found = [one for name in SCENES for one in folder.glob(f"{name}.time")]
    if len(found) == 1:
        return _risen(found[0], np.fromfile(found[0], "<i8").tolist())
    return ()


def _from_table(path: Path) -> list[int]:
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


def _risen(path: Path, times_ns: Sequence[int]) -> tuple[int, ...]:
    if any(after < before for before, after in pairwise(times_ns)):
        raise GazeDataError(f"{path}: times of frames go back; accepted: in order; copy the recording again")
    return tuple(one - times_ns[0] for one in times_ns)


def _holds_frames(path: Path) -> bool:
    """Say whether a folder is one of frames: it holds pictures, and no video."""
    if not path.is_dir():
        return False
    suffixes = {one.suffix.lower() for one in path.iterdir() if one.is_file()}
    return bool(suffixes & set(IMAGE_SUFFIXES)) and not suffixes & set(VIDEO_SUFFIXES)
