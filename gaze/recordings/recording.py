"""A gaze recording: samples in order of time, with rate, frame size, scale and notes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import GazeDataError, InputError
from sam_edge.gaze.recordings.clock_jumps import (
    FORWARD_NS,
    ClockJump,
    describe_jumps,
    find_jumps,
    part_offsets_ns,
    pieces,
)
from sam_edge.gaze.recordings.recorded_event import RecordedEvent
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation, sort_fixations
from sam_edge.gaze.recordings.sample_times import measure_rate_hz, spread_repeats
from sam_edge.gaze.samples import GazeSample

MAX_SAMPLES = 20_000_000
"""More samples than this are refused: five and a half hours at 1000 Hz, about 5 GB of memory."""


@dataclass(frozen=True, slots=True)
class GazeRecording:
    """Gaze samples of one recording, with strictly increasing times."""

    samples: tuple[GazeSample, ...]
    """Every sample, invalid ones included; `time_ns` 0 is the instant the first frame is shown."""
    name: str
    """Name of the recording, usually of its file or folder."""
    format: str
    """Name of the format it was read from, as in `sam_edge.gaze.recordings.formats()`."""
    rate_hz: float | None = None
    """Samples per second: as the file states it where its times agree, else one over the usual interval; None below two
    samples."""
    frame_size: tuple[int, int] | None = None
    """(height, width) of the scene video or screen in pixels; None when not stated."""
    px_per_deg: float | None = None
    """Pixels per degree of visual angle near the middle; None when not stated."""
    notes: tuple[str, ...] = ()
    """Remarks on the samples: lens distortion, clocks, assumptions and corrections."""
    min_confidence: float = 0.0
    """Samples of lower confidence, 0..1, count as lost: their positions are NaN."""
    jumps: tuple[ClockJump, ...] = ()
    """Where the tracker's clock jumped, in the samples as they were recorded; times as in `GazeSample.time_ns`."""
    parts: tuple[tuple[GazeSample, ...], ...] = ()
    """The samples between the jumps, in the order of recording; `samples` is one of the parts. Empty where no clock
    jumped, and where the times of the video's frames jumped alike, so that the parts could be joined."""
    camera_file: str | None = None
    """Name of the file with the scene camera's description that positions need, where it is missing."""
    fixations: tuple[RecordedFixation, ...] = ()
    """Fixations that the tracker's own software found, in order of time; empty where the recording holds none, and
    where its clock jumped."""
    events: tuple[RecordedEvent, ...] = ()
    """Named moments of the recording, in order of time; empty as `fixations`."""

    @property
    def duration_s(self) -> float:
        """Time from the first sample to the last, seconds."""
        return (self.samples[-1].time_ns - self.samples[0].time_ns) / 1e9 if self.samples else 0.0


def make_recording(
    samples: Iterable[GazeSample],
    *,
    path: Path,
    format: str,
    frame_size: tuple[int, int] | None = None,
    px_per_deg: float | None = None,
    notes: Sequence[str] = (),
    frame_times_ns: Sequence[int] = (),
    camera_file: str | None = None,
    fixations: Iterable[RecordedFixation] = (),
    events: Iterable[RecordedEvent] = (),
    stated_rate_hz: float | None = None,
) -> GazeRecording:
    """Sort samples by time, space or drop repeated times, split where the clock jumped, and note it in the recording.

    Where the times of the scene video's frames (`frame_times_ns`, on the samples' clock, as recorded) jumped alike, the
    parts are joined as `join_at_jumps` joins the frames. Otherwise the samples are those of the longest part.

    Raises `GazeDataError` when there are no samples.
    """
    recorded = list(samples)
    if not recorded:
        raise GazeDataError(f"{path}: holds no gaze samples; expected at least one ({format})")
    notes = list(notes)
    try:
        times, frame_times = _times_of(recorded), np.array(frame_times_ns, np.int64)
    except OverflowError as error:
        raise GazeDataError(f"{path}: times are more than 292 years apart; is the file damaged?") from error
    pieces_of_clock, jumps = _split(recorded, times, frame_times, notes)
    parts = tuple(_sort(part, notes, stated_rate_hz) for part in pieces_of_clock)
    known_fixations, known_events = sort_fixations(fixations), tuple(sorted(events, key=_event_time_ns))
    if (known_fixations or known_events) and jumps:
        notes.append(
            f"the tracker's {len(known_fixations)} fixations and {len(known_events)} events are left out, because the "
            "clock jumped"
        )
        known_fixations, known_events = (), ()
    longest = max(parts, key=len)
    rate_hz = measure_rate_hz(_times_of(longest), stated_hz=stated_rate_hz)
    if stated_rate_hz is not None and rate_hz is not None and rate_hz != stated_rate_hz:
        notes.append(f"the file states {stated_rate_hz:g} samples per second; they come at {rate_hz:.4g} Hz")
    return GazeRecording(
        samples=longest,
        name=path.name,
        format=format,
        rate_hz=rate_hz,
        frame_size=frame_size,
        px_per_deg=px_per_deg,
        notes=tuple(notes),
        jumps=jumps,
        parts=parts if len(parts) > 1 else (),
        camera_file=camera_file,
        fixations=known_fixations,
        events=known_events,
    )


def shift_times(recording: GazeRecording, shift_ns: int) -> GazeRecording:
    """Return the recording with `shift_ns` added to the times of all samples; device times stay."""

    def shifted(samples: tuple[GazeSample, ...]) -> tuple[GazeSample, ...]:
        return tuple(replace(sample, time_ns=sample.time_ns + shift_ns) for sample in samples)

    return _with_samples(
        recording,
        shifted,
        jumps=tuple(jump.shifted(shift_ns) for jump in recording.jumps),
        fixations=tuple(fixation.shifted(shift_ns) for fixation in recording.fixations),
        events=tuple(event.shifted(shift_ns) for event in recording.events),
    )


def discard_low_confidence(recording: GazeRecording, min_confidence: float) -> GazeRecording:
    """Return the recording with NaN for the position of each sample whose confidence is below `min_confidence`.

    Raises:
        InputError: `min_confidence` is not in 0..1.
    """
    if not 0.0 <= min_confidence <= 1.0:
        raise InputError(f"min_confidence: {min_confidence} is not accepted; give a number from 0 to 1")

    def checked(samples: tuple[GazeSample, ...]) -> tuple[GazeSample, ...]:
        return tuple(
            replace(sample, x_px=math.nan, y_px=math.nan) if sample.confidence < min_confidence else sample
            for sample in samples
        )

    low = sum(sample.confidence < min_confidence for sample in recording.samples)
    note = f"{low} of {len(recording.samples)} samples have a confidence below {min_confidence:g} and count as lost"
    return _with_samples(
        recording,
        checked,
        notes=(*recording.notes, note) if low else recording.notes,
        min_confidence=max(min_confidence, recording.min_confidence),
    )


def _with_samples(
    recording: GazeRecording,
    change: Callable[[tuple[GazeSample, ...]], tuple[GazeSample, ...]],
    **fields: Any,
) -> GazeRecording:
    """Return the recording with its samples changed, in all its parts, and with other fields replaced."""
    if not recording.parts:
        return replace(recording, samples=change(recording.samples), **fields)
    parts = tuple(change(part) for part in recording.parts)
    used = next(index for index, part in enumerate(recording.parts) if part is recording.samples)
    return replace(recording, samples=parts[used], parts=parts, **fields)


def _split(
    samples: list[GazeSample], times: np.ndarray, frame_times: np.ndarray, notes: list[str]
) -> tuple[list[list[GazeSample]], tuple[ClockJump, ...]]:
    """Return the samples in parts: one where no clock jumped, or where the parts could be joined."""
    if len(frame_times):
        jumps = find_jumps(times, forward_ns=FORWARD_NS)
        frame_jumps = find_jumps(frame_times, frames=True, forward_ns=FORWARD_NS)
        if jumps and _jump_alike(times, jumps, frame_times, frame_jumps):
            notes.append(f"the clock of gaze and frames jumped {describe_jumps(jumps)}; the parts are joined")
            offsets = part_offsets_ns(frame_times, frame_jumps)
            return [_shift(samples, pieces(len(samples), jumps), offsets)], jumps
    jumps = find_jumps(times)
    if jumps:
        count = len(jumps) + 1
        notes.append(f"the clock jumped {describe_jumps(jumps)}; of {count} parts the longest is read")
    return [samples[piece] for piece in pieces(len(samples), jumps)], jumps


def _jump_alike(
    times: np.ndarray, jumps: Sequence[ClockJump], frames: np.ndarray, frame_jumps: Sequence[ClockJump]
) -> bool:
    """Return whether gaze and frames have equally many parts, and each part's times overlap those of its frames."""
    if len(jumps) != len(frame_jumps):
        return False
    gaze_parts = (times[piece] for piece in pieces(len(times), jumps))
    frame_parts = (frames[piece] for piece in pieces(len(frames), frame_jumps))
    return all(
        gaze.min() <= shown.max() and shown.min() <= gaze.max()
        for gaze, shown in zip(gaze_parts, frame_parts, strict=True)
    )


def _shift(samples: list[GazeSample], parts: Sequence[slice], offsets_ns: Sequence[int]) -> list[GazeSample]:
    return [
        replace(sample, time_ns=sample.time_ns + offset_ns)
        for part, offset_ns in zip(parts, offsets_ns, strict=True)
        for sample in samples[part]
    ]


def _sort(
    samples: list[GazeSample], notes: list[str], stated_rate_hz: float | None
) -> tuple[GazeSample, ...]:
    """Return samples in strict order of time."""
    times = _times_of(samples)
    steps = np.diff(times)
    late = int(np.count_nonzero(steps < 0))
    if late:
        order = np.argsort(times, kind="stable")
        samples = [samples[index] for index in order]
        times = times[order]
        steps = np.diff(times)
        notes.append(f"{late} samples were out of order and have been sorted by time")
    repeats = int(np.count_nonzero(steps == 0))
    spread = spread_repeats(times, stated_hz=stated_rate_hz) if repeats else None
    if spread is not None:
        spaced, rate_hz = spread
        samples = [
            replace(sample, time_ns=time_ns) for sample, time_ns in zip(samples, spaced.tolist(), strict=True)
        ]
        notes.append(
            f"the clock is too coarse for {rate_hz:.4g} Hz; samples of the same tick are spaced evenly"
        )
    elif repeats:
        keep = np.concatenate(([True], steps > 0))
        samples = [sample for sample, kept in zip(samples, keep, strict=True) if kept]
        notes.append(f"{repeats} samples repeated the time of the one before and were left out")
    return tuple(samples)


def _event_time_ns(event: RecordedEvent) -> int:
    return event.time_ns


def _times_of(samples: Sequence[GazeSample]) -> np.ndarray:
    return np.fromiter(map(attrgetter("time_ns"), samples), np.int64, len(samples))
