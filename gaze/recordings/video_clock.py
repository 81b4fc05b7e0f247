"""Gaze times on the clock of a scene video that stood still while it was not recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MIN_PAUSE_US = 20_000
"""A change of the difference of the two clocks by less than this is their jitter, microseconds."""


@dataclass(frozen=True, slots=True)
class VideoMark:
    """One instant on the recording unit's clock and on the scene video's."""

    time_us: int
    """The recording unit's clock, microseconds."""
    video_us: int
    """The scene video's clock, microseconds; 0 is its first frame."""

    @property
    def offset_us(self) -> int:
        """The recording unit's clock minus the video's, microseconds."""
        return self.time_us - self.video_us


def follow_video(times_us: Sequence[int], marks: Sequence[VideoMark], notes: list[str]) -> list[int | None]:
    """Return gaze times on the video's clock.

    Where the two clocks' difference changes, the video was paused. The samples after the longest gap between the two
    marks around the pause follow the later mark. Samples of the pause itself, for which there is no video, are None.

    Args:
        times_us: times of samples on the recording unit's clock, microseconds.
        marks: where the video's clock was read, one at least; those before the first count with it.
        notes: gets a remark on pauses.
    """
    marks = sorted(marks, key=lambda mark: mark.time_us)
    changes = [
        (before, after)
        for before, after in pairwise(marks)
        if abs(after.offset_us - before.offset_us) >= MIN_PAUSE_US
    ]
    times = np.array(times_us, np.int64)
    if not changes:
        return [time_us - marks[0].offset_us for time_us in times_us]
    ordered = np.sort(times)
    followed: list[int | None] = [time_us - marks[0].offset_us for time_us in times_us]
    paused = 0
    for before, after in changes:
        begin_us = _pause_end(ordered, before, after)
        for index in np.flatnonzero(times >= begin_us).tolist():
            followed[index] = times_us[index] - after.offset_us
        resumed_us = begin_us - after.offset_us
        for index in np.flatnonzero((times > before.time_us) & (times < begin_us)).tolist():
            known = followed[index]
            if known is not None and known >= resumed_us:
                followed[index] = None
                paused += 1
    lost = f"; {paused} samples of pauses are left out" if paused else ""
    notes.append(f"the scene video was paused {len(changes)} times; gaze follows its clock{lost}")
    return followed


def _pause_end(ordered_us: NDArray[np.int64], before: VideoMark, after: VideoMark) -> int:
    """Return the first time after a pause: that after the longest gap between samples, else that of the later mark."""
    inside = ordered_us[(ordered_us > before.time_us) & (ordered_us <= after.time_us)]
    places = np.concatenate(([before.time_us], inside, [after.time_us]))
    gaps = np.diff(places)
    longest = int(np.argmax(gaps))
    if 2 * int(gaps[longest]) < abs(after.offset_us - before.offset_us):
        return after.time_us
    return int(places[longest + 1])
