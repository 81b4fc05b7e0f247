"""The networks and what is around them give what MediaPipe gives.

Reference values: the TFLite files of mediapipe 0.10.14 run by ai-edge-litert 2.3.0, and `mediapipe.solutions.face_mesh`
and `face_detection` (short range), static images, on the portrait that the package ships.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.webcam.eyes import EyeFinder
from sam_edge.gaze.webcam.faces import FaceDetector
from sam_edge.gaze.webcam.landmarks import FaceMesh
from sam_edge.gaze.webcam.networks import Network

TFLITE: dict[str, list[tuple[int, float, float, tuple[float, ...]]]] = {
    "face_detector": [
        (14336, 7.27978, 23.04312, (0.8083, 38.5021, 2.9394, 10.8715, -21.4719)),
        (896, -5.38807, 4.29736, (-5.2439, -3.7028, -5.325, -4.2233, -5.2275)),
    ],
    "face_landmarks": [
        (1404, 67.30172, 53.49324, (98.2505, 90.6504, 4.7111, 139.2646, 80.0364)),
        (1, -6.51091, 0.0, (-6.5109,)),
    ],
    "iris_landmarks": [
        (213, 21.72011, 17.06782, (24.8624, 36.2759, 31.0009, 24.2729, 19.3481)),
        (15, 16.66812, 22.61433, (31.6946, 35.6995, 32.973, 28.009, 30.4658)),
    ],
}
"""Of each output for `picture`: how many values, their mean and deviation, and every fifth part's first."""
DETECTION = (0.92, 176.54, 82.28, 96.45, 96.45)
KEYPOINTS = (201.76, 105.41, 246.09, 109.5, 221.43, 128.84, 220.66, 149.74, 177.44, 115.07, 271.46, 122.9)
MESH = {
    1: (223.7, 130.87, -23.2),
    10: (227.49, 71.99, -10.51),
    33: (194.76, 100.63, 4.24),
    61: (201.55, 139.2, 6.84),
    133: (213.75, 103.33, 0.81),
    152: (220.98, 175.54, 7.93),
    159: (202.91, 97.6, -1.41),
    168: (225.69, 100.76, -10.85),
    234: (179.07, 110.92, 41.33),
    263: (256.26, 104.18, 4.55),
    291: (245.82, 142.07, 6.91),
    362: (237.1, 104.66, 1.0),
    454: (270.68, 116.49, 41.74),
}
REFINED_IRISES = ((203.35, 101.26), (246.63, 103.44))
"""Iris centres of MediaPipe's other network, the mesh with attention: not the same one, so a pixel is allowed."""


def picture(side: int) -> NDArray[np.float32]:
    """A picture that anybody can make again, 0..1, (1, 3, side, side)."""
    y, x = np.mgrid[0:side, 0:side] / side
    planes = [0.5 + 0.5 * np.sin(9 * x + 4 * y), 0.5 + 0.5 * np.cos(7 * x * y + 2), x * (1 - y)]
    return np.stack(planes)[None].astype(np.float32)


@pytest.mark.parametrize("name", sorted(TFLITE))
def test_each_network_computes_what_the_tflite_file_does(name: str) -> None:
    network = Network(name)
    for output, (count, mean, deviation, some) in zip(
        network(picture(network.side)), TFLITE[name], strict=True
    ):
        values = output.ravel()
        assert len(values) == count
        np.testing.assert_allclose([values.mean(), values.std()], [mean, deviation], atol=2e-4)
        np.testing.assert_allclose(values[:: max(1, count // 5)][: len(some)], some, atol=2e-3)


def test_the_detector_finds_the_face_where_mediapipe_does(portrait: NDArray[np.uint8]) -> None:
    (face,) = FaceDetector().find(portrait)
    x0, y0, x1, y1 = face.box_px
    np.testing.assert_allclose([face.score, x0, y0, x1 - x0, y1 - y0], DETECTION, atol=0.05)
    np.testing.assert_allclose(face.keypoints_px.ravel(), KEYPOINTS, atol=0.05)


def test_the_landmarks_are_where_mediapipe_has_them(portrait: NDArray[np.uint8]) -> None:
    landmarks = FaceMesh().find(portrait)
    assert landmarks is not None
    assert landmarks.shape == (468, 3)
    np.testing.assert_allclose(landmarks[list(MESH)], list(MESH.values()), atol=0.1)


def test_the_irises_are_near_those_of_mediapipes_refined_mesh(portrait: NDArray[np.uint8]) -> None:
    landmarks = FaceMesh().find(portrait)
    assert landmarks is not None
    eyes = EyeFinder().find(portrait, landmarks)
    np.testing.assert_allclose([eye.centre_px for eye in eyes], REFINED_IRISES, atol=1.0)


def test_the_largest_face_comes_first(portrait: NDArray[np.uint8]) -> None:
    head = portrait[20:236, 116:332]
    both = np.full((216, 440, 3), 128, np.uint8)
    both[36:180, 36:180] = cv2.resize(head, (144, 144), interpolation=cv2.INTER_AREA)
    both[:, 224:] = head
    faces = FaceDetector().find(both)
    assert len(faces) == 2
    assert faces[0].box_px[0] > 224 > faces[1].box_px[2]


def test_where_there_is_no_face_none_is_found() -> None:
    assert FaceDetector().find(np.full((240, 320, 3), 127, np.uint8)) == []
    assert FaceMesh().find(np.full((240, 320, 3), 127, np.uint8)) is None
