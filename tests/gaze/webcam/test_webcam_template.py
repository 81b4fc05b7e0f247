"""The face as it was kept, laid on rendered pictures in which it is known where the head is."""

from __future__ import annotations

from types import ModuleType

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.webcam.head import HeadPose, PinholeCamera, PoseFinder
from sam_edge.gaze.webcam.landmarks import FaceMesh
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.gaze.webcam.template import FaceTemplate
from sam_edge.gaze.webcam.tracker import FaceTracker

Pictures = NDArray[np.uint8]
STILL = (0.0, 60.0, 600.0)


def grey(image: Pictures) -> Pictures:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


class Kept:
    """A face that was kept while it looked straight ahead."""

    def __init__(self, rendered: ModuleType, camera: PinholeCamera, screen: Screen) -> None:
        self.rendered, self.camera = rendered, camera
        self.face = rendered.RenderedFace(camera, screen)
        self.mesh = FaceMesh()
        first = self.picture()
        tracker = FaceTracker(fov_deg=46.0)
        for _ in range(41):
            found = tracker.find(first)
        assert found is not None
        self.pose = found.pose
        landmarks = self.mesh.find(first)
        assert landmarks is not None
        kept = FaceTemplate.of(grey(first), self.mesh.mean(first, landmarks, looks=24), self.pose, camera)
        assert kept is not None
        self.template = kept

    def picture(
        self, position: tuple[float, float, float] = STILL, turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ) -> Pictures:
        scene = self.rendered.Scene((960.0, 540.0), position, turn)
        return np.asarray(self.face.render(scene), np.uint8)

    def aligned(self, image: Pictures) -> HeadPose | None:
        landmarks = self.mesh.find(image)
        assert landmarks is not None
        near = PoseFinder(self.camera, self.pose.shape).find(landmarks)
        assert near is not None
        return self.template.align(grey(image), landmarks, near)


@pytest.fixture(scope="module")
def kept(rendered: ModuleType, camera: PinholeCamera, screen: Screen) -> Kept:
    return Kept(rendered, camera, screen)


@pytest.mark.parametrize("moved", [(0.0, 0.0, 0.0), (12.0, 0.0, 0.0), (0.0, -9.0, 0.0), (0.0, 0.0, 30.0)])
def test_a_head_that_moves_is_followed_to_half_a_millimetre(kept: Kept, moved: tuple[float, ...]) -> None:
    """A twentieth of the way it moves towards the camera: how far away it is stays as unsure as it was."""
    x, y, z = np.array(STILL) + moved
    pose = kept.aligned(kept.picture((x, y, z)))
    assert pose is not None
    gone = pose.position_mm - kept.pose.position_mm
    np.testing.assert_allclose(gone[:2], moved[:2], atol=0.5 + 0.05 * abs(moved[2]))
    assert gone[2] == pytest.approx(moved[2], abs=2.0 + 0.05 * abs(moved[2]))


@pytest.mark.parametrize("turn", [(5.0, 0.0, 0.0), (-5.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 6.0)])
def test_a_head_that_turns_is_followed(kept: Kept, turn: tuple[float, float, float]) -> None:
    pose = kept.aligned(kept.picture(turn=turn))
    assert pose is not None
    gone = np.subtract(pose.angles_deg, kept.pose.angles_deg)
    np.testing.assert_allclose(gone, turn, atol=0.9)


def test_another_light_changes_nothing(kept: Kept) -> None:
    image = kept.picture()
    plain, dark = kept.aligned(image), kept.aligned(np.asarray(image // 2 + 10, np.uint8))
    assert plain is not None
    assert dark is not None
    np.testing.assert_allclose(dark.position_mm[:2], plain.position_mm[:2], atol=0.2)


def test_what_does_not_look_like_the_face_gives_no_pose(kept: Kept) -> None:
    landmarks = kept.mesh.find(kept.picture())
    assert landmarks is not None
    noise = np.random.default_rng(0).integers(0, 255, (480, 640), dtype=np.uint8)
    assert kept.template.align(noise, landmarks, kept.pose) is None
    assert kept.template.align(noise[:8, :8], landmarks, kept.pose) is None


def test_a_face_without_detail_is_not_kept(kept: Kept, camera: PinholeCamera) -> None:
    landmarks = kept.mesh.find(kept.picture())
    assert landmarks is not None
    assert FaceTemplate.of(np.zeros((16, 16), np.uint8), landmarks, kept.pose, camera) is None


def test_several_looks_differ_less_than_single_ones(kept: Kept) -> None:
    """The same face a few pixels further: where the landmarks are must go with it, and nothing else."""
    single, mean = [], []
    for step in range(5):
        image = np.roll(kept.picture(), 7 * step, axis=1)
        landmarks = FaceMesh().find(image)
        assert landmarks is not None
        single.append(landmarks[:, :2] - (7.0 * step, 0.0))
        mean.append(FaceMesh().mean(image, landmarks, looks=16)[:, :2] - (7.0 * step, 0.0))
    assert np.std(mean, axis=0).mean() < 0.75 * np.std(single, axis=0).mean()
