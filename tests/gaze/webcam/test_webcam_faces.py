"""Real photographs: eye corners and irises within a few pixels of marks that were made by hand on enlarged pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.webcam.landmarks import INNER_LEFT, INNER_RIGHT, OUTER_LEFT, OUTER_RIGHT, FaceMesh
from sam_edge.gaze.webcam.tracker import Face, FaceTracker
from sam_edge.media.images import read_image

PORTRAIT_IRISES = ((203.3, 100.9), (246.9, 103.4))
PORTRAIT_CORNERS = ((193.8, 101.2), (211.6, 102.6), (236.5, 104.6), (259.4, 103.6))
PHOTOGRAPHS = {
    "000000000459": (
        (160.0, 168.6),
        (206.8, 170.7),
        (151.6, 169.6),
        (168.1, 171.0),
        (194.1, 172.3),
        (215.9, 172.6),
    ),
    "000000000294": (
        (133.6, 120.9),
        (161.5, 120.9),
        (128.9, 121.3),
        (142.8, 122.4),
        (152.9, 122.4),
        (167.9, 122.4),
    ),
    "000000000389": ((286.1, 151.6), (333.1, 151.2)),
}
"""Irises, then the eyes' corners from left to right where they can be told, frame pixels."""
CORNERS = [OUTER_LEFT, INNER_LEFT, INNER_RIGHT, OUTER_RIGHT]


def face_in(image: NDArray[np.uint8]) -> Face:
    face = FaceTracker().find(image)
    assert face is not None
    return face


def away(found: NDArray[np.floating], marked: tuple[tuple[float, float], ...]) -> NDArray[np.floating]:
    """Distances in pixels."""
    x, y = (np.asarray(found)[:, :2] - np.array(marked)).T
    return np.asarray(np.hypot(x, y))


def test_the_portraits_eyes_are_where_they_were_marked(portrait: NDArray[np.uint8]) -> None:
    face = face_in(portrait)
    assert away(face.iris_centres_px, PORTRAIT_IRISES).max() < 1.0
    assert away(face.landmarks[CORNERS], PORTRAIT_CORNERS).max() < 4.0


@pytest.mark.parametrize("name", sorted(PHOTOGRAPHS))
def test_eyes_in_photographs_are_where_they_were_marked(coco_dir: Path, name: str) -> None:
    face = face_in(read_image(coco_dir / "images" / f"{name}.jpg"))
    marks = PHOTOGRAPHS[name]
    assert away(face.iris_centres_px, marks[:2]).max() < 1.0
    if len(marks) > 2:
        assert away(face.landmarks[CORNERS], marks[2:]).max() < 4.5


def test_a_picture_twice_as_large_moves_the_landmarks_with_it(portrait: NDArray[np.uint8]) -> None:
    large = cv2.resize(portrait, None, fx=2.0, fy=2.0, interpolation=cv2.INTER_CUBIC)
    moved = face_in(np.asarray(large, np.uint8)).iris_centres_px / 2
    assert np.hypot(*(moved - face_in(portrait).iris_centres_px).T).max() < 0.6


def test_a_mirrored_picture_gives_mirrored_eyes(portrait: NDArray[np.uint8]) -> None:
    mirrored = face_in(np.ascontiguousarray(portrait[:, ::-1])).iris_centres_px[::-1]
    back = np.column_stack([portrait.shape[1] - mirrored[:, 0], mirrored[:, 1]])
    assert np.hypot(*(back - face_in(portrait).iris_centres_px).T).max() < 0.8


def test_a_face_that_leaps_is_found_again_at_once(portrait: NDArray[np.uint8]) -> None:
    mesh = FaceMesh()
    assert mesh.find(portrait) is not None
    moved = np.roll(portrait, (60, 110), axis=(0, 1))
    landmarks = mesh.find(moved)
    assert landmarks is not None
    fresh = FaceMesh().find(moved)
    assert fresh is not None
    assert np.hypot(*(landmarks - fresh)[:, :2].T).mean() < 3.0


class TestShiftedIrises:
    """The iris of a photograph is moved within the eye; where the eyes look must follow."""

    SHIFTS_PX = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
    SCALE = 3

    @pytest.fixture(scope="class")
    @staticmethod
    def faces(portrait: NDArray[np.uint8]) -> list[Face]:
        large = np.asarray(cv2.resize(portrait, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC), np.uint8)
        return [face_in(shifted(large, shift, face_in(large))) for shift in TestShiftedIrises.SHIFTS_PX]

    def test_the_irises_follow(self, faces: list[Face]) -> None:
        found = np.array([face.iris_centres_px[:, 0].mean() for face in faces])
        slope = np.polyfit(self.SHIFTS_PX, found, 1)[0]
        assert 0.75 < slope < 1.15
        assert (np.diff(found) > 0.8).all()

    def test_gaze_is_monotonic(self, faces: list[Face]) -> None:
        from sam_edge.gaze.webcam.line_of_sight import gaze_point_mm

        points = [gaze_point_mm(face.look) for face in faces]
        across = [float(point[0]) for point in points if point is not None]
        assert len(across) == len(faces)
        assert (np.diff(across) > 0).all()


def shifted(image: NDArray[np.uint8], shift_px: float, face: Face) -> NDArray[np.uint8]:
    """Return the picture with what lies between the lids moved to the right; less near the corners."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    made: NDArray[np.uint8] = image.copy()
    for eye, centre in zip(face.eyes, face.iris_centres_px, strict=True):
        lids = eye.lids_px
        half = float(np.ptp(lids[:, 0])) / 2
        share = np.clip(1.0 - ((x - centre[0]) / (1.1 * half)) ** 2, 0.0, 1.0)
        moved = cv2.remap(image, (x - shift_px * share).astype(np.float32), y, cv2.INTER_LINEAR)
        inside = np.zeros((height, width), np.uint8)
        cv2.fillPoly(inside, [np.round(lids).astype(np.int32)], 255)
        soft = cv2.GaussianBlur(inside.astype(np.float32) / 255.0, (0, 0), 1.0)[..., None]
        made = np.asarray(moved * soft + made * (1.0 - soft), np.uint8)
    return made
