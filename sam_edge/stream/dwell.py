"""Dwells: pieces of fixations that an event detector splits up, joined as a selection needs them.

Following an object in video is made of tiny catch-up saccades, one a frame for an object that moves fast. Each is an
event of its own for a detector, but the person looks at one place of one object all along. Vendors merge likewise:
Tobii's Ocumen joins fixations less than 3 degrees and 100 ms apart.
"""

from __future__ import annotations

from dataclasses import replace

from sam_edge.gaze.events import Fixation, is_continuation, merge_fixations
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning

NS_PER_MS = 1_000_000


class DwellMerger:
    """Joins fixations that follow each other closely in place and time. Not for several threads."""

    def __init__(self, px_per_deg: float, tuning: SelectionTuning = DEFAULT_TUNING) -> None:
        """Begin without a fixation; `px_per_deg` is frame pixels in a degree."""
        self._near_px = tuning.merge_deg * px_per_deg
        self._gap_ns = tuning.merge_ms * NS_PER_MS
        self._dwell: Fixation | None = None
        self._earlier: Fixation | None = None
        self._fixation_id = -1
        self._dwell_id = -1

    def update(self, fixation: Fixation) -> Fixation:
        """Take a report of the detector and return the dwell that it belongs to.

        A dwell has the first fixation's onset, and the newest one's place and scatter; `event_id` counts dwells.
        """
        if self._dwell is None or fixation.event_id != self._fixation_id:
            self._earlier = self._dwell if self._continues(fixation) else None
            self._dwell_id += self._earlier is None
            self._fixation_id = fixation.event_id
        if self._earlier is None:
            self._dwell = replace(fixation, event_id=self._dwell_id)
        else:
            self._dwell = merge_fixations(self._earlier, fixation, place=fixation)
        return self._dwell

    def _continues(self, fixation: Fixation) -> bool:
        """Return whether a new fixation continues the newest dwell."""
        dwell = self._dwell
        return dwell is not None and is_continuation(
            dwell.time_ns,
            (dwell.x_px, dwell.y_px),
            fixation.onset_ns,
            (fixation.x_px, fixation.y_px),
            max_gap_ns=self._gap_ns,
            max_distance_px=self._near_px,
        )
