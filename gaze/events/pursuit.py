"""Fixation or smooth pursuit, sample by sample, in the light of what the eye has done lately."""

from __future__ import annotations

from math import exp

from sam_edge.gaze.events import model
from sam_edge.gaze.events.drift import DriftTracker
from sam_edge.gaze.events.types import EventKind

MEMORY_S = 4.0
"""How long it is remembered whether objects were followed: some ten fixations."""
DOUBT = 0.3
"""Weight of not knowing, against a memory that fills up to 1: a young memory says little."""
HYSTERESIS = 0.3
"""Log-odds that a change between fixation and pursuit within a stretch has to win by."""


class PursuitJudge:
    """Decides between fixation and pursuit for each stable sample.

    The drift of the stretch gives evidence. A viewer of a photograph pursues nothing, whatever the tracker's slow
    errors look like; a viewer of a moving ball pursues it again after a blink. So the evidence of the last seconds
    counts as well, by the square of its one-sidedness: a scene that holds both keeps the decision open.
    """

    def __init__(self) -> None:
        """Start without a memory."""
        self.drift = DriftTracker()
        self.kind = EventKind.FIXATION
        self._lean = 0.0
        self._filled = 0.0

    def begin(self, t_s: float, interval_s: float) -> EventKind:
        """First guess for a stretch that begins at `t_s`."""
        self.kind = EventKind.FIXATION
        return self._decide(
            model.pursuit_evidence(self.drift.features(t_s), model.band(interval_s)), interval_s
        )

    def judge(self, t_s: float, interval_s: float) -> EventKind:
        """Verdict for the stable sample at `t_s`, which also enters the memory."""
        evidence = model.pursuit_evidence(self.drift.features(t_s), model.band(interval_s))
        gain = 1.0 - exp(-interval_s / MEMORY_S)
        probability = 1.0 / (1.0 + exp(-max(-30.0, min(30.0, evidence))))
        self._lean += (probability - 0.5 - self._lean) * gain
        self._filled += (1.0 - self._filled) * gain
        return self._decide(evidence, interval_s)

    def _decide(self, evidence: float, interval_s: float) -> EventKind:
        lean = self._lean / (self._filled + DOUBT)
        score = model.pursuit_score(evidence, lean * abs(lean), model.band(interval_s))
        bar = -HYSTERESIS if self.kind is EventKind.PURSUIT else HYSTERESIS
        self.kind = EventKind.PURSUIT if score > bar else EventKind.FIXATION
        return self.kind
