"""Where a recorder's clock jumped: times that fall back or leap ahead within one recording.

Trackers and their computers set their clocks while they record, and a recording that was stopped and resumed may start
its clock again. `find_jumps` finds the places, in the times of gaze samples as in those of frames; `join_at_jumps` puts
the parts one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

BACK_NS = 100_000_000
"""Gaze that is late by less than this is sorted, nanoseconds: networks and two eyes mix up samples by some
milliseconds."""
FORWARD_NS = 600_000_000_000
"""A leap ahead of at least this, in gaze and frames alike, is a jump of their clock, nanoseconds."""
MIN_PART = 10
"""Fewer samples than this in a row are late samples, and no part of their own."""
MAX_LATE = 1000
"""Samples with more late blocks than this are shuffled, and have no parts."""
RISING_SHARE = 0.8
"""A part begins with steps of which at least this share rises; in shuffled samples half of them do."""


@dataclass(frozen=True, slots=True)
class ClockJump:
    """A place where the clock jumped."""

    index: int
    """Number of the first entry after the jump."""
    before_ns: int
    """Time of the last entry before it."""
    after_ns: int
    """Time of the first entry after it."""

    @property
    def step_s(self) -> float:
        """By how much the time steps, seconds; negative when the clock was set back."""
        return (self.after_ns - self.before_ns) / 1e9

    def shifted(self, shift_ns: int) -> ClockJump:
        """Return the jump with `shift_ns` added to its times."""
        return ClockJump(self.index, self.before_ns + shift_ns, self.after_ns + shift_ns)


def find_jumps(
    times_ns: Sequence[int] | NDArray[np.int64], *, frames: bool = False, forward_ns: int | None = None
) -> tuple[ClockJump, ...]:
    """Find where the clock jumped, in times in the order in which they were recorded.

    Times of frames jump wherever they fall. Gaze samples may also be late: times that fall back by `BACK_NS` or more
    are a jump when the samples after it go on there. They are not when fewer than `MIN_PART` samples are late, or when
    a block of samples comes late and fills the gap that it left.

    Args:
        times_ns: (N,) nanoseconds.
        frames: the times are those of frames.
        forward_ns: smallest leap ahead that counts, nanoseconds; None: a leap is a pause, and no jump.
    """
    times = np.asarray(times_ns, np.int64)
    steps = np.diff(times)
    indices = set((np.flatnonzero(steps < 0) + 1).tolist() if frames else _find_falls(times))
    if forward_ns is not None:
        indices |= set((np.flatnonzero(steps >= forward_ns) + 1).tolist())
    return tuple(ClockJump(index, int(times[index - 1]), int(times[index])) for index in sorted(indices))


def pieces(count: int, jumps: Sequence[ClockJump]) -> list[slice]:
    """Return the parts of `count` entries between jumps, as slices."""
    return [slice(begin, end) for begin, end in pairwise([0, *(jump.index for jump in jumps), count])]


def join_at_jumps(
    times_ns: Sequence[int] | NDArray[np.int64], jumps: Sequence[ClockJump]
) -> NDArray[np.int64]:
    """Return times in which each part goes on one usual interval after the part before it; the first part stays."""
    joined = np.array(times_ns, np.int64)
    for piece, offset_ns in zip(pieces(len(joined), jumps), part_offsets_ns(times_ns, jumps), strict=True):
        joined[piece] += offset_ns
    return joined


def part_offsets_ns(times_ns: Sequence[int] | NDArray[np.int64], jumps: Sequence[ClockJump]) -> list[int]:
    """Return what `join_at_jumps` adds to the times of each part, nanoseconds: one more than there are jumps."""
    steps = np.diff(np.asarray(times_ns, np.int64))
    usual_ns = int(np.median(steps[steps > 0])) if (steps > 0).any() else 1
    missing = [jump.before_ns + usual_ns - jump.after_ns for jump in jumps]
    return list(accumulate(missing, initial=0))


def describe_jumps(jumps: Sequence[ClockJump]) -> str:
    """Say by how much a clock jumped, and when: three jumps at most."""
    texts = [f"by {jump.step_s:+.3f} s at {jump.before_ns / 1e9:.3f} s" for jump in jumps[:3]]
    return ", ".join(texts) + (f" and {len(jumps) - 3} times more" if len(jumps) > 3 else "")


def _find_falls(times: NDArray[np.int64]) -> list[int]:
    """Return the numbers of the samples before which the clock was set back, or leapt ahead to where it was before."""
    steps = np.diff(times)
    indices: list[int] = []
    late = 0
    begin, returns = 0, len(times)
    highest = np.maximum.accumulate(times)
    for index in (np.flatnonzero(steps < 0) + 1).tolist():
        if index >= returns:
            begin, returns = returns, len(times)
            highest = np.concatenate([highest[:begin], np.maximum.accumulate(times[begin:])])
        fall = int(highest[index - 1]) - int(times[index])
        if fall < BACK_NS:
            continue
        later = np.flatnonzero(times[index:] > highest[index - 1])
        end = index + int(later[0]) if len(later) else len(times)
        leaps = end < len(times) and 2 * (int(times[end]) - int(times[end - 1])) >= fall
        after = times[index : end if leaps else index + max(end - index, MIN_PART)]
        if not _is_part(times[begin:index], after):
            late += 1
            if late > MAX_LATE:
                return []
            continue
        indices.append(index)
        begin = index
        highest = np.concatenate([highest[:begin], np.maximum.accumulate(times[begin:])])
        if leaps and end < returns:
            # Only a while on another clock.
            indices.append(end)
            returns = end
    return indices


def _is_part(before: NDArray[np.int64], after: NDArray[np.int64]) -> bool:
    """Return whether entries that come back in time, up to where they pass `before`, run on another clock."""
    if len(after) < MIN_PART:
        return False
    begins = np.diff(after[: 2 * MIN_PART])
    if np.mean(begins >= 0) < RISING_SHARE:
        return False
    first, last = after.min(), after.max()
    fills_gap = before.min() < first and not ((before >= first) & (before <= last)).any()
    return not fills_gap
