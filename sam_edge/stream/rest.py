"""Where gaze rests, as a selection needs it: what an event detector splits into short pieces is one rest.

Following a thing in video is made of tiny catch-up saccades, one a frame for a thing that moves fast. Each is an event
of its own for a detector, but the person looks at one place of one thing all along. Vendors merge likewise: Tobii's
Ocumen joins fixations less than 3 degrees and 100 ms apart.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sam_edge.gaze.events import Fixation

MERGED_DEG = 2.0
"""Pieces no farther apart than this are one rest. A look at another place of the same thing usually is farther."""
MERGED_MS = 100.0
"""Pieces no longer apart than this are one rest."""
NS_PER_MS = 1_000_000


class RestMerger:
    """Joins fixations that follow each other closely in place and time."""

    def __init__(self, px_per_deg: float) -> None:
        """Begin without a fixation; `px_per_deg` is frame pixels in a degree."""
        self._near_px = MERGED_DEG * px_per_deg
        self._rest: Fixation | None = None
        self._piece = -1
        self._onset_ns = 0
        self._earlier_samples = 0
        self._number = -1

    def update(self, fixation: Fixation) -> Fixation:
        """Take a report of the detector and return the rest that it belongs to.

        A rest has the first piece's onset, and the newest piece's place and scatter; `event_id` counts rests.
        """
        before = self._rest
        if before is None or fixation.event_id != self._piece:
            joined = before is not None and self._continues(before, fixation)
            if not joined:
                self._number += 1
                self._onset_ns = fixation.onset_ns
            self._earlier_samples = before.sample_count if joined and before is not None else 0
            self._piece = fixation.event_id
        self._rest = replace(
            fixation,
            event_id=self._number,
            onset_ns=self._onset_ns,
            sample_count=self._earlier_samples + fixation.sample_count,
        )
        return self._rest

    def _continues(self, before: Fixation, fixation: Fixation) -> bool:
        gap_ns = fixation.onset_ns - before.time_ns
        distance_px = math.hypot(fixation.x_px - before.x_px, fixation.y_px - before.y_px)
        return 0 <= gap_ns <= MERGED_MS * NS_PER_MS and distance_px <= self._near_px
