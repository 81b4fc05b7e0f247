"""Whether the times of gaze fit those of a video, and if not, what is probably wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.media.frame_times import FrameTimes

NS = 1e9
MIN_FRAME_SHARE = 0.5
"""Fewer frames with gaze than this share of the video are said."""
USUAL_INTERVALS_S = (0.0004, 0.11)
"""Eye trackers run at 10 to 2000 Hz: shortest and longest interval between samples, seconds."""
MAX_WAIT_NS = 500_000_000
"""A frame without a sample of its own has gaze when the sample before it is newer than one and a half usual intervals,
and newer than this."""
LONG_SPAN = 20
"""Gaze that lasts this number of times as long as the video, with only a few samples in it, is in another unit."""
MIN_SAMPLES = 10
"""Fewer samples than this do not tell the unit of their times."""
UNITS = ((1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds"))
UNIX_S = (1e9, 3e9)
"""Seconds since 1970 of the years 2001 to 2065."""
MIN_LEAP_NS = 1_000_000_000
"""A leap of this length that ends after the video is said."""


@dataclass(frozen=True, slots=True)
class TimeProblems:
    """What is wrong with the times of gaze, for a message."""

    error: str | None = None
    """Why no gaze can be used; None when some can."""
    warnings: tuple[str, ...] = ()
    """What does not fit."""


def find_time_problems(
    times_ns: NDArray[np.int64], valid: NDArray[np.bool_], times: FrameTimes
) -> TimeProblems:
    """Compare the times of gaze with those of a video.

    Args:
        times_ns: (N,) times of the samples, rising, nanoseconds after the video's first frame.
        valid: (N,) whether each sample has a position; at least one has.
        times: when the video's frames are shown.
    """
    seen_ns = times_ns[valid]
    inside = int(np.count_nonzero((seen_ns >= 0) & (seen_ns < times.end_ns)))
    unit = _guess_unit(times_ns)
    spans = (
        f"the video lasts from 0 to {times.end_ns / NS:.3f} s, and the gaze from {seen_ns[0] / NS:.3f} to "
        f"{seen_ns[-1] / NS:.3f} s"
    )
    if not inside:
        text = f"none of the {len(seen_ns)} valid samples falls into the video: {spans}; "
        return TimeProblems(text + _guess_cause(seen_ns, unit, times))
    covered = count_covered(times_ns, seen_ns, times)
    too_few = covered < MIN_FRAME_SHARE * len(times)
    if too_few and unit and seen_ns[-1] - seen_ns[0] > LONG_SPAN * times.end_ns:
        return TimeProblems(
            f"only {inside} of {len(seen_ns)} valid samples fall into the video: {spans}; {_advise(unit)}"
        )
    found = _find_leap(times_ns, times)
    if too_few:
        share = covered / len(times)
        found.append(
            f"only {covered} of the video's {len(times)} frames ({share:.0%}) have gaze: {spans}; check that gaze and "
            "video belong together and start at the same moment"
        )
    return TimeProblems(warnings=tuple(found))


def find_unit_problems(times_ns: NDArray[np.int64]) -> TimeProblems:
    """Find what can be found without a video: (N,) rising times, nanoseconds, that are not seconds after a frame."""
    advice = _advise_unix(times_ns[0] / NS) if len(times_ns) else None
    if advice is None and (unit := _guess_unit(times_ns)):
        advice = _advise(unit)
    return TimeProblems(warnings=() if advice is None else (advice,))


def count_covered(times_ns: NDArray[np.int64], seen_ns: NDArray[np.int64], times: FrameTimes) -> int:
    """Return the number of frames that have gaze: a valid sample while they are shown, or shortly before."""
    steps = np.diff(times_ns)
    wait_ns = min(MAX_WAIT_NS, int(1.5 * np.median(steps))) if len(steps) else 0
    ends_ns = np.append(times.begin_ns[1:], times.end_ns)
    first = np.searchsorted(seen_ns, times.begin_ns - wait_ns)
    return int(np.count_nonzero(np.searchsorted(seen_ns, ends_ns) > first))


def _guess_unit(times_ns: NDArray[np.int64]) -> str | None:
    """Return the unit that the times are probably in, when their intervals are too long for seconds."""
    if len(times_ns) < MIN_SAMPLES:
        return None
    shortest_s, longest_s = USUAL_INTERVALS_S
    usual_s = float(np.median(np.diff(times_ns))) / NS
    if usual_s <= longest_s:
        return None
    return next((name for scale, name in UNITS if shortest_s <= usual_s / scale <= longest_s), None)


def _guess_cause(seen_ns: NDArray[np.int64], unit: str | None, times: FrameTimes) -> str:
    begin_s = seen_ns[0] / NS
    advice = _advise_unix(begin_s)
    if advice is not None:
        return advice
    if unit is not None:
        return _advise(unit)
    offset_s = begin_s if begin_s > 0 else (seen_ns[-1] - times.end_ns) / NS
    side = f"begins {(seen_ns[0] - times.end_ns) / NS:.3f} s after the video ends"
    if offset_s < 0:
        side = f"ends {-seen_ns[-1] / NS:.3f} s before the video begins"
    return (
        f"the gaze {side}: their clocks have an offset of about {offset_s:.1f} s, or they do not belong together; give "
        "times that count from the first frame"
    )


def _advise_unix(begin_s: float) -> str | None:
    for scale, name in ((1.0, "seconds"), *UNITS):
        if UNIX_S[0] <= begin_s / scale <= UNIX_S[1]:
            return (
                f"the times look like Unix time in {name}; give seconds after the first frame: subtract the time at "
                "which the first frame was taken"
            )
    return None


def _advise(unit: str) -> str:
    return f"the times look like {unit}; give seconds after the first frame"


def _find_leap(times_ns: NDArray[np.int64], times: FrameTimes) -> list[str]:
    """Say where the samples leap from inside the video to after its end: a clock that jumped forward."""
    after = int(np.searchsorted(times_ns, times.end_ns))
    if not 0 < after < len(times_ns) or times.end_ns - times_ns[after - 1] < MIN_LEAP_NS:
        return []
    leap_s = (times_ns[after] - times_ns[after - 1]) / NS
    return [
        f"the clock jumped by {leap_s:+.3f} s at {times_ns[after - 1] / NS:.3f} s, to after the end of the video at "
        f"{times.end_ns / NS:.3f} s; the recording is split there into 2 parts, the first is used, and the "
        f"{len(times_ns) - after} samples of the second are left out"
    ]
