"""Whether gaze fits a video: its times, its unit, its lost samples. Asked before a model runs.

fit = fit_gaze(recording, size=reader.size, times=reader.times)
recording = fit.checked()          # raises what makes the gaze useless, and warns of the rest
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import GazeDataError, SamEdgeWarning
from sam_edge.gaze.fit_times import find_time_problems, find_unit_problems
from sam_edge.gaze.recordings.clock_jumps import describe_jumps
from sam_edge.gaze.recordings.recording import GazeRecording
from sam_edge.gaze.recordings.sample_times import measure_rate_hz
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.frame_times import FrameTimes

MAX_FRAMES_OUTSIDE = 10
"""A sample farther outside than this number of frame widths or heights is lost."""
NORMALISED_LIMIT, NORMALISED_SHARE = 1.5, 0.95
"""Positions are normalised, and no pixels, when at least this share lies within plus and minus this limit."""
MIN_REPEATS = 10
"""This number of samples at one and the same position is no coincidence outside the frame."""
LOST_PAIRS = (
    (0.0, 0.0),
    *((value, value) for value in (-1.0, -99.0, -999.0, -9999.0, -99999.0, 9999.0, 99999.0)),
)
LOST_VALUES = (1e8, -1e8, -32768.0)
"""Positions, and values of x or y, that trackers and converters write for a lost sample."""
MAX_TIME_NS = 2**62
"""Times farther from the first frame than this, nanoseconds, count as this."""
USUAL_CONFIDENCE, LOW_CONFIDENCE_SHARE = 0.6, 0.2
"""More than this share of samples below this confidence (or below the recording's own threshold) is said."""


@dataclass(frozen=True, slots=True)
class GazeFit:
    """How gaze fits a video."""

    recording: GazeRecording
    """The gaze to use: the part that fits the video, without the positions of lost samples."""
    errors: tuple[str, ...] = ()
    """Why the gaze cannot be used; each message begins with `gaze: `."""
    warnings: tuple[str, ...] = ()
    """What does not fit, and what was done about it; each message begins with `gaze: `."""

    def checked(self, *, stacklevel: int = 2) -> GazeRecording:
        """Return the recording; warn of all `warnings`.

        Raises:
            GazeDataError: there are errors.
        """
        if self.errors:
            raise GazeDataError(
                "; ".join((self.errors[0], *(_without_name(text) for text in self.errors[1:])))
            )
        for text in self.warnings:
            warnings.warn(text, SamEdgeWarning, stacklevel=stacklevel + 1)
        return self.recording


def fit_gaze(
    recording: GazeRecording, *, size: tuple[int, int] | None = None, times: FrameTimes | None = None
) -> GazeFit:
    """Check gaze against the video that it belongs to.

    Args:
        recording: the gaze.
        size: (height, width) of the video's frames, pixels; None: what the recording states, if it does.
        times: when the video's frames are shown; None leaves out the checks that need them.
    """
    checks = _Checks(recording, size or recording.frame_size)
    checks.choose_part(times)
    checks.note_low_confidence()
    checks.discard_sentinels()
    checks.discard_far()
    if checks.require_positions():
        checks.require_pixels()
        checks.note_times(times)
    return GazeFit(checks.without_lost(), tuple(checks.errors), tuple(checks.warnings))


@dataclass(slots=True)
class _Checks:
    """The checks, one after the other, and what they found."""

    recording: GazeRecording
    size: tuple[int, int] | None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    x: NDArray[np.float64] = field(init=False)
    """(N,) positions, pixels; NaN where the sample is not valid or was found to be lost."""
    y: NDArray[np.float64] = field(init=False)
    confidence: NDArray[np.float64] = field(init=False)
    times_ns: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._gather()

    def choose_part(self, times: FrameTimes | None) -> None:
        """Where the tracker's clock jumped, use the part with the most valid samples inside the video."""
        recording = self.recording
        if recording.jumps and not recording.parts:
            self._warn(
                f"the clock jumped {describe_jumps(recording.jumps)}, in gaze and frames alike; the parts are joined "
                "there"
            )
        if not recording.parts:
            return
        parts = recording.parts
        chosen = next(index for index, part in enumerate(parts) if part is recording.samples)
        if times is not None:
            inside = [
                sum(sample.valid and 0 <= sample.time_ns < times.end_ns for sample in part) for part in parts
            ]
            chosen = max(range(len(parts)), key=inside.__getitem__)
            rate_hz = measure_rate_hz(np.array([sample.time_ns for sample in parts[chosen]], np.int64))
            self.recording = replace(recording, samples=parts[chosen], rate_hz=rate_hz)
            self._gather()
        why = "fits the video best" if times is not None else "is the longest"
        self._warn(
            f"the clock jumped {describe_jumps(recording.jumps)}; the recording is split there into {len(parts)} "
            f"parts, and part {chosen + 1}, from {_span(parts[chosen])}, is used, which {why}; the others are left "
            f"out ({', '.join(_span(part) for index, part in enumerate(parts) if index != chosen)})"
        )

    def note_low_confidence(self) -> None:
        """Warn of many samples of low confidence."""
        threshold = self.recording.min_confidence
        limit = threshold or USUAL_CONFIDENCE
        # Without a threshold, confidence 0 is how formats mark lost samples, and says nothing about the others.
        low = (self.confidence < limit) & ((self.confidence > 0) | (threshold > 0))
        share = float(low.mean()) if len(low) else 0.0
        if share <= LOW_CONFIDENCE_SHARE:
            return
        advice = (
            "they count as lost; change the threshold with min_confidence (--min-confidence)"
            if threshold
            else f"they are used; leave them out with min_confidence={limit:g} (--min-confidence {limit:g})"
        )
        self._warn(
            f"{share:.0%} of the samples ({int(low.sum())} of {len(low)}) have a confidence below {limit:g}; {advice}"
        )

    def discard_sentinels(self) -> None:
        """Find positions that stand for lost samples, and warn of others that repeat outside the frame."""
        for x, y, count in self._repeated():
            known = (x, y) in LOST_PAIRS or x in LOST_VALUES or y in LOST_VALUES
            if known:
                self._lose((self.x == x) & (self.y == y))
                self._warn(
                    f"{count} samples lie at ({x:g}, {y:g}), which is how a lost sample is written; they count as lost"
                )
            elif self._is_outside(x, y):
                self._warn(
                    f"{count} samples lie at exactly ({x:g}, {y:g}), outside the frames of {self._frames()}; if they "
                    "are lost samples, leave their positions empty"
                )

    def discard_far(self) -> None:
        """Count samples far outside the frame as lost; when most are, they are in another unit."""
        if self.size is None:
            return
        height, width = self.size
        valid = np.isfinite(self.x)
        far = valid & (
            (np.abs(self.x) > MAX_FRAMES_OUTSIDE * width) | (np.abs(self.y) > MAX_FRAMES_OUTSIDE * height)
        )
        count, total = int(far.sum()), int(valid.sum())
        if not count:
            return
        at = int(np.argmax(far))
        example = f"({self.x[at]:g}, {self.y[at]:g}) at {self.times_ns[at] / 1e9:.3f} s"
        if 2 * count > total:
            self._refuse(
                f"{count} of {total} positions, such as {example}, lie far outside frames of {self._frames()}; they "
                "are in another unit; give scene pixels"
            )
            return
        self._lose(far)
        self._warn(
            f"{count} of {total} positions lie more than {MAX_FRAMES_OUTSIDE} frames outside frames of "
            f"{self._frames()}, such as {example}; they count as lost"
        )

    def require_positions(self) -> bool:
        """Refuse gaze without any valid sample; return whether there is one."""
        if np.isfinite(self.x).any():
            return True
        count, recording = len(self.x), self.recording
        text = f"none of the {count} samples has a position"
        low = int((self.confidence < recording.min_confidence).sum())
        if recording.camera_file is not None:
            text += (
                f": the gaze is angles, and pixels need the scene camera; put {recording.camera_file} next to the gaze "
                "(docs/reference/gaze_formats.md says what it holds)"
            )
        elif low == count:
            text += (
                f" of sufficient confidence: all are below {recording.min_confidence:g}; give a lower threshold as "
                "min_confidence (--min-confidence)"
            )
        else:
            text += "; give a recording in which the tracker saw the eyes"
        self._refuse(text)
        return False

    def require_pixels(self) -> None:
        """Refuse positions that are shares of the frame."""
        if self.size is not None and max(self.size) <= 2 * NORMALISED_LIMIT:
            return
        valid = np.isfinite(self.x)
        small = valid & (np.abs(self.x) <= NORMALISED_LIMIT) & (np.abs(self.y) <= NORMALISED_LIMIT)
        if small.sum() < NORMALISED_SHARE * valid.sum():
            return
        times = "width and height" if self.size is None else f"{self.size[1]} and {self.size[0]}"
        self._refuse(
            f"{int(small.sum())} of {int(valid.sum())} positions lie within {-NORMALISED_LIMIT:g} to "
            f"{NORMALISED_LIMIT:g}: they are normalised, and no pixels of frames of {self._frames()}; give pixels "
            f"(shares of the frame times {times}; origin top-left)"
        )

    def note_times(self, times: FrameTimes | None) -> None:
        """Refuse gaze outside the video's time, and warn of a video that is mostly without gaze."""
        if times is None:
            problems = find_unit_problems(self.times_ns)
        else:
            problems = find_time_problems(self.times_ns, np.isfinite(self.x), times)
        if problems.error is not None:
            self._refuse(problems.error)
        for text in problems.warnings:
            self._warn(text)

    def without_lost(self) -> GazeRecording:
        """Return the recording, with NaN for the positions that were found to be lost."""
        lost = [
            sample.valid and not seen
            for sample, seen in zip(self.recording.samples, np.isfinite(self.x).tolist(), strict=True)
        ]
        if not any(lost):
            return self.recording
        samples = tuple(
            replace(sample, x_px=math.nan, y_px=math.nan) if gone else sample
            for sample, gone in zip(self.recording.samples, lost, strict=True)
        )
        return replace(self.recording, samples=samples)

    def _gather(self) -> None:
        samples = self.recording.samples
        count = len(samples)
        times_ns = (max(-MAX_TIME_NS, min(MAX_TIME_NS, sample.time_ns)) for sample in samples)
        self.times_ns = np.fromiter(times_ns, np.int64, count)
        self.confidence = np.fromiter((sample.confidence for sample in samples), np.float64, count)
        self.x = np.fromiter(
            (sample.x_px if sample.valid else math.nan for sample in samples), np.float64, count
        )
        self.y = np.fromiter(
            (sample.y_px if sample.valid else math.nan for sample in samples), np.float64, count
        )

    def _repeated(self) -> Iterator[tuple[float, float, int]]:
        """Yield positions that occur often, with the number of their samples."""
        seen = np.isfinite(self.x)
        positions, counts = np.unique(self.x[seen] + 1j * self.y[seen], return_counts=True)
        often = counts >= MIN_REPEATS
        for position, count in zip(positions[often].tolist(), counts[often].tolist(), strict=True):
            yield position.real, position.imag, count

    def _is_outside(self, x: float, y: float) -> bool:
        return self.size is not None and not (0 <= x < self.size[1] and 0 <= y < self.size[0])

    def _lose(self, which: NDArray[np.bool_]) -> None:
        self.x[which] = self.y[which] = math.nan

    def _frames(self) -> str:
        return "unknown size" if self.size is None else f"{self.size[1]}x{self.size[0]}"

    def _refuse(self, text: str) -> None:
        self.errors.append(f"gaze: {self.recording.name}: {text}")

    def _warn(self, text: str) -> None:
        self.warnings.append(f"gaze: {self.recording.name}: {text}")


def _span(part: tuple[GazeSample, ...]) -> str:
    return f"{part[0].time_ns / 1e9:.3f} to {part[-1].time_ns / 1e9:.3f} s"


def _without_name(text: str) -> str:
    return text.split(": ", 2)[2]
