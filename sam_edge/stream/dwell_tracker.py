"""Where a person looks, frame by frame: dwells of the gaze, each with the samples that belong to it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sam_edge.gaze.events import EventDetector, Fixation
from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.dwell import NS_PER_MS, DwellMerger
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning
from sam_edge.stream.uncertainty import Covariance, mean_covariance

SAMPLES_KEPT = 4096
"""Samples that wait for `DwellTracker.take`, at most; the oldest go first."""


@dataclass(frozen=True, slots=True)
class DwellSegment:
    """The part of a dwell that lies between two calls of `DwellTracker.take`."""

    dwell_id: int
    """Number of the dwell; its segments share it."""
    onset_ns: int
    """When the dwell began."""
    time_ns: int
    """Time of its newest sample."""
    x_px: float
    """Mean place of the samples of this segment, frame pixels."""
    y_px: float
    """As `x_px`, vertical."""
    spread_px: float
    """Scatter of the whole dwell, frame pixels."""
    samples: tuple[tuple[float, float, int], ...] = ()
    """The samples of this segment: place x, y in frame pixels, and time in nanoseconds."""
    covariance_px2: Covariance | None = None
    """What its samples say about their error, (xx, xy, yy) in square pixels; None when they do not say it."""


@dataclass(frozen=True, slots=True)
class GazePlace:
    """Where gaze is now."""

    dwell_id: int
    """Number of the dwell."""
    x_px: float
    """Mean place of the newest samples, frame pixels."""
    y_px: float
    """As `x_px`, vertical."""
    time_ns: int
    """Mean time of the newest samples."""
    covariance_px2: Covariance | None = None
    """As in `DwellSegment`."""


class DwellTracker:
    """Turns samples into dwell segments. Safe for several threads: one may feed while another takes."""

    def __init__(self, px_per_deg: float, tuning: SelectionTuning = DEFAULT_TUNING) -> None:
        """Begin without gaze; `px_per_deg` is frame pixels in a degree of visual angle."""
        self._min_dwell_ns = tuning.min_dwell_ms * NS_PER_MS
        self._onset_ns = tuning.onset_ms * NS_PER_MS
        self._now_ns = tuning.now_ms * NS_PER_MS
        self._stray_px = tuning.stray_deg * px_per_deg
        # Everything below is read and written under the lock, by any thread.
        self._lock = threading.Lock()
        self._detector = EventDetector(px_per_deg=px_per_deg)
        self._merger = DwellMerger(px_per_deg, tuning)
        self._dwell: Fixation | None = None
        self._samples: list[GazeSample] = []
        self._newest: deque[GazeSample] = deque(maxlen=SAMPLES_KEPT)
        self._new = False

    def feed(self, samples: Iterable[GazeSample]) -> None:
        """Take samples in order of time, on the clock of the frames."""
        with self._lock:
            for sample in samples:
                if sample.valid:
                    self._samples.append(sample)
                    self._newest.append(sample)
                    while self._newest[0].time_ns < sample.time_ns - self._now_ns:
                        self._newest.popleft()
                for fixation in self._detector.update(sample).fixations:
                    self._dwell = self._merger.update(fixation)
                    self._new = True
            del self._samples[:-SAMPLES_KEPT]

    @property
    def dwell_id(self) -> int | None:
        """Number of the newest dwell; None before the first one."""
        with self._lock:
            return None if self._dwell is None else self._dwell.event_id

    @property
    def place(self) -> GazePlace | None:
        """Where gaze rests now; None before the dwell is long enough to count."""
        with self._lock:
            dwell, newest = self._dwell, list(self._newest)
        if dwell is None or dwell.duration_ns < self._min_dwell_ns:
            return None
        begin_ns = dwell.time_ns - self._now_ns
        own = self._own([sample for sample in newest if sample.time_ns >= begin_ns], dwell)
        if not own:
            return GazePlace(dwell.event_id, dwell.x_px, dwell.y_px, dwell.time_ns)
        x_px, y_px, time_ns = np.mean(_places(own), axis=0)
        return GazePlace(dwell.event_id, float(x_px), float(y_px), int(time_ns), _covariance(own))

    def take(self) -> DwellSegment | None:
        """Return the segment since the last call; None when gaze did not rest, or has not rested long enough."""
        with self._lock:
            samples, self._samples = self._samples, []
            dwell, new = self._dwell, self._new
            self._new = False
        if dwell is None or not new or dwell.duration_ns < self._min_dwell_ns:
            return None
        own = self._own(samples, dwell)
        x_px, y_px, _ = np.mean(_places(own), axis=0) if own else (dwell.x_px, dwell.y_px, dwell.time_ns)
        return DwellSegment(
            dwell_id=dwell.event_id,
            onset_ns=dwell.onset_ns,
            time_ns=dwell.time_ns,
            x_px=float(x_px),
            y_px=float(y_px),
            spread_px=dwell.spread_px,
            samples=tuple(_places(own)),
            covariance_px2=_covariance(own),
        )

    def _own(self, samples: list[GazeSample], dwell: Fixation) -> list[GazeSample]:
        """Return those samples that belong to a dwell."""
        begin_ns = dwell.onset_ns + self._onset_ns
        return [
            sample
            for sample in samples
            if sample.time_ns >= begin_ns
            and abs(sample.x_px - dwell.x_px) < self._stray_px
            and abs(sample.y_px - dwell.y_px) < self._stray_px
        ]


def _places(samples: list[GazeSample]) -> list[tuple[float, float, int]]:
    """Return place and time of samples."""
    return [(sample.x_px, sample.y_px, sample.time_ns) for sample in samples]


def _covariance(samples: list[GazeSample]) -> Covariance | None:
    return mean_covariance([sample.covariance_px2 for sample in samples])
