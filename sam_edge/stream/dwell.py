"""Dwells: pieces of fixations that an event detector splits up, joined as a selection needs them.

Following an object in video is made of tiny catch-up saccades, one a frame for an object that moves fast. Each is an
event of its own for a detector, but the person looks at one place of one object all along. Vendors merge likewise:
Tobii's Ocumen joins fixations less than 3 degrees and 100 ms apart.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sam_edge.gaze.events import Fixation
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning

NS_PER_MS = 1_000_000


class DwellMerger:
    """Joins fixations that follow each other closely in place and time. Not for several threads."""

    def __init__(self, px_per_deg: float, tuning: SelectionTuning = DEFAULT_TUNING) -> None:
        """Begin without a fixation; `px_per_deg` is frame pixels in a degree."""
        self._near_px = tuning.merge_deg * px_per_deg
        self._gap_ns = tuning.merge_ms * NS_PER_MS
        self._dwell: Fixation | None = None
        self._fixation_id = -1
        self._onset_ns = 0
        self._earlier_samples = 0
        self._dwell_id = -1

    def update(self, fixation: Fixation) -> Fixation:
        """Take a report of the detector and return the dwell that it belongs to.

        A dwell has the first fixation's onset, and the newest one's place and scatter; `event_id` counts dwells.
        """
        before = self._dwell
        if before is None or fixation.event_id != self._fixation_id:
            joined = before is not None and self._continues(before, fixation)
            if not joined:
                self._dwell_id += 1
                self._onset_ns = fixation.onset_ns
            self._earlier_samples = before.sample_count if joined and before is not None else 0
            self._fixation_id = fixation.event_id
        self._dwell = replace(
            fixation,
            event_id=self._dwell_id,
            onset_ns=self._onset_ns,
            sample_count=self._earlier_samples + fixation.sample_count,
        )
        return self._dwell

    def _continues(self, before: Fixation, fixation: Fixation) -> bool:
        gap_ns = fixation.onset_ns - before.time_ns
        distance_px = math.hypot(fixation.x_px - before.x_px, fixation.y_px - before.y_px)
        return 0 <= gap_ns <= self._gap_ns and distance_px <= self._near_px
