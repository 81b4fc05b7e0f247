"""Mask hypotheses: what gaze at one place may mean, by SAM's masks of that place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.candidate import Grid, ObjectCandidate, grid_iou, to_grid
from sam_edge.stream.tuning import SelectionTuning


@dataclass(frozen=True, slots=True)
class MaskHypothesis:
    """One of SAM's masks of a prompt."""

    grid_logits: Grid
    """The mask on the motion grid of the scene that was decoded."""
    probability: float
    """How likely it is among the hypotheses of the same prompt."""
    score: float
    """Predicted IoU."""
    lowres_logits: NDArray[np.float32]
    """Low-resolution logits (4h, 4w) on the scene's embedding."""

    def as_candidate(self) -> ObjectCandidate:
        """Return a new candidate with this mask."""
        return ObjectCandidate(self.grid_logits, self.score, self.lowres_logits)


def decode_hypotheses(
    model: Segmenter, embedding: Embedding, points: Sequence[tuple[float, float]], tuning: SelectionTuning
) -> list[MaskHypothesis]:
    """Decode points on one object, frame pixels, and return how likely each mask is that object.

    A mask of the scene is left out, so there may be none.
    """
    logits, scores = model.decode_logits(embedding, points=[points])
    # A single point has three hypotheses; SAM's first mask is for prompts that leave no doubt.
    first = 1 if len(points) == 1 else 0
    maps, values = logits[0, first:], scores[0, first:].astype(np.float64)
    grids = [to_grid(lowres_logits, embedding) for lowres_logits in maps]
    areas = np.array([max(np.count_nonzero(grid > 0) / grid.size, 1e-5) for grid in grids])
    objects = [index for index, grid in enumerate(grids) if not is_scene(grid > 0, tuning)]
    if not objects:
        return []
    slack = np.minimum(values - values.max() + tuning.hypothesis_slack, 0.0)
    log_probability = tuning.hypothesis_sharpness * slack
    # Of equals the largest: people mean objects, not parts of them.
    log_probability += np.log(areas) - 8.0 * np.maximum(areas - tuning.max_area_share, 0.0)
    probabilities = np.exp(log_probability - log_probability[objects].max())
    probabilities /= probabilities[objects].sum()
    return [
        MaskHypothesis(grids[index], float(probabilities[index]), float(values[index]), maps[index])
        for index in objects
    ]


def is_scene(mask: NDArray[np.bool_], tuning: SelectionTuning) -> bool:
    """Return whether a mask covers nearly the whole frame: every dwell would lie on it, and gaze could not leave it."""
    return bool(np.count_nonzero(mask) > tuning.max_object_area_share * mask.size)


def add_support(
    candidate: ObjectCandidate, hypotheses: Sequence[MaskHypothesis], tuning: SelectionTuning
) -> None:
    """Add to a candidate's support how well the hypotheses of a single segment reproduce it."""
    mask = candidate.mask
    candidate.support += max(
        hypothesis.probability * grid_iou(hypothesis.grid_logits > 0, mask) ** 2 for hypothesis in hypotheses
    )
    candidate.trials += 1.0
    if candidate.trials > tuning.max_trials:
        candidate.support *= tuning.max_trials / candidate.trials
        candidate.trials = tuning.max_trials
