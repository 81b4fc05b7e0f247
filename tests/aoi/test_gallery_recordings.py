"""A made gallery as Pupil Core, Neon and Glasses 3: with true masks, the metrics equal those counted by hand.

The hand count shares no code with the metrics: probabilities come from the mask blurred by the tracker's error.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from sam_edge._aoi import LookOptions, Section
from sam_edge._aoi.study import Study
from sam_edge._aoi.summary import summarise
from sam_edge.gaze_video import open_gaze_video
from sam_edge.masks import mask_to_box
from sam_edge.stream.selection import Selection, State
from sam_edge.timeline import TimelineBuilder

FOLDER = Path(__file__).parents[2] / "benchmarks"
SIZE, FPS, FRAMES, RATE = (96, 160), 25, 60, 200
PX_PER_DEG, SIGMA_DEG = 15.0, 0.6
SCENE = ((1, 0.1, 0.34), (1, 0.4, 0.62), (2, 0.7, 1.0), (0, 1.05, 1.2), (1, 1.3, 1.5), (1, 2.1, 2.3))
"""Object, begin and end of each fixation. The last one is a visit of its own: more than 500 ms after the one before."""


def place_of(thing: int, time_s: float) -> tuple[float, float]:
    """Return the middle of an object at a time; both drift to the right."""
    return {0: (80.0, 90.0), 1: (40.0 + 5 * time_s, 40.0), 2: (110.0 + 5 * time_s, 50.0)}[thing]


def mask_of(thing: int, frame: int) -> np.ndarray:
    """Return the true mask of an object on a frame: a disc."""
    mask = np.zeros(SIZE, np.uint8)
    x, y = place_of(thing, frame / FPS)
    cv2.circle(mask, (round(x), round(y)), 22, 1, -1)
    return mask > 0


def gaze() -> Iterator[tuple[float, float, float]]:
    """Yield samples: on the fixated object, lost between fixations, and at times off the edge of the object."""
    for index in range(round(FRAMES / FPS * RATE)):
        time_s = index / RATE
        thing = next((thing for thing, begin, end in SCENE if begin <= time_s <= end), None)
        if thing is None:
            yield time_s, math.nan, math.nan
            continue
        x, y = place_of(thing, time_s)
        yield time_s, x + 24 * math.sin(index / 60), y


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "input" / "frames").mkdir(parents=True)
    for frame in range(FRAMES):
        image = np.full((*SIZE, 3), 40, np.uint8)
        image[mask_of(1, frame)] = (40, 60, 220)
        image[mask_of(2, frame)] = (200, 90, 30)
        cv2.imwrite(str(folder / "input" / "frames" / f"{frame:05d}.jpg"), image)
    with (folder / "input" / "gaze.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["timestamp_s", "x_px", "y_px", "confidence"])
        for time_s, x, y in gaze():
            lost = math.isnan(x)
            writer.writerow([f"{time_s:.6f}", "" if lost else x, "" if lost else y, 0 if lost else 1])
    events = [
        {"kind": "on_object" if thing else "elsewhere", "thing": thing, "start_s": begin, "end_s": end}
        for thing, begin, end in SCENE
    ]
    (folder / "truth.json").write_text(json.dumps({"fps": FPS, "things": ["a", "b"], "events": events}))
    return folder


def shown_on(frame: int) -> int | None:
    """Return the object that a frame shows: that of the last fixation on one that has begun."""
    begun = [thing for thing, begin, _ in SCENE if thing and begin < (frame + 1) / FPS]
    return begun[-1] if begun else None


def select_true_mask(time_ns: int, frame: int) -> Selection:
    """Return the selection that shows the true mask of a frame's object."""
    thing = shown_on(frame)
    if thing is None:
        return Selection(time_ns, State.NONE, None, None, None, None, "none")
    mask = mask_of(thing, frame)
    return Selection(time_ns, State.FOCUSED, mask, mask_to_box(mask), 1.0, thing, "encoded")


def probability(frame: int, x: float, y: float) -> float:
    """Return the probability that gaze is on what is shown, from the mask blurred by the tracker's error."""
    sigma = SIGMA_DEG * PX_PER_DEG
    mask = np.pad(mask_of(shown_on(frame) or 0, frame).astype(np.float64), 60)
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma)
    return float(
        cv2.remap(
            blurred, np.array([[x + 59.5]], np.float32), np.array([[y + 59.5]], np.float32), cv2.INTER_LINEAR
        )[0, 0]
    )


def count_by_hand(fixations: list[tuple[int, float, float]]) -> dict[int, dict[str, float]]:
    """Return dwell, fixations, visits and time to first fixation of each object."""
    on = []
    for time_s, x, y in gaze():
        frame = min(FRAMES - 1, int(time_s * FPS + 1e-9))
        thing = shown_on(frame)
        known = thing is not None and not math.isnan(x)
        on.append((time_s, thing, probability(frame, x, y) if known else math.nan))
    looks = []
    for _, begin, end in fixations:
        own = [item for item in on if begin - 1e-9 <= item[0] <= end + 1e-9 and not math.isnan(item[2])]
        sums: dict[int, list[float]] = {}
        for _, thing, chance in own:
            sums.setdefault(thing or 0, []).append(chance)
        if sums:
            best = max(sums, key=lambda thing: sum(sums[thing]))
            if np.mean(sums[best]) >= 0.5:
                looks.append((best, begin, end))
    found: dict[int, dict[str, float]] = {}
    last: tuple[int, float] | None = None
    for thing, begin, end in looks:
        entry = found.setdefault(thing, {"first": begin, "fixations": 0, "visits": 0, "dwell": 0})
        entry["fixations"] += 1
        entry["visits"] += not (last is not None and last[0] == thing and begin - last[1] <= 0.5)
        last = thing, end
    for time_s, thing, chance in on:
        look = next((item for item in looks if item[1] - 1e-9 <= time_s <= item[2] + 1e-9), None)
        hit = thing if chance >= 0.5 else None
        if hit is None and look is not None and look[0] != thing and not math.isnan(chance):
            hit = look[0]
        if hit is not None:
            entry = found.setdefault(hit, {"first": math.nan, "fixations": 0, "visits": 0, "dwell": 0})
            entry["dwell"] += 1000 / RATE
    return found


@pytest.mark.parametrize("kind", ["pupil-core", "neon", "glasses3"])
def test_metrics_equal_the_hand_count(
    load_script: Callable[[Path], ModuleType], gallery: Path, tmp_path: Path, kind: str
) -> None:
    load_script(FOLDER / "gallery_recordings.py").convert(gallery, tmp_path / "recording", kind)
    source = open_gaze_video(tmp_path / "recording")
    with source.open_frames() as reader:
        assert reader.count == FRAMES
        builder = TimelineBuilder(
            source.gaze.samples, px_per_deg=PX_PER_DEG, fixations=source.gaze.fixations or None
        )
        for frame in range(FRAMES):
            begin_ns, end_ns = reader.times.interval(frame)
            builder.add(begin_ns, end_ns, select_true_mask(begin_ns, frame))
        end_ns = reader.times.end_ns
    tables = builder.finish()
    study = Study("trip", SIZE, end_ns, (Section("all", 0, end_ns),), LookOptions())
    rows = {row["label id"]: row for row in summarise(study, tables).metrics}
    fixations = [
        (0, begin / 1e9, end / 1e9)
        for begin, end in zip(
            tables.fixations.values["start_s"], tables.fixations.values["end_s"], strict=True
        )
    ]
    if kind != "glasses3":
        # The true fixations came through the tracker's own file.
        spans = np.array([item[1:] for item in fixations])
        np.testing.assert_allclose(spans, [item[1:] for item in SCENE], atol=1e-6)
    expected = count_by_hand(fixations)
    assert set(rows) == set(expected) == {1, 2}
    for thing, numbers in expected.items():
        row = rows[thing]
        assert (row["total fixations"], row["visits"]) == (numbers["fixations"], numbers["visits"])
        assert row["revisits"] == max(0, numbers["visits"] - 1)
        assert row["dwell time [ms]"] == pytest.approx(numbers["dwell"], abs=1000 / RATE + 1e-3)
        assert row["time to first fixation [ms]"] == pytest.approx(1e3 * numbers["first"], abs=1000 / RATE)
