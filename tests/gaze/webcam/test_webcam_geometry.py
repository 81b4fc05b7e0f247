"""Crops, head pose, irises and lines of sight against geometry that is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.gaze.webcam.crops import Square, crop
from sam_edge.gaze.webcam.head import (
    CANONICAL_MM,
    LANDMARKS,
    FaceShape,
    HeadPose,
    PinholeCamera,
    PoseFinder,
    ShapeLearner,
)
from sam_edge.gaze.webcam.iris import fit_circles
from sam_edge.gaze.webcam.line_of_sight import (
    BEHIND_CORNERS_MM,
    IRIS_FROM_CENTRE_MM,
    EyeRays,
    Screen,
    gaze_point_mm,
    sight_lines,
)
from sam_edge.gaze.webcam.tracker import FaceTracker

finite = st.floats(-300.0, 300.0)


class TestSquare:
    @given(finite, finite, st.floats(1.0, 500.0), st.floats(-3.1, 3.1), st.booleans())
    def test_the_middle_of_the_crop_is_the_squares(
        self, x: float, y: float, side: float, angle: float, mirrored: bool
    ) -> None:
        square = Square(x, y, side, angle, mirrored)
        np.testing.assert_allclose(square.to_frame(np.array([[32.0, 32.0]]), 64)[0], [x, y], atol=1e-6)
        corners = square.to_frame(np.array([[0.0, 0.0], [64.0, 0.0], [64.0, 64.0]]), 64)
        np.testing.assert_allclose(np.hypot(*np.diff(corners, axis=0).T), side, rtol=1e-6)

    def test_a_crop_shows_what_lies_there(self) -> None:
        image = np.zeros((40, 60, 3), np.uint8)
        image[10:20, 30:40] = (200, 100, 50)
        cut = crop(image, Square(35.0, 15.0, 10.0), 5)
        assert cut.shape == (1, 3, 5, 5)
        np.testing.assert_array_equal(cut[0, :, 1:-1, 1:-1].mean(axis=(1, 2)), [200, 100, 50])

    def test_a_mirrored_crop_is_the_crop_mirrored(self) -> None:
        image = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
        plain = crop(image, Square(25.0, 25.0, 32.0), 32)
        np.testing.assert_array_equal(crop(image, Square(25.0, 25.0, 32.0, 0.0, True), 32), plain[..., ::-1])


def seen(camera: PinholeCamera, turn: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """The canonical face's landmarks as the camera sees them; those that do not count are zero."""
    landmarks = np.zeros((468, 3))
    points = CANONICAL_MM @ turn.T + place
    landmarks[list(LANDMARKS), :2] = points[:, :2] / points[:, 2:] * camera.focal_px + [
        camera.size[1] / 2,
        camera.size[0] / 2,
    ]
    landmarks[list(LANDMARKS), 2] = (points[:, 2] - place[2]) * camera.focal_px / place[2]
    return landmarks


def turned(yaw_deg: float, pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    parts = [(0.0, -yaw_deg, 0.0), (pitch_deg, 0.0, 0.0), (0.0, 0.0, roll_deg)]
    about_y, about_x, about_z = (cv2.Rodrigues(np.radians(part))[0] for part in parts)
    return np.asarray(about_y @ about_x @ about_z, np.float64)


class TestHeadPose:
    @pytest.mark.parametrize(
        "angles", [(0, 0, 0), (25, 0, 0), (-25, 5, 0), (0, 15, 0), (0, -15, 10), (12, 8, -20)]
    )
    def test_a_pose_is_found_again(self, camera: PinholeCamera, angles: tuple[float, float, float]) -> None:
        place = np.array([40.0, -30.0, 650.0])
        pose = PoseFinder(camera).find(seen(camera, turned(*angles), place))
        assert pose is not None
        np.testing.assert_allclose(pose.position_mm, place, atol=0.5)
        np.testing.assert_allclose(pose.rotation, turned(*angles), atol=2e-3)
        assert pose.error_px < 0.05
        assert pose.distance_mm == pytest.approx(np.linalg.norm(place), abs=0.5)
        assert pose.angles_deg[0] == pytest.approx(angles[0], abs=0.2)

    def test_landmarks_that_are_no_face_have_no_pose(self, camera: PinholeCamera) -> None:
        noise = np.random.default_rng(1).uniform(0, 700, (468, 3))
        assert PoseFinder(camera).find(noise) is None

    def test_the_shape_of_another_face_is_learned(self, camera: PinholeCamera) -> None:
        """A face that is narrower at the temples and longer in the nose than the canonical one."""
        rng = np.random.default_rng(2)
        own = CANONICAL_MM.copy()
        own[np.abs(own[:, 0]) > 55] *= (0.9, 1.0, 1.0)
        own[np.abs(own[:, 0]) < 1, 1] *= 1.05
        finder, learner = PoseFinder(camera), ShapeLearner()
        errors = []
        while not learner.done:
            turn = turned(*rng.normal(0, 4, 3))
            points = own @ turn.T + np.array([5.0, 40.0, 600.0])
            landmarks = np.zeros((468, 3))
            landmarks[list(LANDMARKS), :2] = points[:, :2] / points[:, 2:] * camera.focal_px + [320, 240]
            landmarks[list(LANDMARKS), 2] = (points[:, 2] - 600.0) * camera.focal_px / 600.0
            pose = finder.find(landmarks)
            assert pose is not None
            errors.append(pose.error_px)
            finder.shape = learner.learn(landmarks, pose, camera)
        assert errors[-1] < 0.3 < errors[0]
        assert pose is not None
        assert pose.distance_mm == pytest.approx(600.0, rel=0.04)

    @pytest.mark.parametrize("fov_deg", [0.0, 10.0, 180.0, float("nan")])
    def test_a_view_that_no_camera_has_is_refused(self, fov_deg: float) -> None:
        with pytest.raises(InputError, match="fov_deg"):
            FaceTracker(fov_deg=fov_deg)


def look_at(target_mm: NDArray[np.float64], turn: NDArray[np.float64], place: NDArray[np.float64]) -> EyeRays:
    """What a camera at the origin sees of an average person's eyes that look at a point."""
    pose = HeadPose(FaceShape(CANONICAL_MM), turn, place, 0.0)
    centres = (pose.shape.eyes_mm + BEHIND_CORNERS_MM) @ turn.T + place
    lines = target_mm - centres
    irises = centres + IRIS_FROM_CENTRE_MM * lines / np.linalg.norm(lines, axis=1, keepdims=True)
    return EyeRays(pose, irises / np.linalg.norm(irises, axis=1, keepdims=True))


class TestSight:
    @given(
        st.floats(-250, 250), st.floats(10, 300), st.floats(-15, 15), st.floats(-10, 10), st.floats(450, 800)
    )
    def test_where_the_eyes_look_is_found_again(
        self, x: float, y: float, yaw: float, pitch: float, distance: float
    ) -> None:
        look = look_at(np.array([x, y, 0.0]), turned(yaw, pitch, 3.0), np.array([20.0, 50.0, distance]))
        point = gaze_point_mm(look)
        assert point is not None
        np.testing.assert_allclose(point, [x, y], atol=2.0)

    def test_lines_of_sight_are_unit_vectors_towards_the_screen(self) -> None:
        origins, directions = sight_lines(look_at(np.zeros(3), np.eye(3), np.array([0.0, 40.0, 600.0])))
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
        assert (directions[:, 2] < -0.9).all()
        assert (origins[:, 2] > 500).all()

    def test_irises_beside_the_eye_look_nowhere(self) -> None:
        look = look_at(np.zeros(3), np.eye(3), np.array([0.0, 40.0, 600.0]))
        beside = look.iris_rays + np.array([0.04, 0.0, 0.0])
        assert (
            gaze_point_mm(EyeRays(look.pose, beside / np.linalg.norm(beside, axis=1, keepdims=True))) is None
        )

    def test_the_cameras_right_is_the_screens_left(self) -> None:
        screen = Screen((1080, 1920), 480.0, camera_above_mm=10.0, camera_aside_mm=-20.0)
        assert screen.px_per_mm == 4.0
        np.testing.assert_allclose(
            screen.points_px(np.array([[0.0, 10.0], [100.0, 110.0]])), [[880.0, 0.0], [480.0, 400.0]]
        )
        assert screen.px_per_deg(600.0) == pytest.approx(4.0 * 600.0 * np.tan(np.radians(1.0)))


class TestIris:
    @staticmethod
    def eye(x: float, y: float, radius: float) -> NDArray[np.uint8]:
        """A dark disc on white, drawn eight times as fine."""
        large = np.full((60 * 8, 80 * 8), 210, np.uint8)
        centre = (round(x * 8 * 16 - 8), round(y * 8 * 16 - 8))
        cv2.circle(large, centre, round(radius * 8 * 16), 60, -1, cv2.LINE_8, 4)
        small = cv2.resize(large, (80, 60), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.8), np.uint8)

    WIDE = np.array([[10.0, 10.0], [70.0, 10.0], [70.0, 50.0], [10.0, 50.0]])

    @given(st.floats(36, 44), st.floats(27, 33), st.floats(6, 11))
    def test_the_border_is_found_to_a_tenth_of_a_pixel(self, x: float, y: float, radius: float) -> None:
        start = np.array([[x + 0.3 * radius, y - 0.2 * radius]])
        (circle,) = fit_circles(self.eye(x, y, radius), start, [self.WIDE], radius / 1.06)
        assert circle is not None
        assert abs(circle.x_px - x) < 0.12
        assert abs(circle.y_px - y) < 0.25
        assert abs(circle.radius_px - radius) < 0.06 * radius

    def test_lids_over_the_iris_do_not_move_it_sideways(self) -> None:
        image = self.eye(40.0, 30.0, 9.0)
        image[:25] = 150
        image[36:] = 150
        lids = np.array([[18.0, 25.0], [62.0, 25.0], [62.0, 36.0], [18.0, 36.0]])
        (circle,) = fit_circles(image, np.array([[42.0, 29.0]]), [lids], 8.5)
        assert circle is not None
        assert abs(circle.x_px - 40.0) < 0.15

    @pytest.mark.parametrize("upper_lid", [22, 24, 26])
    def test_the_upper_lid_does_not_pull_the_iris_up_or_down(self, upper_lid: int) -> None:
        image = self.eye(40.0, 30.0, 9.0)
        image[:upper_lid] = 120
        lids = np.array([[18.0, upper_lid], [62.0, upper_lid], [62.0, 44.0], [18.0, 44.0]])
        (circle,) = fit_circles(image, np.array([[41.0, 31.5]]), [lids], 8.5)
        assert circle is not None
        assert abs(circle.y_px - 30.0) < 0.2

    def test_where_there_is_no_border_there_is_no_circle(self) -> None:
        flat = np.full((60, 80), 120, np.uint8)
        assert fit_circles(flat, np.array([[40.0, 30.0]]), [self.WIDE], 8.0) == [None]

    def test_an_eye_at_the_pictures_edge_is_no_error(self) -> None:
        image = self.eye(40.0, 30.0, 9.0)
        circles = fit_circles(image, np.array([[1.0, 1.0], [200.0, -50.0]]), [self.WIDE, self.WIDE], 9.0)
        assert len(circles) == 2
