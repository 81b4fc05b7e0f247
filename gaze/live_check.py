"""What looks wrong with gaze that comes live: said once, in a warning, while the session goes on.

Recorded gaze is checked as a whole before a model runs, see `sam_edge.gaze.fit`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from sam_edge.errors import SamEdgeWarning
from sam_edge.gaze.fit import (
    LOST_PAIRS,
    LOST_VALUES,
    LOW_CONFIDENCE_SHARE,
    MIN_REPEATS,
    NORMALISED_LIMIT,
    NORMALISED_SHARE,
    USUAL_CONFIDENCE,
)
from sam_edge.gaze.samples import GazeSample

POSITIONS_TO_JUDGE = 100
"""Valid samples from which their unit is judged."""
SAMPLES_TO_JUDGE = 1000
"""Samples from which their confidence, and whether any has a position, is judged."""
FRAMES_TO_JUDGE = 100
"""Frames after which gaze of another clock is said."""
OTHER_CLOCK_NS = 5_000_000_000
"""Gaze that is never closer to a frame's time than this is on another clock."""


class LiveGazeCheck:
    """Counts what comes, and warns once of each thing that looks wrong. One thread adds samples, one adds frames."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._samples = self._valid = self._small = self._low = self._lost = 0
        self._newest_ns: int | None = None
        self._frames_apart = 0
        self._said: set[str] = set()

    def add_samples(self, samples: Iterable[GazeSample]) -> None:
        """Count samples as they come."""
        for sample in samples:
            self._samples += 1
            self._newest_ns = sample.time_ns
            self._low += 0 < sample.confidence < USUAL_CONFIDENCE
            if not sample.valid:
                continue
            x, y = sample.x_px, sample.y_px
            self._valid += 1
            self._small += abs(x) <= NORMALISED_LIMIT and abs(y) <= NORMALISED_LIMIT
            self._lost += (x, y) in LOST_PAIRS or x in LOST_VALUES or y in LOST_VALUES
        self._judge_samples()

    def add_frame(self, time_ns: int) -> None:
        """Compare a frame's time with that of the newest sample."""
        if self._newest_ns is None or "clock" in self._said:
            return
        apart_ns = self._newest_ns - time_ns
        self._frames_apart = self._frames_apart + 1 if abs(apart_ns) > OTHER_CLOCK_NS else 0
        if self._frames_apart >= FRAMES_TO_JUDGE:
            self._say(
                "clock",
                f"for {FRAMES_TO_JUDGE} frames, the newest sample is {OTHER_CLOCK_NS / 1e9:g} s or more away, now "
                f"{abs(apart_ns) / 1e9:.1f} s {'after' if apart_ns > 0 else 'before'} the frame; give gaze and frames "
                "times of one clock (time.monotonic_ns), and check that the tracker still sends",
                stacklevel=4,
            )

    def _judge_samples(self) -> None:
        if self._lost >= MIN_REPEATS:
            self._say(
                "lost",
                f"{self._lost} samples lie at (0, 0), (-1, -1), 1e8 or -32768, which is how a lost sample is written; "
                "feed lost samples with positions of NaN",
            )
        elif self._valid >= POSITIONS_TO_JUDGE and self._small >= NORMALISED_SHARE * self._valid:
            self._say(
                "unit",
                f"{self._small} of {self._valid} positions lie within {-NORMALISED_LIMIT:g} to {NORMALISED_LIMIT:g}: "
                "they are normalised; feed pixels of the frames (origin top-left)",
            )
        if self._samples < SAMPLES_TO_JUDGE:
            return
        if self._valid == 0:
            self._say(
                "none",
                f"none of {self._samples} samples has a position; check that the tracker sees the eyes",
            )
        if self._low > LOW_CONFIDENCE_SHARE * self._samples:
            self._say(
                "confidence",
                f"{self._low / self._samples:.0%} of {self._samples} samples have a confidence below "
                f"{USUAL_CONFIDENCE:g}, and are used; feed those with positions of NaN that should not count",
            )

    def _say(self, what: str, text: str, *, stacklevel: int = 5) -> None:
        if what not in self._said:
            self._said.add(what)
            warnings.warn(f"gaze: {text}", SamEdgeWarning, stacklevel=stacklevel)
