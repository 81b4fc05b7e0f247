"""Ranks candidates by mask quality and latency, for each schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sam_edge.profile.budget.candidate import BudgetCandidate
from sam_edge.profile.measure.session import LIVE

MAX_LIVE_FRAME_MS = 150.0
"""Maximum latency of a whole frame in live mode: with a longer one, sessions notice a new target too late."""
MAX_ENCODE_EVERY = 8
"""Maximum distance between encoded frames: a mask that is propagated for longer drifts from the object."""
PROPAGATION_MS = 8.0
"""Approximate latency of a frame that is not encoded: motion and mask propagation. A session then measures it."""


def choose_best(candidates: Sequence[BudgetCandidate]) -> BudgetCandidate | None:
    """Choose the best masks among the candidates within the budget, else within it on average; None when none is."""
    fitting = [candidate for candidate in candidates if candidate.fits]
    fitting = fitting or [candidate for candidate in candidates if candidate.fits_on_average]
    return next(iter(rank(fitting)), None)


def rank_by_schedule(
    candidates: Sequence[BudgetCandidate], budget_ms: float
) -> tuple[list[BudgetCandidate], list[BudgetCandidate], list[BudgetCandidate]]:
    """Rank the candidates that may fit the budget: those for every frame, for one frame in n, and for live mode."""
    known = [
        (candidate, candidate.frame_ms)
        for candidate in candidates
        if candidate.frame_ms is not None and candidate.iou is not None
    ]
    every_frame = [
        candidate for candidate, frame_ms in known if candidate.encodes_every_frame and frame_ms <= budget_ms
    ]
    live = [
        candidate for candidate, frame_ms in known if candidate.mode == LIVE and frame_ms <= MAX_LIVE_FRAME_MS
    ]
    sparse = [
        replace(candidate, encode_every=every)
        for candidate, frame_ms in known
        if candidate.encodes_every_frame
        and (every := encode_interval(frame_ms, budget_ms)) is not None
        and every > 1
    ]
    return rank(every_frame), rank(sparse), rank(live)


def rank(candidates: Sequence[BudgetCandidate]) -> list[BudgetCandidate]:
    """Sort by quality, the best first. Among candidates within one standard error of the best, the fastest wins."""
    best = max(candidates, key=lambda candidate: candidate.iou or 0.0, default=None)
    if best is None:
        return []
    best_iou, error = best.iou or 0.0, best.iou_error

    def order(candidate: BudgetCandidate) -> tuple[float, float]:
        deficit = best_iou - (candidate.iou or 0.0)
        return deficit if deficit > error else 0.0, candidate.frame_ms or 0.0

    return sorted(candidates, key=order)


def encode_interval(frame_ms: float, budget_ms: float) -> int | None:
    """Return the smallest `encode_every` with which the mean of a step is within the budget.

    None when it exceeds `MAX_ENCODE_EVERY`.
    """
    if budget_ms <= PROPAGATION_MS:
        return None
    every = max(1, math.ceil(frame_ms / (budget_ms - PROPAGATION_MS)))
    return every if every <= MAX_ENCODE_EVERY else None
