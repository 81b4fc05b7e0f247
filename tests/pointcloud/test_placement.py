"""Selections in the world: round trips with a synthetic headset, and a headset's own depth."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.adapters.ray_projection import Pose, RayCamera
from sam_edge.pointcloud import (
    CameraPose,
    Fisheye624,
    Pinhole,
    WorldRay,
    change_axes,
    cross_rays,
    place,
)
from sam_edge.pointcloud.placement import WorldAxes

SIZE = (480, 640)
CAMERA = Pinhole((520.0, 500.0), (310.0, 250.0), SIZE)
QUARTER = math.sqrt(0.5)


def mask_of(box: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> NDArray[np.bool_]:
    mask = np.zeros(size, np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def unit(values: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, z, w = (np.array(values) / np.linalg.norm(values)).tolist()
    return x, y, z, w


@settings(max_examples=30)
@given(
    st.tuples(*[st.floats(-5, 5)] * 3),
    st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda four: np.linalg.norm(four) > 0.1),
    st.integers(0, 500),
    st.integers(0, 400),
    st.floats(0.2, 20),
)
def test_an_anchor_is_seen_where_the_mask_is(
    position: tuple[float, float, float],
    orientation: tuple[float, float, float, float],
    left: int,
    top: int,
    depth_m: float,
) -> None:
    """The way back goes through the projection of gaze rays, which is written apart."""
    orientation = unit(orientation)
    found = place(
        mask_of((left, top, left + 80, top + 60)),
        CAMERA,
        CameraPose(position, orientation),
        depth_m=np.full(SIZE, depth_m),
    )
    headset = RayCamera(640, 480, *CAMERA.focal_px, *CAMERA.centre_px)
    head = Pose(position, orientation)
    expected = [(left, top), (left + 80, top), (left + 80, top + 60), (left, top + 60), (left + 40, top + 30)]
    for point, place_px in zip([*found.quad_m, found.anchor_m], expected, strict=True):
        x, y, z = (point - np.array(position)).tolist()
        ray = headset.ray(position, (x, y, z), space="world", axes="openxr", head=head)
        assert headset.project(ray, float(np.linalg.norm((x, y, z)))) == pytest.approx(place_px, abs=1e-4)
    assert found.depth_m == pytest.approx(depth_m)


STRAIGHT = [
    # Axes, the orientation that looks at +x of the world, and where the object's upper side is.
    ("openxr", (0.0, -QUARTER, 0.0, QUARTER), (0, 1, 0)),
    ("unity", (0.0, QUARTER, 0.0, QUARTER), (0, 1, 0)),
    ("camera", (0.0, QUARTER, 0.0, QUARTER), (0, -1, 0)),
]


@pytest.mark.parametrize(("axes", "orientation", "up"), STRAIGHT)
def test_each_world_has_its_own_hands(
    axes: WorldAxes, orientation: tuple[float, float, float, float], up: tuple[int, int, int]
) -> None:
    """By hand: a quarter turn to the right; the camera's axis is then +x, and the frame's upper side stays up."""
    camera = Pinhole((500.0, 500.0), (320.0, 240.0), SIZE)
    pose = CameraPose((1.0, 2.0, 3.0), orientation, axes)
    found = place(mask_of((310, 230, 330, 250)), camera, pose, depth_m=np.full(SIZE, 2.0))
    assert found.anchor_m == pytest.approx([3.0, 2.0, 3.0])
    assert found.ray.direction == pytest.approx([1.0, 0.0, 0.0])
    assert found.ray.origin_m == pytest.approx([1.0, 2.0, 3.0])
    top_left, top_right, bottom_right, bottom_left = found.quad_m
    # 20 pixels at 2 m and 500 pixels of focal length are 8 cm.
    assert top_left - bottom_left == pytest.approx(0.08 * np.array(up))
    # Turned to +x, the right-hand side is the world's backward (openxr: +z), or forward's opposite (unity, camera: -z).
    right = {"openxr": (0, 0, 1), "unity": (0, 0, -1), "camera": (0, 0, -1)}[axes]
    assert top_right - top_left == pytest.approx(0.08 * np.array(right))
    assert bottom_right - top_right == pytest.approx(-0.08 * np.array(up))


def test_the_same_world_in_other_axes() -> None:
    """A pose of Unity is the pose of OpenXR with z mirrored: (x, y, -z) and (-x, -y, z, w)."""
    x, y, z, w = unit((0.3, -0.2, 0.5, 0.7))
    mask, depth = mask_of((100, 50, 180, 200)), np.full(SIZE, 1.5)
    ours = place(mask, CAMERA, CameraPose((0.1, 1.6, -0.4), (x, y, z, w)), depth_m=depth)
    theirs = place(mask, CAMERA, CameraPose((0.1, 1.6, 0.4), (-x, -y, z, w), "unity"), depth_m=depth)
    assert change_axes(ours.anchor_m, given="openxr", wanted="unity") == pytest.approx(theirs.anchor_m)
    assert change_axes(ours.quad_m, given="openxr", wanted="unity") == pytest.approx(theirs.quad_m)
    assert change_axes([1, 2, 3], given="openxr", wanted="camera") == pytest.approx([1, -2, -3])


def test_a_distance_is_along_the_ray() -> None:
    found = place(mask_of((0, 0, 40, 40)), CAMERA, CameraPose((0, 0, 0), (0, 0, 0, 1)), distance_m=3.0)
    assert np.linalg.norm(found.anchor_m) == pytest.approx(3.0)
    assert found.depth_m < 2.5
    assert found.source == "distance"


def test_depth_beyond_the_edges_does_not_count() -> None:
    depth = np.full(SIZE, 4.0)
    depth[100:200, 100:200] = 1.0
    found = place(mask_of((95, 95, 205, 205)), CAMERA, CameraPose((0, 0, 0), (0, 0, 0, 1)), depth_m=depth)
    assert found.depth_m == pytest.approx(1.0)
    assert found.source == "depth map"


def test_bearings_from_two_places_cross_at_the_object() -> None:
    target = np.array([0.5, 1.2, -2.0])
    rays = []
    for origin in ([0, 1.6, 0], [0.6, 1.5, 0.1], [-0.4, 1.7, -0.3]):
        way = target - np.array(origin)
        rays.append(WorldRay(np.array(origin, float), way / np.linalg.norm(way)))
    point, off_m = cross_rays(rays)
    assert point == pytest.approx(target)
    assert off_m < 1e-9
    with pytest.raises(InputError, match="another place"):
        cross_rays([rays[0], rays[0]])
    with pytest.raises(InputError, match="two or more"):
        cross_rays(rays[:1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give one of the two"),
        ({"depth_m": np.ones(SIZE), "distance_m": 1.0}, "give one of the two"),
        ({"distance_m": -1.0}, "distance_m: -1.0"),
        ({"depth_m": np.zeros(SIZE)}, "reliable depth"),
        ({"depth_m": np.ones((3, 3))}, r"depth_m: shape \(3, 3\)"),
    ],
)
def test_what_cannot_be_placed(arguments: dict[str, object], message: str) -> None:
    pose = CameraPose((0, 0, 0), (0, 0, 0, 1))
    with pytest.raises(InputError, match=message):
        place(mask_of((0, 0, 9, 9)), CAMERA, pose, **arguments)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="it is empty"):
        place(np.zeros(SIZE, np.bool_), CAMERA, pose, distance_m=1.0)
    with pytest.raises(InputError, match="unit quaternion"):
        CameraPose((0, 0, 0), (0, 0, 0, 2))
    with pytest.raises(InputError, match="axes: 'opengl'"):
        CameraPose((0, 0, 0), (0, 0, 0, 1), "opengl")  # type: ignore[arg-type]


def test_objects_of_a_headset_are_where_its_depth_says(shared_dir: Path) -> None:
    """Project Aria's fisheye camera: the anchor is seen inside the box, and from two frames at the same place."""
    folder = shared_dir / "data" / "aria_digital_twin"
    facts = json.loads((folder / "camera_and_gaze.json").read_text())
    camera = Fisheye624.from_aria(facts["params"], (facts["image_size"][1], facts["image_size"][0]))
    pose = CameraPose((0, 0, 0), (0, 0, 0, 1), "camera")
    frames = []
    for index in (0, 1):
        depth, parts = (
            cv2.imread(str(next(folder.glob(f"{kind}_{index}_*"))), cv2.IMREAD_UNCHANGED)
            for kind in ("depth_mm", "seg")
        )
        assert depth is not None
        assert parts is not None
        frames.append((np.asarray(depth) / 1000.0, np.asarray(parts)))
    near = checked = 0
    for number in np.unique(frames[0][1])[1:]:
        masks = [parts == number for _, parts in frames]
        if min(mask.sum() for mask in masks) < 4000:
            continue
        if not all(mask[20:-20, 20:-20].sum() == mask.sum() for mask in masks):
            continue
        found = [
            place(mask, camera, pose, depth_m=depth) for mask, (depth, _) in zip(masks, frames, strict=True)
        ]
        rows, columns = np.nonzero(masks[0])
        middle = [(columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2]
        assert camera.project(found[0].anchor_m[None])[0] == pytest.approx(middle, abs=1e-3)
        corner = [columns.min(), rows.min()]
        assert camera.project(found[0].quad_m[:1])[0] == pytest.approx(corner, abs=1e-3)
        checked += 1
        near += bool(np.linalg.norm(found[0].anchor_m - found[1].anchor_m) < 0.06)
    assert checked >= 8
    # The head moved a little, and depth was taken a tenth of a second after the masks.
    assert near >= 0.8 * checked
