"""When the frames of a scene video were taken, as its recording states it.

Pupil Core and Pupil Cloud export `world_timestamps.csv`; Pupil Core records `world_timestamps.npy` (seconds); Neon and
Invisible record a `.time` file for each video (int64 nanoseconds). The recordings of Tobii Pro Glasses 2 and 3 state no
times of frames: their gaze is timed by the clock of the video file.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import GazeDataError, SamEdgeWarning
from sam_edge.gaze.recordings.clock_jumps import FORWARD_NS, find_jumps, join_at_jumps
from sam_edge.gaze.recordings.world_timestamps import FILE_NAME, read_world_timestamps
from sam_edge.gaze_video.scene_video import places, scene_videos

ARRAY = "world_timestamps.npy"
"""File name of Pupil Core's frame times in its own recordings."""


@dataclass(frozen=True, slots=True)
class RecordedTimes:
    """When each frame of a scene video was taken, as a recording states it."""

    path: Path
    """The file that states it."""
    times_ns: tuple[int, ...]
    """Nanoseconds on the recording's own clock."""

    @property
    def begin_ns(self) -> int:
        """When the first frame was taken, nanoseconds on the recording's own clock."""
        return self.times_ns[0]

    def from_first(self, *, leaps: bool = False) -> tuple[int, ...]:
        """Return the times in nanoseconds after the first frame; they never fall.

        Where the clock jumped, the parts before and after follow one another as in `join_at_jumps`, with a
        `SamEdgeWarning`.

        Args:
            leaps: a leap ahead is a jump of the clock, because that of the gaze leapt as well; else the camera paused.
        """
        jumps = find_jumps(self.times_ns, frames=True, forward_ns=FORWARD_NS if leaps else None)
        if jumps:
            first = jumps[0]
            way = "goes back" if first.step_s < 0 else "leaps ahead"
            more = f", and jumps {len(jumps) - 1} more times" if len(jumps) > 1 else ""
            warnings.warn(
                f"{self.path}: the clock of the frames {way} by {abs(first.step_s):.3f} s at frame {first.index} "
                f"({(first.before_ns - self.begin_ns) / 1e9:.3f} s after the first){more}; the recording is split "
                "there, and its parts are put one after the other; check what is selected after it",
                SamEdgeWarning,
                stacklevel=4,
            )
        joined = join_at_jumps(self.times_ns, jumps)
        return tuple((joined - joined[0]).tolist())


def times_of_video(video: Path) -> RecordedTimes | None:
    """Return the frame times that stand next to a video and belong to it; None where there are none.

    Raises:
        GazeDataError: the file with the times is damaged.
    """
    own = video.with_suffix(".time")
    if own.is_file():
        return _read_array(own, np.fromfile(own, "<i8"))
    if video.is_file() and [path.name for path in scene_videos(video.parent)] == [video.name]:
        return _times_in(video.parent)
    return None


def times_of_recording(folder: Path) -> RecordedTimes | None:
    """Return the frame times of a recording's scene video, whichever of its videos that is; None where it has none.

    Raises:
        GazeDataError: the file with the times is damaged.
    """
    for place in places(folder):
        times = _times_in(place)
        if times is not None:
            return times
        videos = scene_videos(place)
        if len(videos) == 1:
            return times_of_video(videos[0])
    files = sorted(folder.glob("Neon Scene Camera*.time")) or sorted(folder.glob("PI world*.time"))
    return _read_array(files[0], np.fromfile(files[0], "<i8")) if len(files) == 1 else None


def _times_in(folder: Path) -> RecordedTimes | None:
    if (folder / FILE_NAME).is_file():
        times = read_world_timestamps(folder / FILE_NAME)
        return RecordedTimes(folder / FILE_NAME, tuple(times)) if times else None
    if (folder / ARRAY).is_file():
        return _read_seconds(folder / ARRAY)
    return None


def _read_seconds(path: Path) -> RecordedTimes | None:
    try:
        seconds = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise GazeDataError(f"{path}: cannot be read ({error}); copy the recording again") from error
    if seconds.ndim != 1 or seconds.dtype.kind != "f" or not np.isfinite(seconds).all():
        raise GazeDataError(f"{path}: accepted: a list of finite times in seconds; copy the recording again")
    return _read_array(path, np.rint(seconds.astype(np.float64) * 1e9).astype(np.int64))


def _read_array(path: Path, times_ns: NDArray[np.int64]) -> RecordedTimes | None:
    return RecordedTimes(path, tuple(times_ns.tolist())) if len(times_ns) else None
