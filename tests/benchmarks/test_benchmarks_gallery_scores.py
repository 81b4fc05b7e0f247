"""Scores of galleries, against values worked out by hand on frames and on tiny masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

FPS = 10.0
GRACE = 5
"""Frames of the grace period in `frames_of`."""


@pytest.fixture(scope="module")
def scores(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(repo_dir / "benchmarks" / "gallery_scores.py")


@pytest.fixture(scope="module")
def figures(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(repo_dir / "benchmarks" / "gallery_figures.py")


def frames_of(
    figures: ModuleType, visit: int, thing: int, numbers: str, *, wrong: Sequence[int] = ()
) -> list[Any]:
    """Frames of a visit: a letter is a number, a dash is none; masks with IoU 0.8 and F 0.6, wrong ones with 0.2."""
    return [
        figures.ScoredFrame(
            visit=visit,
            thing=thing,
            number=None if number == "-" else number,
            iou=0.2 if index in wrong else 0.8,
            boundary=0.6 if index >= GRACE else None,
            delay_s=(index + 1) / FPS,
        )
        for index, number in enumerate(numbers)
    ]


def visits_of(figures: ModuleType, *things: int) -> list[Any]:
    """Visits of one second."""
    return [figures.Visit(thing, 2.0 * index, 2.0 * index + 1) for index, thing in enumerate(things)]


def test_figures_are_those_counted_by_hand(figures: ModuleType) -> None:
    frames = [
        *frames_of(figures, 0, 1, "aaaaaaaaaa"),
        *frames_of(figures, 1, 2, "bbbbbbbaa-"),
        *frames_of(figures, 2, 1, "--cccccccc", wrong=(0, 1, 5)),
    ]
    found = figures.score(frames, visits_of(figures, 1, 2, 1), FPS)
    # After the grace period: 14 frames with 0.8, one with 0.2.
    j = (14 * 0.8 + 0.2) / 15
    assert (found.j, found.f, found.jf) == pytest.approx((j, 0.6, (j + 0.6) / 2))
    assert found.hits == pytest.approx(14 / 15)
    # Right from the first, the first and the third frame on.
    assert (found.right_ms, found.never) == (pytest.approx(100), 0)
    # Object 1 has a (10 frames) and c (7); object 2 has b (7), and a on 2 only.
    assert found.ids == 1.5
    # a for object 1 and b for 2 agree on 10 + 7 frames, of 30 true ones and 27 with a number.
    assert found.idf1 == pytest.approx(2 * 17 / 57)
    # a is shown on 12 frames of 20, b on 7 of 10.
    assert found.dwell_error == pytest.approx((0.4 + 0.3) / 2)
    # The return to object 1 has c, not a.
    assert (found.back, found.revisits, found.visits, found.frames) == (0.0, 1, 3, 15)


def test_one_number_for_all_objects_is_no_identity(figures: ModuleType) -> None:
    visits = (1, 2, 1, 2)
    lengths = (10, 8, 10, 8)
    frames = [
        frame
        for index, (thing, length) in enumerate(zip(visits, lengths, strict=True))
        for frame in frames_of(figures, index, thing, "a" * length)
    ]
    found = figures.score(frames, visits_of(figures, *visits), FPS)
    # It is the number of object 1, which has it on 20 frames; object 2 has it on 16.
    assert (found.back, found.revisits, found.ids) == (0.5, 2, 1.0)
    assert found.idf1 == pytest.approx(2 * 20 / 72)
    # 36 frames with a, 20 of them on object 1; object 2 is left without a number.
    assert found.dwell_error == pytest.approx((16 / 20 + 1) / 2)


def test_an_object_that_is_never_right_counts_as_many_numbers_as_visits(figures: ModuleType) -> None:
    frames = [
        *frames_of(figures, 0, 1, "aaaaaaaaaa"),
        *frames_of(figures, 1, 2, "----------", wrong=range(10)),
        *frames_of(figures, 2, 1, "bbbbbaaaaa", wrong=range(5)),
    ]
    found = figures.score(frames, visits_of(figures, 1, 2, 1), FPS)
    assert (found.ids, found.never, found.back) == ((1 + 3) / 2, 1, 1.0)
    assert found.right_ms == pytest.approx((100 + 600) / 2)


def test_nothing_shown_has_no_time_and_no_returns(figures: ModuleType) -> None:
    frames = frames_of(figures, 0, 1, "----------", wrong=range(10))
    found = figures.score(frames, visits_of(figures, 1), FPS)
    assert (found.right_ms, found.back, found.idf1, found.dwell_error) == (None, None, 0.0, 1.0)
    with pytest.raises(SystemExit, match="nothing can be scored"):
        figures.score(frames[:GRACE], visits_of(figures, 1), FPS)


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Two objects side by side on 20 frames; object 1 shrinks to 50 pixels on frame 11."""
    (tmp_path / "truth").mkdir()
    for frame in range(20):
        labels = np.zeros((40, 60), np.uint8)
        labels[5:25, 5:25] = 1
        labels[5:25, 35:55] = 2
        if frame == 11:
            labels[labels == 1] = 0
            labels[5:10, 5:15] = 1
        cv2.imwrite(str(tmp_path / "truth" / f"{frame:05d}.png"), labels)
    visits = [(1, 0.05, 1.25), (2, 1.3, 1.9)]
    content = {
        "fps": FPS,
        "things": ["left", "right"],
        "visits": [{"thing": thing, "start_s": start, "end_s": end} for thing, start, end in visits],
        "events": [{"kind": "saccade", "start_s": 0.0, "end_s": 0.05}],
        "seed": 0,
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return tmp_path


def show(gallery: Path, frames: Sequence[int]) -> tuple[Path, Path]:
    """Write the true masks of object 1 on some frames, and a timeline that calls it 4."""
    masks = gallery / "masks"
    masks.mkdir()
    for frame in frames:
        labels = cv2.imread(str(gallery / "truth" / f"{frame:05d}.png"), cv2.IMREAD_GRAYSCALE)
        assert labels is not None
        cv2.imwrite(str(masks / f"{frame:05d}.png"), (labels == 1).astype(np.uint8) * 255)
    rows = [f"{frame},{4 if frame in frames else ''}" for frame in range(20)]
    timeline = gallery / "timeline.csv"
    timeline.write_text("\n".join(["frame,object", *rows]) + "\n")
    return masks, timeline


def test_whole_frames_of_long_visits_are_scored(scores: ModuleType, gallery: Path) -> None:
    masks, timeline = show(gallery, [3, 4, 5, 6, 7, 9, 10, 11, 12, 13])
    found = scores.score_gallery(masks, timeline, gallery)
    # The visit holds frames 1 to 11 wholly; 11 shows too little. From 0.55 s on: 6 to 10, of which 8 is missing.
    assert (found.frames, found.j, found.f, found.hits) == (5, 0.8, 0.8, 0.8)
    # Frame 3 ends at 0.4 s.
    assert (found.right_ms, found.never, found.visits) == (pytest.approx(350), 0, 2)
    # A number on 7 of the 10 frames.
    assert found.idf1 == pytest.approx(2 * 7 / 17)
    assert found.dwell_error == pytest.approx(0.3)
    assert found.ids == 1


def test_wrong_files_end_with_what_is_accepted(scores: ModuleType, gallery: Path) -> None:
    masks, timeline = show(gallery, [3])
    cv2.imwrite(str(masks / "00004.png"), np.zeros((20, 30), np.uint8))
    with pytest.raises(SystemExit, match=r"00004\.png: 30x20; its truth is 60x40"):
        scores.score_gallery(masks, timeline, gallery)
    timeline.write_text("frame,number\n0,1\n")
    with pytest.raises(SystemExit, match="no column object"):
        scores.score_gallery(masks, timeline, gallery)
