"""The two small linear models that tell the kinds of eye movement apart."""

from __future__ import annotations

from operator import mul

from sam_edge.gaze.events.coefficients import CONTEXT, MOVEMENT, PURSUIT
from sam_edge.gaze.events.types import EventKind

BAND_EDGES_MS = (3.2, 6.5, 12.0, 24.0)
"""Sample intervals between which the models were fitted apart: about 500, 200, 120, 60 and 30 Hz."""


def band(interval_s: float) -> int:
    """Which set of coefficients fits a stream with this interval between samples."""
    interval_ms = interval_s * 1e3
    for index, edge in enumerate(BAND_EDGES_MS):
        if interval_ms < edge:
            return index
    return len(BAND_EDGES_MS)


def movement(features: list[float], band_index: int) -> EventKind:
    """Stable (reported as `FIXATION`), saccade, or post-saccadic oscillation: the one with the highest score."""
    saccade_row, pso_row = MOVEMENT[band_index]
    saccade = sum(map(mul, saccade_row, features))
    pso = sum(map(mul, pso_row, features))
    if saccade <= 0.0 and pso <= 0.0:
        return EventKind.FIXATION
    return EventKind.SACCADE if saccade >= pso else EventKind.PSO


def pursuit_evidence(features: list[float], band_index: int) -> float:
    """Log-odds of pursuit against fixation, from the drift alone."""
    return float(sum(map(mul, PURSUIT[band_index], features)))


def pursuit_score(evidence: float, context: float, band_index: int) -> float:
    """Log-odds of pursuit from the drift and from what the last seconds were like (-0.25 fixation .. 0.25 pursuit)."""
    constant, of_evidence, of_context = CONTEXT[band_index]
    return float(constant + of_evidence * evidence + of_context * context)
