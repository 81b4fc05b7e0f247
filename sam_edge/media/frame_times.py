"""When the frames of a video are shown, and which of several statements about it counts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import MediaError, SamEdgeWarning

NS = 1_000_000_000
MAX_FPS = 1000.0
"""Highest accepted mean frame rate, frames a second."""
FPS_TOLERANCE = 0.01
"""A rate that the caller gives may differ from the file's own times by this share without a warning."""
COUNT_TOLERANCE_FRAMES, COUNT_TOLERANCE = 3, 0.02
"""A recording may state this many frame times more or fewer than its video has frames: the larger of both, as a number
and as a share."""


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """When each frame of a video begins and ends."""

    begin_ns: NDArray[np.int64]
    """(N,) when each frame is first shown, nanoseconds after the first frame; never falls."""
    end_ns: int
    """When the last frame ends, nanoseconds after the first frame."""
    stated_fps: float | None = None
    """The rate, frames a second, where one is stated that all times agree with."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.begin_ns)

    @property
    def fps(self) -> float:
        """Mean rate, frames a second."""
        return self.stated_fps or len(self) * NS / self.end_ns

    @property
    def usual_fps(self) -> float:
        """One over the median interval, frames a second."""
        return NS / max(1.0, float(np.median(np.diff([*self.begin_ns, self.end_ns]))))

    def interval(self, index: int) -> tuple[int, int]:
        """Return when frame `index` begins and ends, nanoseconds."""
        last = index + 1 >= len(self)
        return int(self.begin_ns[index]), self.end_ns if last else int(self.begin_ns[index + 1])


def times_at_rate(count: int, fps: float) -> FrameTimes:
    """Return the times of `count` evenly spaced frames at `fps` frames a second."""
    begin_ns = np.array([round(index * NS / fps) for index in range(count)], np.int64)
    return FrameTimes(begin_ns, round(count * NS / fps), stated_fps=fps)


def times_from_begins(begin_ns: Sequence[int] | NDArray[np.int64]) -> FrameTimes:
    """Return the times of frames that begin at `begin_ns`; the last one lasts as long as the median frame."""
    begins = np.asarray(begin_ns, np.int64)
    usual = int(np.median(np.diff(begins))) if len(begins) > 1 else NS // 25
    return FrameTimes(begins - begins[0], int(begins[-1] - begins[0]) + max(usual, 1))


def check_fps(fps: float | None) -> None:
    """Raise `MediaError` for a rate that is not in (0, 1000]."""
    if fps is not None and not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise MediaError(f"fps is {fps!r}; accepted: above 0 and up to {MAX_FPS:g} frames a second")


def choose_times(
    name: str,
    *,
    count: int,
    own: FrameTimes | None,
    fps: float | None = None,
    recorded_ns: Sequence[int] = (),
) -> FrameTimes:
    """Return the times that count: the given rate, else the recording's frame times, else the file's own.

    Args:
        name: what to call the video in messages.
        count: number of its frames.
        own: the container's presentation times; None for a raw stream.
        fps: a rate that the caller gives, frames a second. Warns where it differs from the file's own times.
        recorded_ns: when each frame was taken, nanoseconds, from the recording that the video belongs to.

    Raises:
        MediaError: there are no times, they are not plausible, or the recording's do not fit the video.
    """
    if fps is not None and not counts_fit(count, len(recorded_ns)):
        recorded_ns = ()
    stated = _fit_recorded(name, count, recorded_ns) if len(recorded_ns) else own
    if fps is not None:
        if stated is not None and abs(fps / stated.fps - 1) > FPS_TOLERANCE:
            warnings.warn(
                f"{name}: fps is {fps:g}, and its frames were taken at {stated.fps:.4g} frames a second "
                f"({stated.end_ns / NS:.3f} s in all); {fps:g} is used as you asked",
                SamEdgeWarning,
                stacklevel=3,
            )
        return times_at_rate(count, fps)
    if stated is None:
        raise MediaError(
            f"{name}: a raw video stream, which states no times; give its rate as fps (--fps), for example 30"
        )
    usual_fps = stated.usual_fps
    if usual_fps > MAX_FPS:
        raise MediaError(
            f"{name}: states {usual_fps:.5g} frames a second; accepted: up to {MAX_FPS:g}; give its rate as fps (--fps)"
        )
    return stated


def counts_fit(count: int, stated: int) -> bool:
    """Say whether a recording that states `stated` frame times may belong to a video of `count` frames."""
    return abs(stated - count) <= max(COUNT_TOLERANCE_FRAMES, COUNT_TOLERANCE * count)


def _fit_recorded(name: str, count: int, recorded_ns: Sequence[int]) -> FrameTimes:
    """Return a recording's frame times, cut to the frames that the video has."""
    if not counts_fit(count, len(recorded_ns)):
        raise MediaError(
            f"{name}: has {count} frames, and its recording states {len(recorded_ns)} frame times; "
            "give the video that belongs to the recording, or its rate as fps (--fps)"
        )
    if len(recorded_ns) != count:
        warnings.warn(
            f"{name}: has {count} frames, and its recording states {len(recorded_ns)} frame times; "
            f"the first {min(count, len(recorded_ns))} are used",
            SamEdgeWarning,
            stacklevel=4,
        )
    return times_from_begins(recorded_ns[:count])
