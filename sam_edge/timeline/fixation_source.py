"""The fixations of a recording: those of its tracker, or those of sam-edge's detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from sam_edge.errors import InputError
from sam_edge.gaze.events import detect_fixations
from sam_edge.gaze.recordings import GazeRecording
from sam_edge.gaze.recordings.recorded_fixation import WHY_NO_FIXATIONS, RecordedFixation
from sam_edge.gaze.samples import GazeSample

FixationOrigin: TypeAlias = Literal["tracker", "detector"]
"""Who found the fixations: the tracker's own software, or `sam_edge.gaze.events`."""
MIN_FIXATION_NS = 60_000_000
"""Shorter fixations of the detector are left out, nanoseconds: as in Olsen, "The Tobii I-VT Fixation Filter" (2012)."""


@dataclass(frozen=True, slots=True)
class FixationInterval:
    """When a fixation was."""

    fixation_id: int
    """Its number: the tracker's, or its place in time from 1."""
    kind: str
    """`fixation`, or `pursuit` where the gaze follows something."""
    onset_ns: int
    """Time of its first sample, nanoseconds after the first frame."""
    end_ns: int
    """Time of its last sample, nanoseconds after the first frame."""
    x_px: float = math.nan
    """Position that the tracker states, frame pixels; NaN where it states none."""
    y_px: float = math.nan
    """As `x_px`, vertical."""


def choose_fixation_origin(origin: FixationOrigin | None, recording: GazeRecording) -> FixationOrigin:
    """Return whose fixations are used: as asked; None: the tracker's where the recording holds them.

    Raises:
        InputError: another word is given, or the tracker's are asked for and the recording holds none.
    """
    if origin is None:
        return "tracker" if recording.fixations else "detector"
    if origin not in get_args(FixationOrigin):
        raise InputError(
            f"fixations_from: {origin!r}; accepted: {', '.join(get_args(FixationOrigin))}, or nothing"
        )
    if origin == "tracker" and not recording.fixations:
        why = WHY_NO_FIXATIONS.get(recording.format)
        raise InputError(
            f"fixations_from: {origin!r}, and {recording.name} holds no fixations of its tracker"
            f"{f' ({recording.format}: {why})' if why else ''}; use 'detector', which finds fixations and pursuits"
        )
    return origin


def tracker_intervals(fixations: Sequence[RecordedFixation]) -> list[FixationInterval]:
    """Return the tracker's fixations. Its software tells no pursuit apart."""
    return [
        FixationInterval(item.fixation_id, "fixation", item.onset_ns, item.end_ns, item.x_px, item.y_px)
        for item in fixations
    ]


def detector_intervals(samples: Sequence[GazeSample], *, px_per_deg: float) -> list[FixationInterval]:
    """Return the fixations and pursuits of at least 60 ms that the detector finds, numbered from 1."""
    found = [event for event, _ in detect_fixations(samples, px_per_deg=px_per_deg)]
    lasting = [event for event in found if event.duration_ns >= MIN_FIXATION_NS]
    return [
        FixationInterval(number, event.kind.value, event.onset_ns, event.time_ns)
        for number, event in enumerate(lasting, start=1)
    ]
