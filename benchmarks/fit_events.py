"""Fits the coefficients of the event detector's two models, and cross-validates them by subject.

    python benchmarks/fit_events.py --data LUND2013_DIR                  # cross-validation only
    python benchmarks/fit_events.py --data LUND2013_DIR --write FILE.py  # fit on everything, write the module

The movement model (rest, saccade, post-saccadic oscillation) is a multinomial logistic regression, the pursuit model a
logistic one, both with a small ridge. Coder MN is the teacher. Features come out of the detector itself while it runs,
so that what is learned is what is used. The pursuit model is also shown recordings that are spliced from stretches of
images (fixation) and dots (pursuit), because real scenes hold both; else it would learn to tell recordings apart.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lund
import numpy as np
from endings import run_script
from numpy.typing import NDArray

from sam_edge.gaze.events import EventDetector, EventKind
from sam_edge.gaze.events import detector as detector_module

Array = NDArray[np.float64]
model: Any = importlib.import_module("sam_edge.gaze.events.model")
"""The module whose functions and tables are replaced while the benchmark runs."""
RATES_HZ = (500.0, 200.0, 120.0, 60.0, 30.0)
PHASES = {500.0: (0.0,), 200.0: (0.0, 0.35, 0.7), 120.0: (0.0, 0.33, 0.67), 60.0: (0.0, 0.25, 0.5, 0.75)}
PHASES[30.0] = tuple(k / 6 for k in range(6))
FOLDS = (
    ("TH20", "TH34", "UH47"),
    ("TH38", "TL20", "TL22"),
    ("UH21", "UL39"),
    ("TL24", "UH25", "UH29"),
    ("UH33", "UL27", "UL43"),
    ("UL31",),
)
DOTS_WEIGHT = 3.0
RIDGE = 3.0
GROUP_WEIGHT = {"images": 1.0, "dots": 1.0, "spliced": 3.0}
SPLICES = 24
SPLICE_S = 6.0
STATES = (EventKind.FIXATION, EventKind.SACCADE, EventKind.PSO)
STATE_OF = {1: EventKind.FIXATION, 2: EventKind.SACCADE, 3: EventKind.PSO, 4: EventKind.FIXATION}
NUMBER = {
    EventKind.FIXATION: 1,
    EventKind.SACCADE: 2,
    EventKind.PSO: 3,
    EventKind.PURSUIT: 4,
    EventKind.BLINK: 5,
    EventKind.UNKNOWN: 0,
}


class Tap(EventDetector):
    """A detector that writes down what its models are asked, and for which sample."""

    def run(self, recording: lund.Recording, teacher: NDArray[np.int64] | None = None) -> Tap:
        """Run over a recording; a teacher, where given, decides in the movement model's place."""
        self.movement_rows: list[tuple[int, list[float]]] = []
        self.pursuit_rows: list[tuple[int, list[float]]] = []
        self.context_rows: list[tuple[int, list[float]]] = []
        index_of = {round(t * 1e9): i for i, t in enumerate(recording.time_s.tolist())}
        real: tuple[
            Callable[[list[float], int], EventKind],
            Callable[[list[float], int], float],
            Callable[[float, float, int], float],
        ] = (model.movement, model.pursuit_evidence, model.pursuit_score)

        def movement(features: list[float], band: int) -> EventKind:
            index = index_of[self._asked_ns]
            self.movement_rows.append((index, features))
            if teacher is None:
                return real[0](features, band)
            return STATE_OF.get(int(teacher[index]), EventKind.UNKNOWN)

        def pursuit_evidence(features: list[float], band: int) -> float:
            self.pursuit_rows.append((index_of[self._settled_ns()], features))
            return real[1](features, band)

        def pursuit_score(evidence: float, context: float, band: int) -> float:
            self.context_rows.append((index_of[self._settled_ns()], [1.0, evidence, context]))
            return real[2](evidence, context, band)

        model.movement, model.pursuit_evidence, model.pursuit_score = (
            movement,
            pursuit_evidence,
            pursuit_score,
        )
        try:
            labels = [label for sample in recording.samples() for label in self.update(sample).labels]
            labels += self.flush().labels
        finally:
            model.movement, model.pursuit_evidence, model.pursuit_score = real
        self.said = np.array([NUMBER[label.kind] for label in labels])
        return self

    def _movement(self, entry: detector_module._Entry) -> EventKind:
        self._asked_ns = entry.sample.time_ns
        return super()._movement(entry)

    def _settled_ns(self) -> int:
        entry = self._settling[0] if self._settling else None
        return entry.sample.time_ns if entry is not None else self._asked_ns


def tap(recording: lund.Recording, teacher: NDArray[np.int64] | None = None) -> Tap:
    """A fresh tapped detector, run over one recording."""
    return Tap(px_per_deg=recording.px_per_deg, rate_hz=recording.rate_hz).run(recording, teacher)


def rows(tapped: list[tuple[int, list[float]]], truth: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Features and true labels of the samples that a model was asked about."""
    index = [i for i, _ in tapped]
    return np.array([f for _, f in tapped]), truth[index]


def multinomial(x: Array, y: NDArray[np.int64], weight: Array, classes: int) -> Array:
    """Coefficients (classes - 1, D) against class 0, by Newton's method; the first column of `x` is the constant."""
    scale = x.std(axis=0)
    centre = x.mean(axis=0)
    centre[0], scale[0] = 0.0, 1.0
    scale[scale < 1e-9] = 1.0
    z = (x - centre) / scale
    weight = weight / weight.mean()
    width = z.shape[1]
    beta = np.zeros((classes - 1, width))
    penalty = np.full(width, RIDGE)
    penalty[0] = 1e-6
    onehot = np.stack([(y == k).astype(float) for k in range(1, classes)], axis=1)
    for _ in range(25):
        score = z @ beta.T
        top = np.maximum(score.max(axis=1, keepdims=True), 0.0)
        power = np.exp(score - top)
        p = power / (power.sum(axis=1, keepdims=True) + np.exp(-top))
        gradient = ((onehot - p) * weight[:, None]).T @ z - penalty * beta
        hessian = np.zeros(((classes - 1) * width,) * 2)
        for a in range(classes - 1):
            for b in range(classes - 1):
                share = weight * p[:, a] * ((a == b) - p[:, b])
                hessian[a * width : (a + 1) * width, b * width : (b + 1) * width] = (z * share[:, None]).T @ z
        hessian += np.diag(np.tile(penalty, classes - 1))
        step = np.linalg.solve(hessian, gradient.ravel()).reshape(beta.shape)
        beta += step
        if np.abs(step).max() < 1e-5:
            break
    raw = beta / scale
    raw[:, 0] = beta[:, 0] - (beta[:, 1:] / scale[1:] * centre[1:]).sum(axis=1)
    return np.asarray(raw)


def splices(recordings: list[lund.Recording], seed: int) -> list[lund.Recording]:
    """Recordings that change between images and dots at saccades, as a look at a moving scene does."""
    rng = np.random.default_rng(seed)
    pools = [[p for r in recordings if r.category == c for p in _pieces(r)] for c in ("images", "dots")]
    if not all(pools):
        return []
    result = []
    for number in range(SPLICES):
        which = int(rng.integers(2))
        parts: list[tuple[Array, NDArray[np.int64]]] = []
        place, length = np.zeros(2), 0.0
        base = recordings[0]
        while length < SPLICE_S:
            pool = pools[which]
            start = int(rng.integers(len(pool)))
            turn = rng.uniform(0.0, 2.0 * np.pi)
            rotate = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            for gaze, label, rate in pool[start : start + int(rng.geometric(0.5))]:
                parts.append(((gaze - gaze[0]) @ rotate + place, label))
                place = parts[-1][0][-1]
                length += len(label) / rate
            which = 1 - which
        gaze = np.concatenate([g for g, _ in parts])
        label = np.concatenate([t for _, t in parts])
        time = np.arange(len(label)) / base.rate_hz
        result.append(
            replace(
                base,
                name=f"splice{number}",
                category="spliced",
                time_s=time,
                gaze_px=gaze,
                labels={"MN": label},
            )
        )
    return result


def _pieces(recording: lund.Recording) -> list[tuple[Array, NDArray[np.int64], float]]:
    """From each saccade's start to the next one's, where the eye was seen throughout."""
    truth = recording.labels["MN"]
    starts = np.flatnonzero(np.diff((truth == lund.SACCADE).astype(int)) == 1) + 1
    pieces = []
    for a, b in itertools.pairwise(starts.tolist()):
        label = truth[a:b]
        if np.isfinite(recording.gaze_px[a:b]).all() and not np.isin(label, (0, 5, 6)).any():
            pieces.append((recording.gaze_px[a:b], label, recording.rate_hz))
    return pieces


def fit_band(band: int, recordings: list[lund.Recording]) -> None:
    """Fit both models of one band of rates and put them to use."""
    truths = [r.labels["MN"] for r in recordings]
    teachers: list[NDArray[np.int64] | None] = list(truths)
    for _ in range(2):
        x, y, w = [], [], []
        for recording, truth, teacher in zip(recordings, truths, teachers, strict=True):
            features, label = rows(tap(recording, teacher).movement_rows, truth)
            use = np.isin(label, (1, 2, 3, 4))
            x.append(features[use])
            y.append(np.where(label[use] == 4, 1, label[use]) - 1)
            w.append(np.full(int(use.sum()), DOTS_WEIGHT if recording.category == "dots" else 1.0))
        beta = multinomial(np.concatenate(x), np.concatenate(y), np.concatenate(w), 3)
        put(model.MOVEMENT, band, tuple(map(tuple, beta.tolist())))
        teachers = [None] * len(recordings)
    put(model.PURSUIT, band, tuple(pursuit_fit(band, recordings, "pursuit").tolist()))
    put(model.CONTEXT, band, tuple(pursuit_fit(band, recordings, "context").tolist()))


def pursuit_fit(band: int, recordings: list[lund.Recording], stage: str) -> Array:
    """Fit pursuit against fixation: stage `pursuit` on the drift's features, stage `context` on evidence and memory."""
    groups: dict[str, list[tuple[Array, NDArray[np.int64]]]] = {}
    for recording in recordings + splices([r for r in recordings if r.rate_hz == RATES_HZ[band]], seed=1):
        tapped = tap(recording)
        asked = tapped.pursuit_rows if stage == "pursuit" else tapped.context_rows
        features, label = rows(asked, recording.labels["MN"])
        use = np.isin(label, (1, 4))
        groups.setdefault(recording.category, []).append((features[use], (label[use] == 4).astype(int)))
    x, y, w = [], [], []
    for category, parts in groups.items():
        total = sum(len(t) for _, t in parts)
        x += [f for f, _ in parts]
        y += [t for _, t in parts]
        w += [np.full(len(t), GROUP_WEIGHT[category] / total) for _, t in parts]
    return np.asarray(multinomial(np.concatenate(x), np.concatenate(y), np.concatenate(w), 2)[0])


def put(table: list[Any], band: int, value: object) -> None:
    """Replace one band's row in a table of coefficients."""
    table[band] = value


def training(recordings: list[lund.Recording], rate: float) -> list[lund.Recording]:
    """What a band is fitted on: recordings of that rate, and faster ones thinned out."""
    if rate == RATES_HZ[0]:
        return [r for r in recordings if r.rate_hz == rate]
    thinned = [r.at_rate(rate, phase) for r in recordings for phase in PHASES[rate]]
    return [r for r in thinned if r.rate_hz == rate]


def table(title: str, runs: list[tuple[lund.Recording, NDArray[np.int64]]], coder: str) -> None:
    """Print kappas by category, with the 5th and 95th percentile over recordings drawn anew (bootstrap)."""
    rng = np.random.default_rng(0)
    for category in ("images", "dots", "video", "spliced"):
        pairs = [(said, r.labels[coder]) for r, said in runs if r.category == category and coder in r.labels]
        if not pairs:
            continue
        draws = [pairs] + [[pairs[i] for i in rng.integers(len(pairs), size=len(pairs))] for _ in range(200)]
        scores = [lund.kappas([p for p, _ in draw], [t for _, t in draw]) for draw in draws]
        cells = []
        for name, value in scores[0].items():
            low, high = np.nanpercentile([s[name] for s in scores[1:]], (5, 95))
            cells.append(f"{name} {value:.3f} ({low:.2f}..{high:.2f})")
        print(f"{title} {coder} {category:7s} {'  '.join(cells)}", flush=True)


def cross_validate(recordings: list[lund.Recording], rates: tuple[float, ...]) -> None:
    """Label each subject's recordings with models that never saw that subject."""
    for rate in rates:
        runs: list[tuple[lund.Recording, NDArray[np.int64]]] = []
        for fold in FOLDS:
            train = [r for r in recordings if r.subject not in fold]
            test = [r for r in recordings if r.subject in fold]
            fit_band(RATES_HZ.index(rate), training(train, rate))
            if rate == RATES_HZ[0] and any(r.rate_hz < rate for r in test):
                fit_band(1, training(train, 200.0))
            shown = [q.at_rate(rate) for q in test] + splices([q for q in test if q.rate_hz == rate], seed=2)
            runs.extend((r, tap(r).said) for r in shown)
        for coder in ("MN", "RA"):
            table(f"cross-validated {rate:.0f} Hz", runs, coder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the .mat files")
    parser.add_argument(
        "--write", type=Path, help="fit on everything and write the coefficients' module here"
    )
    parser.add_argument("--rates", type=float, nargs="+", default=[500.0], help="rates to cross-validate")
    args = parser.parse_args()
    recordings = lund.load(args.data)
    model.MOVEMENT, model.PURSUIT, model.CONTEXT = map(list, (model.MOVEMENT, model.PURSUIT, model.CONTEXT))
    if args.write is None:
        cross_validate(recordings, tuple(args.rates))
        return
    for band, rate in enumerate(RATES_HZ):
        fit_band(band, training(recordings, rate))
        print(f"fitted {rate:.0f} Hz", flush=True)
    args.write.write_text(module_text())


def module_text() -> str:
    """The module of coefficients."""

    def row(values: Iterable[float], indent: str) -> str:
        numbers = [f"{v:.4g}" for v in values]
        return f"{indent}({', '.join(numbers)}),"

    lines = [
        '"""Coefficients of the movement and pursuit models: written by benchmarks/fit_events.py, not by hand.',
        "",
        "A row for each band of rates, about 500, 200, 120, 60 and 30 Hz. Fitted on recordings of Lund2013 (Andersson",
        "et al. 2017, Behavior Research Methods 49, 616-637), coder MN.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "Row = tuple[float, ...]",
        "",
        "MOVEMENT: tuple[tuple[Row, Row], ...] = (",
    ]
    for pair in model.MOVEMENT:
        lines += ["    (", *(row(r, "        ") for r in pair), "    ),"]
    lines += [
        ")",
        '"""Saccade and post-saccadic oscillation against rest, over `MotionBuffer.features`."""',
        "",
    ]
    lines += ["PURSUIT: tuple[Row, ...] = (", *(row(r, "    ") for r in model.PURSUIT), ")"]
    lines += ['"""Pursuit against fixation, over `DriftTracker.features`."""', ""]
    lines += [
        "CONTEXT: tuple[tuple[float, float, float], ...] = (",
        *(row(r, "    ") for r in model.CONTEXT),
        ")",
    ]
    lines += [
        '"""Pursuit against fixation: a constant, the evidence of `PURSUIT`, and the context\'s square."""',
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    run_script(main)
