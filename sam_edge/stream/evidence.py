"""Evidence: how well each candidate explains where the gaze has rested.

`docs/explanation/selection.md` has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sam_edge.stream.anchor import Anchor
from sam_edge.stream.candidate import Grid, ObjectCandidate, density_at, gaze_density, is_background
from sam_edge.stream.motion import grid_of
from sam_edge.stream.tuning import SelectionTuning
from sam_edge.stream.uncertainty import is_uncertain, noise_of


def weigh(
    candidates: Sequence[ObjectCandidate],
    anchors: Sequence[Anchor],
    current: Anchor | None,
    *,
    frame_size: tuple[int, int],
    noise_px: float,
    tuning: SelectionTuning,
) -> None:
    """Update the fits, the log-prior and the log-posterior of candidates.

    Args:
        candidates: their masks on the newest scene.
        anchors: the dwells that are remembered, oldest first, on the newest scene.
        current: the anchor of the dwell that goes on; None when gaze does not rest on the scene.
        frame_size: (height, width) of the frame, pixels.
        noise_px: standard deviation of the tracker's error, frame pixels.
        tuning: how evidence is weighed.
    """
    for candidate in candidates:
        candidate.background = not candidate.confirmed and is_background(candidate.grid_logits, tuning)
        update_fits(candidate, anchors, current, frame_size, noise_px, tuning)
        update_clear(candidate, current, tuning)
        support = candidate.support + tuning.initial_support
        trials = candidate.trials + tuning.initial_trials
        candidate.log_prior = tuning.support_weight * math.log(support / trials + 0.01)
    for anchor in anchors:
        found = [item.log_prior for item in candidates if item.fits[anchor.dwell_id] >= 0.5]
        # The best prior stays: a poor hypothesis must not win the place later only because its rival is gone.
        anchor.best_log_prior = (
            max(found, default=-math.inf) if anchor is current else max([anchor.best_log_prior, *found])
        )
    glances = [glance_probability(anchor, tuning) for anchor in anchors]
    for candidate in candidates:
        find_best_history(candidate, anchors, glances, noise_px, tuning)


def update_fits(
    candidate: ObjectCandidate,
    anchors: Sequence[Anchor],
    current: Anchor | None,
    frame_size: tuple[int, int],
    noise_px: float,
    tuning: SelectionTuning,
) -> None:
    """Measure how well a candidate explains the current dwell, and those that it has not been compared with."""
    densities: dict[tuple[float, float], Grid] = {}
    cells_per_px = grid_of(frame_size)[1] / frame_size[1]
    for anchor in anchors:
        if anchor is not current and anchor.dwell_id in candidate.fits:
            continue
        across, down = noise_of(anchor.covariance_px2, noise_px)
        noise_cells = (across * cells_per_px, down * cells_per_px)
        if noise_cells not in densities:
            densities[noise_cells] = gaze_density(candidate.grid_logits, noise_cells)
        density = densities[noise_cells]
        fit = min(density_at(density, anchor.x_px, anchor.y_px, frame_size), tuning.max_fit)
        if anchor is not current and fit > 1.0:
            fit **= tuning.past_weight
        known = candidate.fits.get(anchor.dwell_id)
        candidate.fits[anchor.dwell_id] = fit if known is None else known + tuning.fit_gain * (fit - known)
    kept = {anchor.dwell_id for anchor in anchors}
    candidate.fits = {dwell: fit for dwell, fit in candidate.fits.items() if dwell in kept}
    candidate.pursuit = {dwell: value for dwell, value in candidate.pursuit.items() if dwell in kept}


def update_clear(candidate: ObjectCandidate, current: Anchor | None, tuning: SelectionTuning) -> None:
    """Note whether the model is sure of a candidate that the current dwell lies on."""
    candidate.clear &= candidate.fits.keys()
    sure = candidate.followed and candidate.score >= tuning.clear_score and not candidate.background
    if current is not None and sure and candidate.fits[current.dwell_id] >= 1.0:
        candidate.clear |= {current.dwell_id}


def glance_probability(anchor: Anchor, tuning: SelectionTuning) -> float:
    """Return the probability that a dwell of the anchor's length is a glance, times that of its place."""
    excess_ms = max(0.0, anchor.dwell_ms - tuning.glance_ms)
    return max(tuning.glance_probability * math.exp(-excess_ms / tuning.glance_fade_ms), 1e-3)


def find_best_history(
    candidate: ObjectCandidate,
    anchors: Sequence[Anchor],
    glances: Sequence[float],
    noise_px: float,
    tuning: SelectionTuning,
) -> None:
    """Find the dwell from which on a candidate is most likely the target, and the log-posterior of that."""
    candidate.log_posterior, candidate.since_dwell = -math.inf, -1
    stays = 1.0 - tuning.glance_probability
    later = 0.0
    for index in range(len(anchors) - 1, -1, -1):
        anchor = anchors[index]
        fit = candidate.fits[anchor.dwell_id]
        before = anchor.history_log_likelihood if index > 0 else 0.0
        if index > 0 and anchor.after_stable and anchor.dwell_id in candidate.clear:
            before += math.log(tuning.change_clear / tuning.change_stable)
        pursuit = candidate.pursuit.get(anchor.dwell_id, 0.0)
        if candidate.background:
            fit = min(fit, tuning.background_fit)
        log_posterior = before + candidate.log_prior - anchor.best_log_prior + later + pursuit
        if candidate.background and index > 0:
            # To stay with a background must not cost more than to turn to it anew.
            log_posterior += math.log(tuning.change_scanning)
        if fit > 0 and is_uncertain(anchor.covariance_px2, noise_px, tuning):
            # The candidates were raised all over the error's ellipse: how close they are is evidence.
            log_posterior += math.log(fit / tuning.max_fit)
        if fit >= 0.5 and log_posterior > candidate.log_posterior:
            candidate.log_posterior, candidate.since_dwell = log_posterior, anchor.dwell_id
        later += math.log(stays * fit * math.exp(pursuit) + glances[index])
