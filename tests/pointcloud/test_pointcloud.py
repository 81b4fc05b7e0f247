"""Selection to 3-D, on rendered scenes of known geometry and on depth images of the Aria sample."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.recordings.aria_camera import AriaCamera
from sam_edge.media.images import read_image
from sam_edge.pointcloud import (
    Fisheye624,
    Pinhole,
    PointCloud,
    backproject,
    depth_from_disparity,
    merge_clouds,
    remove_flying_pixels,
    write_glb,
    write_ply,
)
from sam_edge.pointcloud.cloud import fit_oriented_box

SIZE = (360, 480)
CAMERA = Pinhole((400.0, 400.0), (240.0, 180.0), SIZE)
WALL_M = 3.0


def turned(axis: tuple[float, float, float], degrees: float) -> NDArray[np.float64]:
    """Return a rotation (3, 3)."""
    direction = np.array(axis) / np.linalg.norm(axis)
    matrix, _ = cv2.Rodrigues(direction * np.radians(degrees))
    return np.asarray(matrix, np.float64)


def rays(camera: Pinhole = CAMERA) -> NDArray[np.float64]:
    rows, columns = np.indices(camera.size)
    return camera.rays(np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)).reshape(*camera.size, 3)


def render_box(
    centre: NDArray[np.float64],
    axes: NDArray[np.float64],
    extent: NDArray[np.float64],
    pose: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cast rays at a box before a wall: depth along the axis, and which pixels show the box."""
    pose = np.eye(4) if pose is None else pose
    origin = (pose[:3, 3] - centre) @ axes.T
    direction = rays() @ pose[:3, :3].T @ axes.T
    with np.errstate(divide="ignore"):
        one, other = (-extent / 2 - origin) / direction, (extent / 2 - origin) / direction
    near, far = np.minimum(one, other).max(axis=-1), np.maximum(one, other).min(axis=-1)
    hit = (near < far) & (near > 0)
    return np.where(hit, near, WALL_M), hit


def render_sphere(
    centre: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    direction = rays()
    a, b = (direction**2).sum(-1), direction @ centre
    inside = b**2 - a * (centre @ centre - radius**2)
    hit = inside > 0
    return np.where(hit, (b - np.sqrt(np.maximum(inside, 0))) / a, WALL_M), hit


@pytest.fixture
def image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)


def spoilt(
    depth: NDArray[np.float64], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mix depth across edges, leave places without depth, and let the mask reach three pixels too far."""
    mixed = np.asarray(cv2.blur(depth, (3, 3)), np.float64)
    mixed[::17, ::13] = 0
    mixed[5::29, 7::31] = np.nan
    return mixed, cv2.dilate(mask.view(np.uint8), np.ones((7, 7), np.uint8)) > 0


class TestKnownScenes:
    EXTENT = np.array([0.40, 0.30, 0.20])

    @pytest.mark.parametrize("degrees", [35.0, 50.0])
    def test_a_turned_box_comes_back(self, image: NDArray[np.uint8], degrees: float) -> None:
        axes = turned((1, 1, 0.3), degrees)
        centre = np.array([0.1, -0.05, 1.5])
        depth, mask = render_box(centre, axes, self.EXTENT)
        cloud = backproject(image, mask, depth, CAMERA)
        found = cloud.box
        # Three sides are seen: the box is all there. A pixel is 4 mm at this distance, and two are left out at edges.
        assert np.abs(found.extent_m - self.EXTENT).max() < 0.03
        assert np.linalg.norm(found.centre_m - centre) < 0.02
        assert np.abs(np.abs(found.axes @ axes.T) - np.eye(3)).max() < 0.12

    def test_bleeding_is_taken_out(self, image: NDArray[np.uint8]) -> None:
        axes, centre = turned((1, 1, 0.3), 35), np.array([0.1, -0.05, 1.5])
        depth, mask = spoilt(*render_box(centre, axes, self.EXTENT))
        raw = backproject(image, mask, depth, CAMERA, raw=True)
        clean = backproject(image, mask, depth, CAMERA)
        assert raw.box.extent_m[0] > 1.2  # it reaches to the wall
        assert np.abs(clean.box.extent_m - self.EXTENT).max() < 0.05
        assert np.linalg.norm(clean.box.centre_m - centre) < 0.03
        assert len(clean) > 0.75 * len(raw) * 0.8

    def test_the_points_of_a_sphere_lie_on_it(self, image: NDArray[np.uint8]) -> None:
        centre, radius = np.array([-0.2, 0.1, 1.2]), 0.15
        depth, mask = spoilt(*render_sphere(centre, radius))
        cloud = backproject(image, mask, depth, CAMERA)
        off = np.abs(np.linalg.norm(cloud.points_m - centre, axis=1) - radius)
        assert np.quantile(off, 0.99) < 0.005
        assert off.max() < 0.02
        towards = centre / np.linalg.norm(centre)
        # The mean of the seen part of a sphere lies up to 2/3 of the radius before its centre.
        assert 0.4 * radius < (centre - cloud.centroid_m) @ towards < 0.8 * radius

    def test_a_steep_plane_is_no_edge(self) -> None:
        normal = np.array([np.sin(np.radians(75)), 0, -np.cos(np.radians(75))])
        depth = (normal @ np.array([0, 0, 2.0])) / (rays() @ normal)
        mask = np.zeros(SIZE, np.bool_)
        mask[100:260, 150:330] = True
        assert np.array_equal(remove_flying_pixels(mask, depth), mask)

    def test_poses_bring_views_together(self, image: NDArray[np.uint8]) -> None:
        axes, centre = turned((0, 1, 0), 20), np.array([0.0, 0.0, 1.5])
        clouds = []
        for degrees in (-60, 0, 60, 120, 180, 240):
            pose = np.eye(4)
            pose[:3, :3] = turned((0, 1, 0), degrees)
            pose[:3, 3] = centre - pose[:3, :3] @ np.array([0, 0.5, 1.5])
            pose[:3, :3] = pose[:3, :3] @ turned((1, 0, 0), -18)
            depth, mask = render_box(centre, axes, self.EXTENT, pose)
            depth = np.where(mask, depth, 4.0)
            clouds.append(backproject(image, mask, depth, CAMERA, world_from_camera=pose))
        whole = merge_clouds(clouds, voxel_m=0.01)
        assert whole.space == "world"
        assert np.abs(whole.box.extent_m - self.EXTENT).max() < 0.03
        assert np.linalg.norm(whole.box.centre_m - centre) < 0.02
        assert len(whole) < sum(len(cloud) for cloud in clouds)

    def test_depth_along_the_ray(self, image: NDArray[np.uint8]) -> None:
        depth, mask = render_sphere(np.array([0.3, 0.1, 1.2]), 0.15)
        distance = depth * np.linalg.norm(rays(), axis=-1)
        one = backproject(image, mask, depth, CAMERA, raw=True)
        other = backproject(image, mask, distance, CAMERA, along_ray=True, raw=True)
        assert np.allclose(one.points_m, other.points_m)
        assert np.array_equal(one.colours, image[mask])

    def test_stereo(self) -> None:
        depth = depth_from_disparity([[40.0, 0.0, np.nan, -3.0]], focal_px=400, baseline_m=0.1)
        assert depth[0, 0] == pytest.approx(1.0)
        assert np.isnan(depth[0, 1:]).all()
        with pytest.raises(InputError, match="baseline_m"):
            depth_from_disparity([[1.0]], 400, 0)


class TestBoxes:
    @pytest.mark.parametrize("seed", range(5))
    def test_the_box_of_a_boxs_corners_is_that_box(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        axes = turned(tuple(random.normal(size=3)), random.uniform(0, 180))
        extent = np.array([0.9, 0.5, 0.2])
        points = random.uniform(-0.5, 0.5, (4000, 3))
        side = random.integers(0, 3, 4000)
        points[np.arange(4000), side] = np.where(points[np.arange(4000), side] > 0, 0.5, -0.5)
        found = fit_oriented_box((points * extent) @ axes + [1, 2, 3])
        assert np.abs(found.extent_m - extent).max() < 0.02
        assert np.linalg.det(found.axes) == pytest.approx(1)
        assert np.ptp(found.corners_m, axis=0).max() < np.linalg.norm(extent) + 0.02

    def test_few_points(self) -> None:
        assert fit_oriented_box([[1, 2, 3]]).extent_m.tolist() == [0, 0, 0]
        line = fit_oriented_box([[0, 0, 0], [1, 1, 1], [2, 2, 2]])
        assert line.extent_m[0] == pytest.approx(np.sqrt(12), abs=1e-5)
        assert line.extent_m[1:].max() < 1e-5
        for wrong in ([], [[np.nan, 0, 0]], [[1, 2]]):
            with pytest.raises(InputError, match="points_m"):
                fit_oriented_box(wrong)


class TestAria:
    """Depth, instance masks and camera of a headset. Its frames lie on their side; that does not matter here."""

    @pytest.fixture(scope="class")
    @classmethod
    def scene(
        cls, shared_dir: Path
    ) -> list[tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.uint16]]]:
        folder = shared_dir / "data" / "aria_digital_twin"
        made = []
        for index in (0, 1):
            rgb, depth, parts = (
                next(folder.glob(f"{kind}_{index}_*")) for kind in ("rgb", "depth_mm", "seg")
            )
            made.append(
                (
                    read_image(rgb),
                    np.asarray(cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)) / 1000.0,
                    np.asarray(cv2.imread(str(parts), cv2.IMREAD_UNCHANGED)),
                )
            )
        return made

    @pytest.fixture(scope="class")
    @classmethod
    def camera(cls, shared_dir: Path) -> tuple[Fisheye624, AriaCamera]:
        facts = json.loads((shared_dir / "data" / "aria_digital_twin" / "camera_and_gaze.json").read_text())
        size = (facts["image_size"][1], facts["image_size"][0])
        still = ((1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0))
        return Fisheye624.from_aria(facts["params"], size), AriaCamera(
            "FISHEYE624", tuple(facts["params"]), size, still
        )

    def test_rays_and_pixels_are_each_others_inverse(self, camera: tuple[Fisheye624, AriaCamera]) -> None:
        ours, other = camera
        random = np.random.default_rng(0)
        points = random.uniform(100, 1308, (500, 2))
        found = ours.rays(points)
        assert np.abs(ours.project(found) - points).max() < 1e-6
        # The other projection is written apart, and counts a pixel's own index.
        for point, ray in list(zip(points, found, strict=True))[:50]:
            assert np.allclose(np.array(other.project(tuple(ray.tolist()))) + 0.5, point, atol=1e-6)

    def test_things_have_the_same_size_from_two_places(
        self, scene: list[Any], camera: tuple[Fisheye624, AriaCamera]
    ) -> None:
        checked = alike = near = 0
        for number in np.unique(scene[0][2])[1:]:
            masks = [parts == number for _, _, parts in scene]
            inside = [mask[20:-20, 20:-20].sum() == mask.sum() for mask in masks]
            if min(mask.sum() for mask in masks) < 4000 or not all(inside):
                continue
            boxes = [
                backproject(image, mask, depth, camera[0]).box
                for (image, depth, _), mask in zip(scene, masks, strict=True)
            ]
            checked += 1
            off_m = np.abs(boxes[0].extent_m - boxes[1].extent_m).max()
            alike += off_m < 0.05 * boxes[0].extent_m[0] + 0.02
            near += bool(np.linalg.norm(boxes[0].centre_m - boxes[1].centre_m) < 0.06)
            assert boxes[0].extent_m[0] < 4
        assert checked >= 8
        # Depth was taken a tenth of a second after the frames' masks: not all of them fit.
        assert alike >= 0.8 * checked
        assert near >= 0.8 * checked

    def test_a_mask_that_reaches_too_far_gives_the_thing_itself(
        self, scene: list[Any], camera: tuple[Fisheye624, AriaCamera]
    ) -> None:
        image, depth, parts = scene[0]
        kernel = np.ones((9, 9), np.uint8)
        better, checked = 0, 0
        for number in np.unique(parts)[1:]:
            mask = parts == number
            if mask.sum() < 4000 or mask[20:-20, 20:-20].sum() != mask.sum():
                continue
            wide = cv2.dilate(mask.view(np.uint8), kernel) > 0
            truth = backproject(image, mask, depth, camera[0]).box.extent_m
            raw = backproject(image, wide, depth, camera[0], raw=True).box.extent_m
            clean = backproject(image, wide, depth, camera[0]).box.extent_m
            checked += 1
            if checked > 12:
                break
            better += np.abs(clean - truth).sum() <= np.abs(raw - truth).sum()
        assert checked >= 8
        assert better >= 0.8 * min(checked, 12)


class TestFiles:
    @pytest.fixture
    def cloud(self) -> PointCloud:
        random = np.random.default_rng(0)
        return PointCloud(random.normal(size=(101, 3)), random.integers(0, 255, (101, 3), np.uint8))

    def test_the_ply_says_what_is_in_it(self, cloud: PointCloud, tmp_path: Path) -> None:
        write_ply(tmp_path / "a.ply", cloud)
        head, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)
        assert b"element vertex 101" in head
        values = np.frombuffer(body, np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))
        assert np.allclose(values["xyz"], cloud.points_m, atol=1e-6)
        assert np.array_equal(values["rgb"], cloud.colours)

    def test_libraries_read_both(self, cloud: PointCloud, tmp_path: Path) -> None:
        if importlib.util.find_spec("trimesh") is None:
            pytest.skip("needs trimesh: pip install trimesh")
        trimesh = importlib.import_module("trimesh")
        write_ply(tmp_path / "a.ply", cloud)
        write_glb(tmp_path / "a.glb", cloud, cloud.box)
        ply = trimesh.load(tmp_path / "a.ply")
        assert np.allclose(ply.vertices, cloud.points_m, atol=1e-6)
        assert np.array_equal(np.asarray(ply.colors)[:, :3], cloud.colours)
        scene = trimesh.load(tmp_path / "a.glb")
        assert set(scene.geometry) == {"points", "box"}
        assert np.allclose(scene.geometry["points"].vertices, cloud.points_m, atol=1e-6)
        matrix, _ = scene.graph["points"]
        assert np.allclose(matrix, np.diag([1, -1, -1, 1]), atol=1e-6)
        assert len(scene.geometry["box"].vertices) >= 8

    def test_the_glb_is_laid_out_as_the_format_says(self, cloud: PointCloud, tmp_path: Path) -> None:
        write_glb(tmp_path / "a.glb", cloud, cloud.box)
        data = (tmp_path / "a.glb").read_bytes()
        assert data[:4] == b"glTF"
        version, length, text_length, kind = np.frombuffer(data[4:20], "<u4").tolist()
        assert (version, length, kind) == (2, len(data), 0x4E4F534A)
        content = json.loads(data[20 : 20 + text_length])
        binary = data[28 + text_length :]
        assert content["buffers"][0]["byteLength"] <= len(binary)
        for view in content["bufferViews"]:
            assert view["byteOffset"] % 4 == 0
            assert view["byteOffset"] + view["byteLength"] <= len(binary)
        points = content["accessors"][0]
        assert points["count"] == 101
        assert np.allclose(points["min"], cloud.points_m.min(axis=0), atol=1e-6)

    def test_nothing_to_write(self, tmp_path: Path) -> None:
        empty = PointCloud(np.zeros((0, 3)), np.zeros((0, 3), np.uint8))
        for write in (write_ply, write_glb):
            with pytest.raises(InputError, match="no points"):
                write(tmp_path / "a.ply", empty)


class TestBadInput:
    def test_sizes_that_do_not_fit(self, image: NDArray[np.uint8]) -> None:
        mask, depth = np.ones(SIZE, np.bool_), np.ones(SIZE)
        for arguments, named in (
            ((image, mask[:9], depth, CAMERA), "mask"),
            ((image, mask, depth[:9], CAMERA), "depth_m"),
            ((image, mask, depth, Pinhole((400, 400), (50, 50), (100, 100))), "camera"),
        ):
            with pytest.raises(InputError, match=named):
                backproject(*arguments)

    @pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -1.0])
    def test_no_depth_at_all(self, image: NDArray[np.uint8], value: float) -> None:
        with pytest.raises(InputError, match="depth_m"):
            backproject(image, np.ones(SIZE, np.bool_), np.full(SIZE, value), CAMERA)

    def test_cameras(self) -> None:
        with pytest.raises(InputError, match="focal_px"):
            Pinhole((0, 400), (50, 50), (100, 100))
        with pytest.raises(InputError, match="shares of their sides"):
            Pinhole((0.8, 1.1), (50, 50), (100, 100))
        with pytest.raises(InputError, match="centre_px"):
            Pinhole((400, 400), (700, 50), (100, 100))
        with pytest.raises(InputError, match="matrix"):
            Pinhole.from_opencv(np.eye(2), (100, 100))
        with pytest.raises(InputError, match="params"):
            Fisheye624.from_aria([1, 2, 3], (100, 100))
        assert Pinhole.from_opencv(
            [[9.0, 0.0, 49.5], [0.0, 8.0, 40.0], [0.0, 0.0, 1.0]], (100, 100)
        ).centre_px == (50, 40.5)

    def test_poses(self, image: NDArray[np.uint8]) -> None:
        mask, depth = np.ones(SIZE, np.bool_), np.ones(SIZE)
        for pose in (np.eye(3), np.diag([2, 1, 1, 1]), np.diag([-1, 1, 1, 1]), np.full((4, 4), np.nan)):
            with pytest.raises(InputError, match="world_from_camera"):
                backproject(image, mask, depth, CAMERA, world_from_camera=pose)

    def test_clouds(self, image: NDArray[np.uint8]) -> None:
        cloud = backproject(image, np.ones(SIZE, np.bool_), np.ones(SIZE), CAMERA)
        with pytest.raises(InputError, match="camera's space"):
            merge_clouds([cloud, cloud])
        with pytest.raises(InputError, match="clouds"):
            merge_clouds([])
        with pytest.raises(InputError, match="voxel_m"):
            cloud.downsample(0)
