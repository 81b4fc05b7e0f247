"""Fixation or smooth pursuit in a whole recording: each moment judged in the light of all others.

A hidden Markov model over blocks of stable gaze. What a person looks at decides how much pursuit there is: nobody
pursues on a photograph, whatever the tracker's slow errors look like. So the log-odds have an offset that belongs to
the recording: unknown at first, the same for minutes, learned from all blocks together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sam_edge.errors import InputError
from sam_edge.gaze.events.blocks import Array, Blocks, Indices, cut_blocks
from sam_edge.gaze.events.coefficients_blocks import BLOCK_WEIGHTS
from sam_edge.gaze.events.types import EventKind, LabelledSample
from sam_edge.gaze.samples import GazeSample

STAY_LOG_ODDS = (1.0, 4.0)
"""Log-odds that the kind stays the same: from a stretch to the next one, and from a block to the next in a stretch."""
OFFSETS = 0.5 * np.array([-2.857, -1.356, 0.0, 1.356, 2.857])
"""Offsets of the log-odds that a recording may have: five points of a normal distribution, deviation 0.5."""
OFFSET_SHARES = np.array([0.01126, 0.22208, 0.53333, 0.22208, 0.01126])
"""How likely each of them is (Gauss-Hermite)."""
OFFSET_MEMORY_S = 120.0
"""How long an offset lasts on average: a person turns to something else."""
LOG_ODDS_MAX = 30.0


def smooth_kinds(
    samples: Sequence[GazeSample], labels: Sequence[LabelledSample], *, px_per_deg: float
) -> list[LabelledSample]:
    """Decide anew between fixation and pursuit, with the whole recording in view.

    Everything else stays: which samples are stable, all other kinds, and the numbers of the events.

        labels = label_recording(samples, px_per_deg=32.3)
        labels = smooth_kinds(samples, labels, px_per_deg=32.3)

    Args:
        samples: the recording, in the order in which it was made.
        labels: one label a sample, from `label_recording` or `EventDetector`.
        px_per_deg: scene pixels per degree of visual angle, positive.

    Raises:
        InputError: when there are not as many labels as samples, or `px_per_deg` is out of its range.
    """
    if len(samples) != len(labels):
        raise InputError(
            f"labels has {len(labels)} entries for {len(samples)} samples; give one label for each sample."
        )
    if not 0.0 < px_per_deg < np.inf:
        raise InputError(f"px_per_deg is {px_per_deg!r}; give a positive number of scene pixels per degree.")
    smoothed: list[LabelledSample] = []
    for first, stop in _epochs(samples):
        smoothed += _smooth_epoch(samples[first:stop], labels[first:stop], px_per_deg)
    return smoothed


def _epochs(samples: Sequence[GazeSample]) -> Iterator[tuple[int, int]]:
    """Ranges of samples between which time runs backwards."""
    cuts = [k for k, (a, b) in enumerate(pairwise(samples), start=1) if b.time_ns < a.time_ns]
    yield from pairwise([0, *cuts, len(samples)])


def _smooth_epoch(
    samples: Sequence[GazeSample], labels: Sequence[LabelledSample], px_per_deg: float
) -> list[LabelledSample]:
    blocks = blocks_of(samples, labels, px_per_deg=px_per_deg)
    pursued = pursuit_probability(blocks, blocks.features @ np.array(BLOCK_WEIGHTS)) > 0.5
    smoothed, last = [], EventKind.FIXATION
    for label, block in zip(labels, blocks.of_sample.tolist(), strict=True):
        if not label.kind.stable:
            smoothed.append(label)
            continue
        if block >= 0:
            last = EventKind.PURSUIT if pursued[block] else EventKind.FIXATION
        smoothed.append(replace(label, kind=last))
    return smoothed


def blocks_of(
    samples: Sequence[GazeSample], labels: Sequence[LabelledSample], *, px_per_deg: float
) -> Blocks:
    """Cut the stable stretches of labelled samples into blocks. Time must not run backwards."""
    time_s = np.array([(sample.time_ns - samples[0].time_ns) * 1e-9 for sample in samples])
    places = [(s.x_px, s.y_px) if s.valid else (np.nan, np.nan) for s in samples]
    event: Indices = np.array([label.event_id if label.kind.stable else -1 for label in labels], np.int64)
    return cut_blocks(time_s, np.array(places, float).reshape(-1, 2) / px_per_deg, event)


def pursuit_probability(blocks: Blocks, log_odds: Array) -> Array:
    """(N,) probability of pursuit for each block, from the log-odds (N,) that each block gives for itself."""
    return smooth(blocks, log_odds)[0]


def smooth(blocks: Blocks, log_odds: Array) -> tuple[Array, float]:
    """Run the model forwards and backwards.

    Returns:
        (N,) probability of pursuit, and the log of the evidence (up to the blocks' own constants).
    """
    if not len(log_odds):
        return np.zeros(0), 0.0
    odds = np.exp(np.clip(log_odds[:, None] + OFFSETS, -LOG_ODDS_MAX, LOG_ODDS_MAX))
    own = np.stack([np.ones_like(odds), odds], axis=1)
    inside = (np.diff(blocks.stretch) == 0).astype(int)
    stay = np.exp(np.array(STAY_LOG_ODDS))[inside]
    renew = 1.0 - np.exp(-np.diff(blocks.time_s) / OFFSET_MEMORY_S)
    forward = np.empty_like(own)
    state, log_evidence = np.tile(OFFSET_SHARES, (2, 1)), 0.0
    for k in range(len(own)):
        if k:
            state = _step(state, stay[k - 1])
            state = (1.0 - renew[k - 1]) * state + renew[k - 1] * state.sum(
                axis=1, keepdims=True
            ) * OFFSET_SHARES
        state = state * own[k]
        total = state.sum()
        log_evidence += float(np.log(total))
        state = forward[k] = state / total
    probability = np.empty(len(own))
    state = np.ones((2, len(OFFSETS)))
    for k in range(len(own) - 1, -1, -1):
        both = (forward[k] * state).sum(axis=1)
        probability[k] = both[1] / both.sum()
        if k:
            state = state * own[k]
            state = (1.0 - renew[k - 1]) * state + renew[k - 1] * (state * OFFSET_SHARES).sum(
                axis=1, keepdims=True
            )
            state = _step(state, stay[k - 1])
            state = state / state.max()
    return probability, log_evidence


def _step(state: Array, stay: float) -> Array:
    """From one block to the next: (2, offsets) of fixation and pursuit, with the odds to stay."""
    return state * stay + state[::-1]
