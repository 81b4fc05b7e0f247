"""Synthetic scenes: photographs with outlines become short clips with true masks, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.follow.crops import SIDE
from sam_edge.training.crops import crop_clip
from sam_edge.training.paths import AffinePath, ElasticPath, LimbPath, frame_places
from sam_edge.training.photographs import ObjectOutline, find_outlines, read_polygon
from sam_edge.training.scenes import Clip, SceneConfig, make_scene

STILL = SceneConfig(
    object_shift=0,
    object_turn=0,
    object_zoom=0,
    camera_shift=0,
    bend=0,
    limbs=0,
    own_background=1,
    twin=0,
    occluder=0,
    blur=0,
    exposure=0,
)


@pytest.fixture
def outlines(tmp_path: Path) -> list[ObjectOutline]:
    """Two photographs of noise, a square outlined in each."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    rng = np.random.default_rng(0)
    for name in ("first", "second"):
        coarse = rng.integers(0, 256, (30, 40, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{name}.jpg"), cv2.resize(coarse, (400, 300)))
        (tmp_path / "labels" / f"{name}.txt").write_text("0 0.3 0.3 0.6 0.3 0.6 0.7 0.3 0.7\n")
    return find_outlines([tmp_path])


def share(mask: NDArray[np.uint8]) -> float:
    return float((mask > 127).mean())


def test_outlines_are_found_with_their_masks(outlines: list[ObjectOutline]) -> None:
    assert [outline.photograph.stem for outline in outlines] == ["first", "second"]
    mask = outlines[0].mask((100, 200))
    assert mask.shape == (100, 200)
    assert share(mask) == pytest.approx(0.3 * 0.4, abs=0.01)


def test_too_small_and_too_large_objects_are_left_out() -> None:
    assert read_polygon("0 0.5 0.5 0.55 0.5 0.55 0.55") is None
    assert read_polygon("0 0 0 1 0 1 1 0 1") is None
    assert read_polygon("0 0.3 0.3 0.6 0.3 0.6 0.7 0.3 0.7") is not None


def test_a_folder_without_objects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="no objects"):
        find_outlines([tmp_path])


def test_a_scene_is_the_same_for_the_same_seed(outlines: list[ObjectOutline]) -> None:
    first, again, other = (
        make_scene(outlines, np.random.default_rng(seed), SceneConfig()) for seed in (3, 3, 4)
    )
    assert all(np.array_equal(one, two) for one, two in zip(first.frames, again.frames, strict=True))
    assert all(np.array_equal(one, two) for one, two in zip(first.masks, again.masks, strict=True))
    assert any(not np.array_equal(one, two) for one, two in zip(first.frames, other.frames, strict=False))


def test_a_scene_without_motion_stands_still(outlines: list[ObjectOutline]) -> None:
    clip = make_scene(outlines, np.random.default_rng(0), STILL)
    assert all(np.array_equal(mask, clip.masks[0]) for mask in clip.masks)
    assert share(clip.masks[0]) == pytest.approx(0.12, abs=0.02)


def test_an_occluder_takes_from_the_mask(outlines: list[ObjectOutline]) -> None:
    covered = SceneConfig(**{name: getattr(STILL, name) for name in STILL.__slots__} | {"occluder": 1.0})
    areas = [share(make_scene(outlines, np.random.default_rng(seed), covered).masks[2]) for seed in range(6)]
    assert min(areas) < 0.9 * share(make_scene(outlines, np.random.default_rng(0), STILL).masks[2])


def test_crops_show_the_object_and_its_motion(outlines: list[ObjectOutline]) -> None:
    moving = SceneConfig(**{name: getattr(STILL, name) for name in STILL.__slots__} | {"object_shift": 0.05})
    sequence = crop_clip(make_scene(outlines, np.random.default_rng(1), moving), np.random.default_rng(1))
    assert sequence is not None
    assert sequence.images.shape == (6, SIDE, SIDE, 3)
    assert (sequence.truth > 127).mean(axis=(1, 2)).min() > 0.2
    x, y = sequence.places[2][..., 0], sequence.places[2][..., 1]
    before = cv2.remap(sequence.truth[1], x, y, cv2.INTER_LINEAR) > 127
    now = sequence.truth[2] > 127
    assert (before & now).sum() / (before | now).sum() > 0.9


def test_an_object_that_is_hardly_to_be_seen_is_not_cut_out() -> None:
    empty = Clip([np.zeros((64, 64, 3), np.uint8)] * 2, [np.zeros((64, 64), np.uint8)] * 2)
    assert crop_clip(empty, np.random.default_rng(0)) is None


def test_a_similarity_is_undone() -> None:
    path = AffinePath(np.array([50.0, 40]), np.array([2.0, -1, 0.1, 0.02]), np.zeros(4))
    places = path.inverse(np.array([[[50.0 + 6, 40 - 3]]], np.float32), 3)
    np.testing.assert_allclose(places, [[[50, 40]]], atol=1e-4)


def test_a_limb_swings_and_the_body_stays() -> None:
    limb = LimbPath(np.array([50.0, 50]), np.array([1.0, 0]), 2.0, 0.5, np.pi / 2, 0.0)
    far, near = limb.inverse(np.array([[[90.0, 50], [10, 50]]], np.float32), 0)[0]
    assert abs(far[1] - 50) > 10
    np.testing.assert_allclose(near, [10, 50], atol=1e-3)


def test_an_elastic_field_swings_round_its_mean() -> None:
    shapes = np.ones((2, 3, 3, 2), np.float32)
    path = ElasticPath(shapes, np.array([0.0, 0, 64, 64]), 0.0, np.pi)
    places = frame_places((64, 64))
    np.testing.assert_allclose(path.inverse(places, 0) + path.inverse(places, 1), 2 * places, atol=1e-3)
