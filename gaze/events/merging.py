"""Joining fixations that an event detector has split: the rule, and the joined fixation.

A lost sample, noise, or a catch-up saccade while following an object splits one dwell in pieces. Pieces that are close
in time and place are one dwell, as in Olsen, "The Tobii I-VT Fixation Filter" (2012). Limits differ by use: a live
selection sees each piece only as it happens, while a recording is judged with the samples around each gap.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sam_edge.gaze.events.types import Fixation


def is_continuation(
    end_ns: int,
    end_px: tuple[float, float],
    onset_ns: int,
    onset_px: tuple[float, float],
    *,
    max_gap_ns: float,
    max_distance_px: float,
) -> bool:
    """Return whether gaze that rests from `onset_ns` on continues a fixation that ended at `end_ns`.

    Args:
        end_ns: time at which the earlier fixation ended, nanoseconds.
        end_px: gaze position at that time, scene pixels.
        onset_ns: time at which the later fixation began, nanoseconds.
        onset_px: gaze position at that time, scene pixels.
        max_gap_ns: longest time between them, nanoseconds.
        max_distance_px: largest distance between them, scene pixels.
    """
    distance_px = math.hypot(onset_px[0] - end_px[0], onset_px[1] - end_px[1])
    return 0 <= onset_ns - end_ns <= max_gap_ns and distance_px <= max_distance_px


def merge_fixations(first: Fixation, second: Fixation, *, place: Fixation) -> Fixation:
    """Return one fixation from the onset of `first` to the newest sample of `second`, numbered as `first`.

    Position, scatter, kind and phase are those of `place`, one of the two.
    """
    return replace(
        place,
        event_id=first.event_id,
        onset_ns=first.onset_ns,
        time_ns=second.time_ns,
        sample_count=first.sample_count + second.sample_count,
    )
