"""A gallery of two tiny sequences: its truth fits its frames and its gaze, and true masks get full scores."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

import sam_edge

SECONDS, FPS, RATE_HZ, PX_PER_DEG = 20.0, 8.0, 60.0, 5.0
COLOURS = {"red": (40, 40, 230), "green": (40, 230, 40)}


@pytest.fixture(scope="module")
def maker(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(repo_dir / "benchmarks" / "gallery.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of DAVIS: a red and a green disc that move to the right."""
    folder = tmp_path_factory.mktemp("davis")
    for name, colour in COLOURS.items():
        for kind in ("JPEGImages", "Annotations"):
            (folder / kind / "480p" / name).mkdir(parents=True)
        for frame in range(6):
            mask = cv2.circle(np.zeros((90, 160), np.uint8), (60 + 4 * frame, 45), 18, 255, -1)
            image = np.full((90, 160, 3), 128, np.uint8)
            image[mask > 0] = colour
            cv2.imwrite(str(folder / "JPEGImages" / "480p" / name / f"{frame:05d}.jpg"), image)
            cv2.imwrite(str(folder / "Annotations" / "480p" / name / f"{frame:05d}.png"), mask)
    return folder


def make(maker: ModuleType, data: Path, out: Path, **changes: Any) -> Any:
    options = {"seed": 1, "seconds": SECONDS, "fps": FPS, "rate_hz": RATE_HZ, "px_per_deg": PX_PER_DEG}
    layout = maker.Layout(160, 90, 12)
    return maker.make_gallery(
        data, out, list(COLOURS), maker.GalleryOptions(**{**options, **changes}, layout=layout)
    )


@pytest.fixture(scope="module")
def gallery(maker: ModuleType, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "gallery"
    make(maker, data, out)
    return out


@pytest.fixture(scope="module")
def labels(gallery: Path) -> list[np.ndarray]:
    paths = sorted((gallery / "truth").glob("*.png"))
    return [np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) for path in paths]


def test_labels_lie_on_their_objects(gallery: Path, labels: list[np.ndarray]) -> None:
    paths = sorted((gallery / "input" / "frames").glob("*.jpg"))
    assert len(paths) == len(labels) == SECONDS * FPS
    seen = [0, 0]
    for path, label in zip(paths, labels, strict=True):
        image = cv2.imread(str(path))
        assert image is not None
        assert image.shape == (*label.shape, 3) == (90, 160, 3)
        for number, channel in ((1, 2), (2, 1)):
            # Away from the edge, which turns of the head blur.
            inside = cv2.erode((label == number).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
            if inside.any():
                seen[number - 1] += 1
                assert image[inside].mean(axis=0).argmax() == channel
    assert min(seen) > 20


def test_objects_leave_the_picture_and_come_back(labels: list[np.ndarray]) -> None:
    for number in (1, 2):
        shown = np.array([bool((label == number).any()) for label in labels])
        assert np.count_nonzero(np.diff(shown.astype(int)) == 1) >= 1
        assert not shown.all()


def test_visits_alternate_and_begin_with_a_fixation_on_the_object(maker: ModuleType, gallery: Path) -> None:
    truth = maker.GalleryTruth.read(gallery)
    things = [visit.thing for visit in truth.visits]
    assert truth.things == list(COLOURS)
    assert len(things) >= 4
    assert all(one != other for one, other in pairwise(things))
    starts = {(event.thing, event.start_s) for event in truth.events if event.kind == "on_object"}
    assert all((visit.thing, visit.start_s) in starts for visit in truth.visits)
    assert all(0 < visit.length_s <= 6 for visit in truth.visits)
    assert {event.kind for event in truth.events} == {"saccade", "on_object", "elsewhere", "blink"}


def test_gaze_is_on_what_is_fixated(maker: ModuleType, gallery: Path, labels: list[np.ndarray]) -> None:
    samples = sam_edge.read_recording(gallery / "input" / "gaze.csv").samples
    assert len(samples) == SECONDS * RATE_HZ
    assert any(not sample.valid for sample in samples)
    truth = maker.GalleryTruth.read(gallery)
    near = []
    for event in truth.events:
        for sample in samples:
            if event.kind != "on_object" or not event.start_s <= sample.time_ns / 1e9 < event.end_s:
                continue
            label = labels[min(len(labels) - 1, int(sample.time_ns / 1e9 * FPS))]
            rows, columns = np.nonzero(label == event.thing)
            distance = np.hypot(columns - sample.x_px, rows - sample.y_px)
            # Three standard deviations of the offset and the noise, and what pursuit falls behind.
            near.append(len(rows) > 0 and distance.min() < 3 * 0.52 * PX_PER_DEG + 3)
    assert len(near) > 0.5 * len(samples)
    assert np.mean(near) > 0.9


def test_the_same_seed_gives_the_same_recording(
    maker: ModuleType, data: Path, gallery: Path, tmp_path: Path
) -> None:
    again = make(maker, data, tmp_path / "again")
    assert again == maker.GalleryTruth.read(tmp_path / "again") == maker.GalleryTruth.read(gallery)
    for name in ("input/gaze.csv", "input/frames/00070.jpg", "truth/00070.png"):
        assert (tmp_path / "again" / name).read_bytes() == (gallery / name).read_bytes()
    other = make(maker, data, tmp_path / "other", seed=2, seconds=4.0)
    assert other.visits != again.visits[: len(other.visits)]


def test_true_masks_and_numbers_have_full_scores(
    repo_dir: Path,
    load_script: Callable[[Path], ModuleType],
    maker: ModuleType,
    gallery: Path,
    labels: list[np.ndarray],
    tmp_path: Path,
) -> None:
    rows = ["frame,object"]
    for frame, label in enumerate(labels):
        begun = [v.thing for v in maker.GalleryTruth.read(gallery).visits if v.start_s <= frame / FPS]
        thing = begun[-1] if begun else 0
        cv2.imwrite(
            str(tmp_path / f"{frame:05d}.png"), ((label == thing) & (thing > 0)).astype(np.uint8) * 255
        )
        rows.append(f"{frame},{thing or ''}")
    (tmp_path / "timeline.csv").write_text("\n".join(rows) + "\n")
    scores = load_script(repo_dir / "benchmarks" / "gallery_scores.py")
    found = scores.score_gallery(tmp_path, tmp_path / "timeline.csv", gallery)
    assert (found.jf, found.hits, found.never, found.ids, found.idf1, found.back) == (1, 1, 0, 1, 1, 1)
    assert found.dwell_error == pytest.approx(0, abs=1e-12)
    assert found.revisits == found.visits - 2


def test_pictures_play_to_and_fro(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> None:
    wall = load_script(repo_dir / "benchmarks" / "gallery_wall.py")
    picture = wall.MovingPicture([np.zeros((2, 2, 3), np.uint8)] * 4, [np.zeros((2, 2), np.uint8)] * 4, 1)
    assert [picture.index(frame) for frame in range(8)] == [1, 2, 3, 2, 1, 0, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_shows_new_objects_first_and_comes_back(maker: ModuleType, seed: int) -> None:
    places = [visit.place for visit in maker.plan_visits(4, 120.0, np.random.default_rng(seed))]
    assert places[0] != places[1]
    assert set(places) == {0, 1, 2, 3}
    assert all(one != other for one, other in pairwise(places))


def test_wrong_input_ends_with_what_is_accepted(maker: ModuleType, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="1 names; accepted: 2 to 255"):
        maker.make_gallery(data, tmp_path / "one", ["red"])
    with pytest.raises(SystemExit, match="sequence blue has 0 images and 0 masks"):
        maker.make_gallery(data, tmp_path / "none", ["red", "blue"])
    assert not list(tmp_path.iterdir())
