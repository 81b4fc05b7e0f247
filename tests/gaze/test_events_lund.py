"""The event detector against human coders, on real recordings (Andersson et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.events import EventKind, label_recording, smooth_kinds

pytest.importorskip("scipy.io")

NUMBER = {"fixation": 1, "saccade": 2, "pso": 3, "pursuit": 4, "blink": 5, "unknown": 0}
FLOORS = {
    "images": {"stable": 0.82, "saccade": 0.76, "fixation": 0.75},
    "dots": {"stable": 0.78, "saccade": 0.74, "pursuit": 0.50},
}
SMOOTHED_FLOORS = {
    "images": {"fixation": 0.85, "stable": 0.86},
    "dots": {"pursuit": 0.60},
    "video": {"pursuit": 0.60, "stable": 0.86, "saccade": 0.89},
}


@pytest.fixture(scope="module")
def lund(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(repo_dir / "benchmarks" / "lund.py")


@pytest.fixture(scope="module")
def labelled(
    lund: ModuleType, shared_dir: Path
) -> dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]]:
    pairs: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
    for recording in lund.load(shared_dir / "data" / "lund2013"):
        said = label_recording(recording.samples(), px_per_deg=recording.px_per_deg)
        numbers = np.array([NUMBER[label.kind.value] for label in said])
        pairs.setdefault(recording.category, []).append((numbers, recording.labels["MN"]))
    return pairs


@pytest.mark.parametrize("category", ["images", "dots"])
def test_agreement_with_the_coder_reaches_the_figures(
    lund: ModuleType,
    labelled: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]],
    category: str,
) -> None:
    pairs = labelled[category]
    scores = lund.kappas([said for said, _ in pairs], [truth for _, truth in pairs])
    assert {name: value for name, value in scores.items() if value < FLOORS[category].get(name, -1.0)} == {}


def test_kinds_of_whole_recordings_reach_the_figures_and_leave_the_rest(
    lund: ModuleType, shared_dir: Path
) -> None:
    said: dict[str, list[NDArray[np.int64]]] = {}
    truth: dict[str, list[NDArray[np.int64]]] = {}
    for recording in lund.load(shared_dir / "data" / "lund2013"):
        samples = recording.samples()
        live = label_recording(samples, px_per_deg=recording.px_per_deg)
        smoothed = smooth_kinds(samples, live, px_per_deg=recording.px_per_deg)
        assert [a.kind for a in live if not a.kind.stable] == [a.kind for a in smoothed if not a.kind.stable]
        said.setdefault(recording.category, []).append(np.array([NUMBER[a.kind.value] for a in smoothed]))
        truth.setdefault(recording.category, []).append(recording.labels["MN"])
    scores = {category: lund.kappas(said[category], truth[category]) for category in said}
    low = {
        (category, name): scores[category][name]
        for category, floors in SMOOTHED_FLOORS.items()
        for name, floor in floors.items()
        if scores[category][name] < floor
    }
    assert low == {}


@pytest.mark.parametrize(
    ("rate_hz", "floors"),
    [(200.0, (0.82, 0.70)), (120.0, (0.78, 0.70)), (60.0, (0.70, 0.60)), (30.0, (0.62, 0.45))],
)
def test_rest_is_still_found_at_the_rates_of_webcams_and_headsets(
    lund: ModuleType, shared_dir: Path, rate_hz: float, floors: tuple[float, float]
) -> None:
    for category, floor in zip(("images", "dots"), floors, strict=True):
        said, truth = [], []
        for recording in lund.load(shared_dir / "data" / "lund2013"):
            if recording.category == category:
                slow = recording.at_rate(rate_hz)
                labels = label_recording(slow.samples(), px_per_deg=slow.px_per_deg)
                said.append(np.array([NUMBER[label.kind.value] for label in labels]))
                truth.append(slow.labels["MN"])
        assert lund.kappas(said, truth)["stable"] > floor


def test_long_losses_of_the_eye_are_blinks(lund: ModuleType, shared_dir: Path) -> None:
    recordings = lund.load(shared_dir / "data" / "lund2013")
    recording = next(r for r in recordings if r.name == "UL31_img_konijntjes")
    labels = label_recording(recording.samples(), px_per_deg=recording.px_per_deg)
    gone = np.isnan(recording.gaze_px[:, 0])
    blink = np.array([label.kind is EventKind.BLINK for label in labels])
    assert gone.sum() > 500
    assert not blink[~gone].any()
    assert blink[gone].mean() > 0.5
