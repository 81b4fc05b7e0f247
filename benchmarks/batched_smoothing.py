"""Forwards and backwards through many recordings at once: what `smoothing.smooth` of `sam_edge.gaze.events` computes.

Fitting runs the model a few hundred times on the same recordings. Their blocks are laid out side by side, the longest
first, so that a step of the model is one operation for all recordings that are that long.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.events.blocks import Blocks
from sam_edge.gaze.events.smoothing import (
    LOG_ODDS_MAX,
    OFFSET_MEMORY_S,
    OFFSET_SHARES,
    OFFSETS,
    STAY_LOG_ODDS,
)

Array = NDArray[np.float64]


class Batch:
    """The blocks of several recordings, each of at least one block."""

    def __init__(self, recordings: Sequence[Blocks]) -> None:
        """Lay the blocks out: row k holds block k of every recording that is that long."""
        sizes = np.array([len(blocks.features) for blocks in recordings])
        self._order = np.argsort(-sizes, kind="stable")
        steps = int(sizes.max())
        self._width = [int(np.count_nonzero(sizes > k)) for k in range(steps)]
        self._place = np.full((steps, len(sizes)), -1)
        self._stay, self._renew = (np.zeros((steps, len(sizes))) for _ in range(2))
        first = np.concatenate([[0], np.cumsum(sizes)])
        for column, number in enumerate(self._order.tolist()):
            blocks, size = recordings[number], int(sizes[number])
            self._place[:size, column] = np.arange(first[number], first[number + 1])
            inside = (np.diff(blocks.stretch) == 0).astype(int)
            self._stay[1:size, column] = np.exp(np.array(STAY_LOG_ODDS))[inside]
            self._renew[1:size, column] = 1.0 - np.exp(-np.diff(blocks.time_s) / OFFSET_MEMORY_S)

    def smooth(self, log_odds: Array) -> tuple[Array, Array]:
        """Run the model on all recordings.

        Args:
            log_odds: (N,) log-odds that each block gives for itself, recording after recording.

        Returns:
            (N,) probability of pursuit, and the log of the evidence of each recording.
        """
        odds = np.exp(np.clip(log_odds[:, None] + OFFSETS, -LOG_ODDS_MAX, LOG_ODDS_MAX))
        own = np.stack([np.ones_like(odds), odds], axis=1)
        forward, log_evidence = self._forward(own)
        return self._backward(own, forward), log_evidence

    def _forward(self, own: Array) -> tuple[Array, Array]:
        forward = np.empty_like(own)
        state = np.tile(OFFSET_SHARES, (self._width[0], 2, 1))
        log_evidence = np.zeros(len(self._order))
        for k, width in enumerate(self._width):
            state = state[:width]
            if k:
                state = _step(state, self._stay[k, :width])
                renew = self._renew[k, :width, None, None]
                state = (1.0 - renew) * state + renew * state.sum(axis=2, keepdims=True) * OFFSET_SHARES
            place = self._place[k, :width]
            state = state * own[place]
            total = state.sum(axis=(1, 2))
            log_evidence[self._order[:width]] += np.log(total)
            state = forward[place] = state / total[:, None, None]
        return forward, log_evidence

    def _backward(self, own: Array, forward: Array) -> Array:
        probability = np.empty(len(own))
        state = np.ones((self._width[-1], *own.shape[1:]))
        for k in range(len(self._width) - 1, -1, -1):
            width = self._width[k]
            # Recordings that end here begin with certainty of nothing.
            state = np.concatenate([state, np.ones((width - len(state), *own.shape[1:]))])
            place = self._place[k, :width]
            both = (forward[place] * state).sum(axis=2)
            probability[place] = both[:, 1] / both.sum(axis=1)
            if k:
                state = state * own[place]
                renew = self._renew[k, :width, None, None]
                state = (1.0 - renew) * state + renew * (state * OFFSET_SHARES).sum(axis=2, keepdims=True)
                state = _step(state, self._stay[k, :width])
                state = state / state.max(axis=(1, 2), keepdims=True)
        return probability


def _step(state: Array, stay: Array) -> Array:
    """From one block to the next: (recordings, 2, offsets) of fixation and pursuit, with the odds to stay."""
    return state * stay[:, None, None] + state[:, ::-1]
