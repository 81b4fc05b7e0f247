"""A gaze recording: samples in order of time, with rate, frame size, scale and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np

from sam_edge.errors import GazeDataError
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
    """Samples per second, as one over the median interval; None below two samples."""
    frame_size: tuple[int, int] | None = None
    """(height, width) of the scene video or screen in pixels; None when not stated."""
    px_per_deg: float | None = None
    """Pixels per degree of visual angle near the middle; None when not stated."""
    notes: tuple[str, ...] = ()
    """Remarks on the samples: lens distortion, clocks, assumptions and corrections."""

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
) -> GazeRecording:
    """Sort samples by time, drop repeated times, and note both in the recording.

    Raises `GazeDataError` when there are no samples.
    """
    ordered = list(samples)
    if not ordered:
        raise GazeDataError(f"{path}: holds no gaze samples; expected at least one ({format})")
    notes = list(notes)
    try:
        times = np.fromiter(map(attrgetter("time_ns"), ordered), np.int64, len(ordered))
    except OverflowError as error:
        raise GazeDataError(f"{path}: times are more than 292 years apart; is the file damaged?") from error
    steps = np.diff(times)
    late = int(np.count_nonzero(steps < 0))
    if late:
        order = np.argsort(times, kind="stable")
        ordered = [ordered[index] for index in order]
        times = times[order]
        steps = np.diff(times)
        notes.append(f"{late} samples were out of order and have been sorted by time")
    repeats = int(np.count_nonzero(steps == 0))
    if repeats:
        keep = np.concatenate(([True], steps > 0))
        ordered = [sample for sample, kept in zip(ordered, keep, strict=True) if kept]
        times = times[keep]
        notes.append(f"{repeats} samples repeated the time of the one before and were left out")
    return GazeRecording(
        samples=tuple(ordered),
        name=path.name,
        format=format,
        rate_hz=median_rate_hz(times),
        frame_size=frame_size,
        px_per_deg=px_per_deg,
        notes=tuple(notes),
    )


def median_rate_hz(times_ns: np.ndarray) -> float | None:
    """Return one over the median interval of rising times (nanoseconds), or None below two samples."""
    if len(times_ns) < 2:
        return None
    return float(1e9 / np.median(np.diff(times_ns)))
