"""Quality figures of a recording: rate, loss, gaps and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_edge.gaze.recordings.recording import GazeRecording

_WINDOW_NS = 100_000_000
_GAP_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    """Quality figures of a recording."""

    samples: int
    """Number of samples."""
    valid: int
    """Number of samples with a position and a confidence above zero."""
    duration_s: float
    """Time from the first sample to the last, seconds."""
    rate_hz: float | None
    """One over the median interval; None below two samples."""
    gaps: int
    """Number of gaps longer than three usual intervals."""
    longest_gap_s: float
    """Longest gap, seconds; 0 without one."""
    noise_px: float | None
    """Root mean square of sample-to-sample distances, pixels: the median over windows of 100 ms, so that saccades
    do not count. None when no window holds three valid samples in a row."""

    @property
    def loss(self) -> float:
        """Share of invalid samples, 0..1."""
        return 1.0 - self.valid / self.samples


def summarise(recording: GazeRecording) -> RecordingSummary:
    """Return rate, loss, gaps and noise of a recording."""
    samples = recording.samples
    times = np.array([sample.time_ns for sample in samples], np.int64)
    valid = np.array([sample.valid for sample in samples], bool)
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    long = steps[steps > _GAP_INTERVALS * usual]
    return RecordingSummary(
        len(samples),
        int(valid.sum()),
        recording.duration_s,
        recording.rate_hz,
        len(long),
        float(long.max() / 1e9) if len(long) else 0.0,
        _noise_px(recording, times, valid, usual),
    )


def _noise_px(recording: GazeRecording, times: np.ndarray, valid: np.ndarray, usual: float) -> float | None:
    """Return the noise over windows of time, without steps over an invalid sample or a gap."""
    positions = np.array([(sample.x_px, sample.y_px) for sample in recording.samples], float).reshape(-1, 2)
    near = valid[1:] & valid[:-1] & (np.diff(times) <= _GAP_INTERVALS * usual)
    squares = np.sum(np.diff(positions, axis=0)[near] ** 2, axis=1)
    window = max(_WINDOW_NS, round(3 * usual))
    windows, index, counts = np.unique(
        (times[1:][near] - times[0]) // window, return_inverse=True, return_counts=True
    )
    sums = np.bincount(index, weights=squares, minlength=len(windows))
    full = counts >= 2
    return float(np.median(np.sqrt(sums[full] / counts[full]))) if full.any() else None
