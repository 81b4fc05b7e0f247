"""Fits and cross-validates what tells fixation from pursuit in whole recordings (`sam_edge.gaze.events.smooth_kinds`).

    python benchmarks/fit_kinds.py --data LUND2013_DIR                  # every subject by weights that never saw it
    python benchmarks/fit_kinds.py --data LUND2013_DIR --write FILE.py  # fit on everything, write the module

Prints kappas of each recording and pooled by category: `live` is the detector as shipped, `smoothed` the whole
recording's kinds, cross-validated. The weights have the highest likelihood of both coders' labels (a conditional
random field) with a small ridge. Sequences spliced from stretches of both kinds join the training, because a real scene
holds both; else recordings would be told apart instead of moments.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import lund
import numpy as np
from batched_smoothing import Batch
from endings import run_script
from numpy.typing import NDArray

from sam_edge.gaze.events import LabelledSample, label_recording
from sam_edge.gaze.events.blocks import FEATURES, Blocks
from sam_edge.gaze.events.smoothing import blocks_of, pursuit_probability

Array = NDArray[np.float64]
CODERS = ("MN", "RA")
CATEGORY_WEIGHT = {"images": 1.0, "dots": 1.0, "video": 2.0, "spliced": 2.0}
RIDGE = 0.01
SPLICES = 40
SPLICE_S = 6.0
CERTAIN = 20.0
"""Log-odds of a block whose kind a coder gave."""


@dataclass(frozen=True)
class Example:
    """A recording's blocks and what the coders call them."""

    subject: str
    category: str
    blocks: Blocks
    coded: tuple[Array, ...]
    """(N,) for each coder: 1 pursuit, -1 fixation, 0 neither."""


Piece: TypeAlias = tuple[Blocks, Array, int]
"""A stretch: the blocks it belongs to, what one coder calls them, and its number."""


@dataclass(frozen=True)
class Labelled:
    """A recording with the live detector's labels."""

    recording: lund.Recording
    labels: list[LabelledSample]
    example: Example


def label(recording: lund.Recording) -> Labelled:
    """Run the live detector and cut its stable stretches into blocks."""
    samples = recording.samples()
    labels = label_recording(samples, px_per_deg=recording.px_per_deg)
    blocks = blocks_of(samples, labels, px_per_deg=recording.px_per_deg)
    coded = tuple(_coded(blocks, recording.labels[coder]) for coder in CODERS)
    return Labelled(recording, labels, Example(recording.subject, recording.category, blocks, coded))


def _coded(blocks: Blocks, truth: NDArray[np.int64]) -> Array:
    count = len(blocks.features)
    seen = blocks.of_sample >= 0
    counts = [
        np.bincount(blocks.of_sample[seen & (truth == kind)], minlength=count)
        for kind in (lund.FIXATION, lund.PURSUIT)
    ]
    return np.asarray(np.sign(counts[1] - counts[0]), float)


def splice(examples: list[Example], seed: int = 0) -> list[Example]:
    """Sequences that change between runs of fixations and of pursuits, as a look at a moving scene does."""
    rng = np.random.default_rng(seed)
    pools: tuple[list[Piece], list[Piece]] = ([], [])
    for example in examples:
        for number in np.unique(example.blocks.stretch).tolist():
            for coded in example.coded:
                vote = coded[example.blocks.stretch == number].sum()
                if vote:
                    pools[int(vote > 0)].append((example.blocks, coded, number))
    return [_splice(pools, rng) for _ in range(SPLICES)] if all(pools) else []


def _splice(pools: tuple[list[Piece], list[Piece]], rng: np.random.Generator) -> Example:
    features: list[Array] = []
    stretch: list[NDArray[np.int64]] = []
    time_s: list[Array] = []
    kinds_coded: list[Array] = []
    which, length = int(rng.integers(2)), 0.0
    while length < SPLICE_S:
        source, coded, first = pools[which][rng.integers(len(pools[which]))]
        which = 1 - which
        for number in range(first, first + int(rng.geometric(0.5))):
            own = source.stretch == number
            if own.any():
                times = source.time_s[own]
                features.append(source.features[own])
                stretch.append(np.full(int(own.sum()), len(stretch)))
                time_s.append(times - times[0] + length)
                kinds_coded.append(coded[own])
                length = float(time_s[-1][-1]) + 0.1
    blocks = Blocks(
        np.concatenate(features), np.concatenate(stretch), np.concatenate(time_s), np.zeros(0, np.int64)
    )
    return Example("spliced", "spliced", blocks, (np.concatenate(kinds_coded),))


def fit(examples: list[Example], start: Array | None = None) -> Array:
    """Weights of the features, by the likelihood of both coders' labels."""
    from scipy.optimize import minimize

    examples = examples + splice(examples)
    everything = np.concatenate([e.blocks.features for e in examples])
    centre, scale = everything.mean(axis=0), everything.std(axis=0)
    centre[0], scale[0] = 0.0, 1.0
    examples = [example for example in examples if len(example.blocks.features)]
    sizes: Counter[str] = Counter()
    for example in examples:
        sizes[example.category] += len(example.blocks.features) * len(example.coded)
    # A row for each block of each coder; without the coders' certainty the same rows are the free run.
    rows = [(example, coded) for example in examples for coded in example.coded]
    batch = Batch([example.blocks for example, _ in rows])
    z = np.concatenate([(example.blocks.features - centre) / scale for example, _ in rows])
    coded = np.concatenate([coded for _, coded in rows])
    shares = np.array([CATEGORY_WEIGHT[example.category] / sizes[example.category] for example, _ in rows])
    share = np.repeat(shares, [len(coded) for _, coded in rows])

    def loss(weights: Array) -> tuple[float, Array]:
        value, gradient = RIDGE * float(weights[1:] @ weights[1:]), 2.0 * RIDGE * weights
        gradient[0] = 0.0
        free, log_free = batch.smooth(z @ weights)
        bound, log_bound = batch.smooth(z @ weights + CERTAIN * coded)
        evidence = log_bound - log_free
        value -= float(shares @ evidence) - CERTAIN * float(share[coded > 0].sum())
        gradient -= (share * (bound - free)) @ z
        return value, gradient

    begin = np.zeros(len(FEATURES)) if start is None else start * scale
    if start is not None:
        begin[0] = start @ np.where(np.arange(len(FEATURES)) == 0, 1.0, centre)
    found = minimize(
        loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 25 if start is None else 10}
    )
    weights = np.asarray(found.x / scale)
    weights[0] -= float(weights[1:] @ centre[1:])
    return weights


def kinds(labelled: Labelled, weights: Array | None) -> NDArray[np.int64]:
    """Numbers of the labels, with fixation and pursuit decided by the weights, or as the live detector said."""
    said = np.array([lund.NUMBER[entry.kind] for entry in labelled.labels])
    if weights is None:
        return said
    blocks = labelled.example.blocks
    pursued = pursuit_probability(blocks, blocks.features @ weights) > 0.5
    own = blocks.of_sample >= 0
    said[own] = np.where(pursued[blocks.of_sample[own]], lund.PURSUIT, lund.FIXATION)
    return said


def report(title: str, said: Iterable[tuple[lund.Recording, NDArray[np.int64]]]) -> None:
    """Print kappas of fixation, pursuit and stable, of each recording and pooled by category."""
    pairs = list(said)
    groups = [([pair], pair[0].name) for pair in pairs]
    groups += [
        ([pair for pair in pairs if pair[0].category == category], f"all {category}")
        for category in ("images", "dots", "video")
    ]
    for group, name in groups:
        for coder in CODERS:
            if group:
                scores = lund.kappas([p for _, p in group], [r.labels[coder] for r, _ in group])
                cells = "  ".join(f"{k} {scores[k]:.3f}" for k in ("fixation", "pursuit", "stable"))
                print(f"{title:12s} {coder} {name:26s} {cells}", flush=True)


def cross_validate(rows: list[Labelled]) -> list[tuple[lund.Recording, NDArray[np.int64]]]:
    """Label each subject's recordings by weights that never saw that subject."""
    start = fit([row.example for row in rows])
    said = []
    for subject in sorted({row.recording.subject for row in rows}):
        weights = fit([row.example for row in rows if row.recording.subject != subject], start)
        said += [(row.recording, kinds(row, weights)) for row in rows if row.recording.subject == subject]
        print(f"held out {subject}: {np.round(weights, 3).tolist()}", file=sys.stderr, flush=True)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the .mat files")
    parser.add_argument("--write", type=Path, help="fit on everything and write the weights' module here")
    args = parser.parse_args()
    rows = [label(recording) for recording in lund.load(args.data)]
    if not rows:
        raise SystemExit(f"{args.data} holds no *_labelled_MN.mat files")
    if args.write is not None:
        args.write.write_text(module_text(fit([row.example for row in rows])))
        return
    report("live", [(row.recording, kinds(row, None)) for row in rows])
    report("smoothed", cross_validate(rows))


def module_text(weights: Array) -> str:
    """The module of weights."""
    numbers = ", ".join(f"{value:.4g}" for value in weights.tolist())
    return f'''"""Weights of the blocks' features: written by benchmarks/fit_kinds.py, not by hand.

Fitted on recordings of Lund2013 (Andersson et al. 2017, Behavior Research Methods 49, 616-637), both coders.
"""

from __future__ import annotations

BLOCK_WEIGHTS = ({numbers})
"""Log-odds of pursuit against fixation, over `blocks.FEATURES`."""
'''


if __name__ == "__main__":
    run_script(main)
