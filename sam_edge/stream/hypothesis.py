"""Mask hypotheses: what gaze at one place may mean, by SAM's masks of that place."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.candidate import Grid, ObjectCandidate, grid_iou, is_background, to_grid
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
    model: Segmenter,
    embedding: Embedding,
    prompts: Sequence[Sequence[tuple[float, float]]],
    tuning: SelectionTuning,
) -> list[list[MaskHypothesis]]:
    """Decode prompts in one batch, and return for each how likely each of its masks is the object.

    A mask of the scene is left out, so there may be none.

    Args:
        model: decodes.
        embedding: the scene.
        prompts: for each the points on one object, frame pixels; all have the same number of points.
        tuning: how hypotheses are weighed.
    """
    logits, scores = model.decode_logits(embedding, points=prompts)
    # A single point has three hypotheses; SAM's first mask is for prompts that leave no doubt.
    first = 1 if len(prompts[0]) == 1 else 0
    return [
        _weigh_masks(maps[first:], values[first:].astype(np.float64), embedding, tuning)
        for maps, values in zip(logits, scores, strict=True)
    ]


def _weigh_masks(
    maps: NDArray[np.float32],
    values: NDArray[np.float64],
    embedding: Embedding,
    tuning: SelectionTuning,
) -> list[MaskHypothesis]:
    """Return the masks of one prompt, low-resolution logits (n, 4h, 4w), and how likely each is among them."""
    grids = [to_grid(lowres_logits, embedding) for lowres_logits in maps]
    areas = np.array([max(np.count_nonzero(grid > 0) / grid.size, 1e-5) for grid in grids])
    objects = [index for index, grid in enumerate(grids) if not is_scene(grid > 0, tuning)]
    if not objects:
        return []
    slack = np.minimum(values - values.max() + tuning.hypothesis_slack, 0.0)
    log_probability = tuning.hypothesis_sharpness * slack
    # Of equals the largest: people mean objects, not parts of them.
    log_probability += np.log(areas) - 8.0 * np.maximum(areas - tuning.max_area_share, 0.0)
    log_probability += [
        math.log(tuning.background_odds) if is_background(grid, tuning) else 0.0 for grid in grids
    ]
    probabilities = np.exp(log_probability - log_probability[objects].max())
    probabilities /= probabilities[objects].sum()
    return [
        MaskHypothesis(grids[index], float(probabilities[index]), float(values[index]), maps[index])
        for index in objects
    ]


def doubt_compounds(
    hypotheses: Sequence[MaskHypothesis], compounds: Collection[int], tuning: SelectionTuning
) -> list[MaskHypothesis]:
    """Return the hypotheses of one prompt with those made less likely whose indices are those of compounds."""
    odds = [
        item.probability * (tuning.compound_odds if index in compounds else 1.0)
        for index, item in enumerate(hypotheses)
    ]
    total = sum(odds)
    return [replace(item, probability=value / total) for item, value in zip(hypotheses, odds, strict=True)]


def is_scene(mask: NDArray[np.bool_], tuning: SelectionTuning) -> bool:
    """Return whether a mask covers nearly the whole frame: every dwell would lie on it, and gaze could not leave it."""
    return bool(np.count_nonzero(mask) > tuning.max_object_area_share * mask.size)


def add_support(
    candidate: ObjectCandidate,
    hypotheses: Sequence[MaskHypothesis],
    tuning: SelectionTuning,
    *,
    weight: float = 1.0,
) -> None:
    """Add to a candidate's support how well the hypotheses of a single segment reproduce it, times a weight."""
    add_mean_support(candidate, [hypotheses], tuning, weight=weight)


def add_mean_support(
    candidate: ObjectCandidate,
    prompts: Sequence[Sequence[MaskHypothesis]],
    tuning: SelectionTuning,
    *,
    weight: float = 1.0,
) -> None:
    """Add to a candidate's support how well the hypotheses of several prompts reproduce it on average, times a weight.

    Nothing is added where there is no prompt that has hypotheses.
    """
    prompts = [hypotheses for hypotheses in prompts if hypotheses]
    if not prompts:
        return
    mask = candidate.mask
    candidate.support += (
        weight
        * sum(
            max(
                hypothesis.probability * grid_iou(hypothesis.grid_logits > 0, mask) ** 2
                for hypothesis in hypotheses
            )
            for hypotheses in prompts
        )
        / len(prompts)
    )
    candidate.trials += 1.0
    if candidate.trials > tuning.max_trials:
        candidate.support *= tuning.max_trials / candidate.trials
        candidate.trials = tuning.max_trials
