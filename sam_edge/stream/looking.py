"""Where a person looks, frame by frame: rests of the gaze, each with the samples that belong to it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sam_edge.gaze.events import EventDetector, Fixation
from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.rest import NS_PER_MS, RestMerger

SETTLED_MS = 60.0
"""Gaze must rest this long before it counts: the first samples after a saccade still move."""
ONSET_MS = 20.0
"""Samples this soon after the onset are left out of a place: they still settle."""
STRAY_DEG = 3.0
"""Samples farther than this from their fixation are not of it."""
NOW_MS = 60.0
"""Samples of so long say where gaze is now."""
SAMPLES_KEPT = 4096
"""Samples that wait for a look, at most; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the gaze did since the last look: it rests on one place."""

    rest_id: int
    """Number of the rest; looks of one rest belong together."""
    onset_ns: int
    """When the rest began."""
    time_ns: int
    """Its newest sample."""
    x_px: float
    """Mean place of the samples of this look, frame pixels."""
    y_px: float
    """As `x_px`, vertical."""
    spread_px: float
    """Scatter of the whole rest, frame pixels."""
    samples: tuple[tuple[float, float, int], ...] = ()
    """The samples of this look: place x, y in frame pixels, and time."""


class Looking:
    """Turns samples into looks. Safe for several threads: one may feed while another takes."""

    def __init__(self, px_per_deg: float) -> None:
        """Begin without gaze; `px_per_deg` is frame pixels in a degree of visual angle."""
        self._detector = EventDetector(px_per_deg=px_per_deg)
        self._rests = RestMerger(px_per_deg)
        self._stray_px = STRAY_DEG * px_per_deg
        self._fixation: Fixation | None = None
        self._samples: list[GazeSample] = []
        self._newest: deque[GazeSample] = deque(maxlen=SAMPLES_KEPT)
        self._new = False
        self._lock = threading.Lock()

    def feed(self, samples: Iterable[GazeSample]) -> None:
        """Take samples in order of time, on the clock of the frames."""
        with self._lock:
            for sample in samples:
                if sample.valid:
                    self._samples.append(sample)
                    self._newest.append(sample)
                    while self._newest[0].time_ns < sample.time_ns - NOW_MS * NS_PER_MS:
                        self._newest.popleft()
                for fixation in self._detector.update(sample).fixations:
                    self._fixation = self._rests.update(fixation)
                    self._new = True
            del self._samples[:-SAMPLES_KEPT]

    @property
    def rest_id(self) -> int | None:
        """Number of the newest rest, if there was any."""
        with self._lock:
            return None if self._fixation is None else self._fixation.event_id

    @property
    def place(self) -> tuple[int, float, float, int] | None:
        """Where gaze rests now: number of the rest, place in frame pixels, mean time; None before it counts."""
        with self._lock:
            fixation, newest = self._fixation, list(self._newest)
        if fixation is None or fixation.duration_ns < SETTLED_MS * NS_PER_MS:
            return None
        since_ns = fixation.time_ns - NOW_MS * NS_PER_MS
        own = self._own([sample for sample in newest if sample.time_ns >= since_ns], fixation)
        if not own:
            return fixation.event_id, fixation.x_px, fixation.y_px, fixation.time_ns
        x_px, y_px, time_ns = np.mean(own, axis=0)
        return fixation.event_id, float(x_px), float(y_px), int(time_ns)

    def _own(self, samples: list[GazeSample], fixation: Fixation) -> list[tuple[float, float, int]]:
        """Return place and time of those samples that belong to a fixation."""
        since_ns = fixation.onset_ns + ONSET_MS * NS_PER_MS
        return [
            (sample.x_px, sample.y_px, sample.time_ns)
            for sample in samples
            if sample.time_ns >= since_ns
            and abs(sample.x_px - fixation.x_px) < self._stray_px
            and abs(sample.y_px - fixation.y_px) < self._stray_px
        ]

    def take(self) -> Look | None:
        """Return the look since the last call; None when gaze did not rest, or has not rested long enough."""
        with self._lock:
            samples, self._samples = self._samples, []
            fixation, new = self._fixation, self._new
            self._new = False
        if fixation is None or not new or fixation.duration_ns < SETTLED_MS * NS_PER_MS:
            return None
        own = self._own(samples, fixation)
        x_px, y_px, _ = np.mean(own, axis=0) if own else (fixation.x_px, fixation.y_px, fixation.time_ns)
        return Look(
            rest_id=fixation.event_id,
            onset_ns=fixation.onset_ns,
            time_ns=fixation.time_ns,
            x_px=float(x_px),
            y_px=float(y_px),
            spread_px=fixation.spread_px,
            samples=tuple(own),
        )
