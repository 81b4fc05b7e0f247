"""Hand-labelled recordings of Lund2013 (Andersson et al. 2017) as gaze samples, at their own rate or thinned out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.events import EventKind
from sam_edge.gaze.samples import GazeSample

FIXATION, SACCADE, PSO, PURSUIT, BLINK, UNDEFINED = 1, 2, 3, 4, 5, 6
NUMBER = {
    EventKind.FIXATION: FIXATION,
    EventKind.SACCADE: SACCADE,
    EventKind.PSO: PSO,
    EventKind.PURSUIT: PURSUIT,
    EventKind.BLINK: BLINK,
    EventKind.UNKNOWN: 0,
}
"""The coders' number of a kind."""


@dataclass(frozen=True)
class Recording:
    """One trial of one subject, with the labels of both coders."""

    name: str
    """Subject and trial."""
    category: str
    """`images`, `dots` or `video`."""
    rate_hz: float
    """Samples a second."""
    px_per_deg: float
    """Screen pixels per degree at the screen's centre."""
    time_s: NDArray[np.float64]
    """(N,) seconds from the start."""
    gaze_px: NDArray[np.float64]
    """(N, 2) screen pixels; NaN where the tracker lost the eye."""
    labels: dict[str, NDArray[np.int64]]
    """(N,) labels 1..6 for each coder, `MN` and `RA`."""

    @property
    def subject(self) -> str:
        """Who was recorded."""
        return self.name[:4]

    def samples(self) -> list[GazeSample]:
        """The recording as a tracker would have delivered it."""
        return [
            GazeSample(time_ns=round(t * 1e9), x_px=x, y_px=y, confidence=1.0 if x == x else 0.0)
            for t, (x, y) in zip(self.time_s.tolist(), self.gaze_px.tolist(), strict=True)
        ]

    def at_rate(self, rate_hz: float, phase: float = 0.0) -> Recording:
        """The samples nearest to the ticks of a slower clock; `phase` in 0..1 of its interval."""
        if rate_hz >= self.rate_hz:
            return self
        ticks = np.arange(phase * self.rate_hz / rate_hz, len(self.time_s) - 0.5, self.rate_hz / rate_hz)
        keep = np.unique(np.round(ticks).astype(int))
        return replace(
            self,
            rate_hz=rate_hz,
            time_s=self.time_s[keep],
            gaze_px=self.gaze_px[keep],
            labels={coder: label[keep] for coder, label in self.labels.items()},
        )


def category_of(name: str) -> str:
    """Category of a trial, from its file's name."""
    if "_img_" in name:
        return "images"
    return "dots" if re.search(r"_trial\d+", name) else "video"


def load(folder: Path) -> list[Recording]:
    """Read every trial of a folder that both coders labelled. Needs scipy."""
    from scipy.io import loadmat

    recordings = []
    for path in sorted(folder.glob("*_labelled_MN.mat")):
        by_coder = {}
        for coder in ("MN", "RA"):
            file = path.with_name(path.name.replace("_MN", f"_{coder}"))
            by_coder[coder] = loadmat(str(file), squeeze_me=True, struct_as_record=False)["ETdata"]
        record = by_coder["MN"]
        table = np.asarray(record.pos, float)
        filled = np.flatnonzero((table != 0).any(axis=1))
        count = int(filled[-1]) + 1 if len(filled) else 0
        gaze = table[:count, 3:5].round(2)
        gaze[(gaze == 0).all(axis=1)] = np.nan
        labels = {
            c: _fit_length(np.asarray(r.pos, float)[:, 5].astype(int), count) for c, r in by_coder.items()
        }
        name = path.name.removesuffix("_labelled_MN.mat")
        rate = 200.0 if re.match(r"[A-Z]{2}4[78]_", name) else float(record.sampFreq)
        width_px, width_m = float(record.screenRes[0]), float(record.screenDim[0])
        degrees = np.rad2deg(2 * np.arctan(width_m / 2 / float(record.viewDist)))
        recordings.append(
            Recording(
                name=name,
                category=category_of(name),
                rate_hz=rate,
                px_per_deg=float(width_px / degrees),
                time_s=np.arange(count) / rate,
                gaze_px=gaze,
                labels=labels,
            )
        )
    return recordings


def _fit_length(label: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The coders' files may differ by a sample; what is missing counts as undefined."""
    return np.pad(label, (0, max(0, count - len(label))), constant_values=UNDEFINED)[:count]


def kappa(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Cohen's kappa of two yes/no labellings (Cohen 1960)."""
    agree, share_one, share_other = np.mean(one == other), one.mean(), other.mean()
    chance = share_one * share_other + (1 - share_one) * (1 - share_other)
    return float("nan") if chance == 1 else float((agree - chance) / (1 - chance))


def kappas(said: list[NDArray[np.int64]], truth: list[NDArray[np.int64]]) -> dict[str, float]:
    """Kappa of each class and of stable (fixation or pursuit), pooled; the truth's blinks and unknowns left out."""
    p, t = np.concatenate(said), np.concatenate(truth)
    use = np.isin(t, (FIXATION, SACCADE, PSO, PURSUIT))
    p, t = p[use], t[use]
    result = {
        name: kappa(p == number, t == number)
        for name, number in (("fixation", FIXATION), ("saccade", SACCADE), ("pso", PSO), ("pursuit", PURSUIT))
    }
    stable = (FIXATION, PURSUIT)
    return {"stable": kappa(np.isin(p, stable), np.isin(t, stable)), **result}
