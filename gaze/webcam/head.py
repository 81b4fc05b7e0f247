"""Where the head is and which way it faces, from the landmarks that do not move with the face's expression.

The head's own space, millimetres: origin in the middle of MediaPipe's canonical face, x to the right as the camera sees
it, y down, z away from the camera, into the head. A head that faces the camera squarely is not turned.

Source: MediaPipe's canonical_face_model.obj (Apache-2.0): an average face, centimetres, y up and z out of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_edge.gaze.webcam.crops import Floats

_MIDDLE = {
    168: (3.271027, 5.236015),
    6: (2.473255, 5.788627),
    197: (1.728369, 6.316750),
    195: (1.059413, 6.774605),
    5: (0.365669, 7.242870),
    4: (-0.463170, 7.586580),
    9: (4.885979, 5.385258),
    8: (4.019042, 5.284764),
    151: (6.545390, 5.027311),
}
"""Landmarks on the middle line: y and z of the canonical face, centimetres."""
_PAIRS = {
    (33, 263): (4.445859, 2.663991, 3.173422),
    (133, 362): (1.856432, 2.585245, 3.757904),
    (127, 356): (7.743095, 2.364999, -2.005167),
    (234, 454): (7.664182, 0.673132, -2.435867),
    (21, 251): (7.087960, 5.434801, 0.099620),
    (54, 284): (6.279331, 6.615427, 1.425850),
    (98, 327): (1.405627, -1.714196, 5.241087),
    (129, 358): (1.785794, -0.978284, 4.850470),
}
"""Landmarks in pairs, left and right as seen: x of the right one, y and z, centimetres."""
_MM_PER_CM = 10.0
_EASY_PX = 2.0
_MISS, _OWN_MISS = 0.06, 0.022
"""How far landmarks may be from where the shape has them, share of their extent: the canonical face's, one's own."""
_MAX_TILT_DEG = 60.0


@dataclass(frozen=True, slots=True)
class PinholeCamera:
    """A camera without distortion."""

    size: tuple[int, int]
    """(height, width) of its image, pixels."""
    focal_px: float
    """Focal length, pixels."""

    @classmethod
    def of_view(cls, size: tuple[int, int], *, fov_deg: float) -> PinholeCamera:
        """Return the camera whose image is `fov_deg` degrees across its diagonal, as data sheets state it."""
        diagonal_px = float(np.hypot(*size))
        return cls(size, diagonal_px / 2 / float(np.tan(np.radians(fov_deg) / 2)))

    @property
    def matrix(self) -> Floats:
        """The camera's matrix (3, 3)."""
        height, width = self.size
        return np.array([[self.focal_px, 0, width / 2], [0, self.focal_px, height / 2], [0, 0, 1.0]])

    def rays(self, points_px: Floats) -> Floats:
        """Return the unit vectors (n, 3) towards points (n, 2) of the image."""
        middle = np.array([self.size[1] / 2, self.size[0] / 2])
        rays = np.column_stack([(points_px - middle) / self.focal_px, np.ones(len(points_px))])
        unit: Floats = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        return unit

    def project(self, points_mm: Floats) -> Floats:
        """Return where points (n, 3) of the camera's space, millimetres, are in the image (n, 2)."""
        middle = np.array([self.size[1] / 2, self.size[0] / 2])
        pixels: Floats = points_mm[:, :2] / points_mm[:, 2:] * self.focal_px + middle
        return pixels


def _canonical() -> tuple[tuple[int, ...], Floats]:
    rows = {number: (0.0, y, z) for number, (y, z) in _MIDDLE.items()}
    for (left, right), (x, y, z) in _PAIRS.items():
        rows[left], rows[right] = (-x, y, z), (x, y, z)
    points = np.array(list(rows.values())) * np.array([1.0, -1.0, -1.0]) * _MM_PER_CM
    return tuple(rows), points


LANDMARKS, CANONICAL_MM = _canonical()
"""The landmarks that count, and where the canonical face has them, float64 (n, 3)."""
CORNERS = (33, 133, 362, 263)
"""The eyes' corners from left to right as seen, numbers of landmarks."""
_CORNERS = tuple(LANDMARKS.index(number) for number in CORNERS)
_OUTER = (_CORNERS[0], _CORNERS[3])


@dataclass(frozen=True, slots=True)
class FaceShape:
    """Where one person's landmarks are."""

    points_mm: Floats
    """`LANDMARKS` in the head's space, float64 (n, 3)."""

    @property
    def eyes_mm(self) -> Floats:
        """Middle between the corners of the left and of the right eye as seen, float64 (2, 3)."""
        middles: Floats = self.points_mm[list(_CORNERS)].reshape(2, 2, 3).mean(axis=1)
        return middles


class ShapeLearner:
    """Learns the shape of a face from the first frames in which it is seen.

    The canonical face is an average: with it, a narrower face would appear to be farther away. The
    network's landmarks have depth; brought to size by the distance of the outer eye corners, which differs little
    between people, and laid on the canonical face, their mean is a first shape. Then what is left between it and the
    image is taken out sideways and up, where an image says most.
    """

    def __init__(self, *, frames: int = 40) -> None:
        """Learn from `frames` frames."""
        self._frames = frames
        self._points = np.zeros_like(CANONICAL_MM)
        self._seen = 0

    @property
    def done(self) -> bool:
        """Whether enough was seen."""
        return self._seen >= self._frames

    def learn(self, landmarks: Floats, pose: HeadPose, camera: PinholeCamera) -> FaceShape:
        """Take one frame's landmarks (468, 3) and the pose that the last shape gave; return the shape so far."""
        if self.done:
            return pose.shape
        self._seen += 1
        if self._seen <= self._frames // 4:
            self._points += (_in_head(landmarks) - self._points) / self._seen
        else:
            seen = _at_depth(landmarks, pose, camera)
            share = 1.0 / max(4.0, self._seen - self._frames / 4)
            self._points += share * (_anchor(seen) - self._points)
        return FaceShape(self._points.copy())


def _in_head(landmarks: Floats) -> Floats:
    """Return one frame's landmarks in the head's space: turned to lie on the canonical face as well as they can."""
    points = landmarks[list(LANDMARKS)]
    size = np.linalg.norm(np.subtract(*CANONICAL_MM[list(_OUTER)]))
    points = points * (size / np.linalg.norm(np.subtract(*points[list(_OUTER)])))
    centred, wanted = points - points.mean(axis=0), CANONICAL_MM - CANONICAL_MM.mean(axis=0)
    left, _, right = np.linalg.svd(wanted.T @ centred)
    turn = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    turned = centred @ turn.T
    placed: Floats = turned - turned[list(_OUTER)].mean(axis=0) + CANONICAL_MM[list(_OUTER)].mean(axis=0)
    return placed


def _at_depth(landmarks: Floats, pose: HeadPose, camera: PinholeCamera) -> Floats:
    """Return where the landmarks are in the head's space if each is as deep in the head as the shape has it."""
    rays = camera.rays(landmarks[list(LANDMARKS), :2]) @ pose.rotation
    origin = -pose.position_mm @ pose.rotation
    reach = (pose.shape.points_mm[:, 2] - origin[2]) / rays[:, 2]
    points: Floats = origin + rays * reach[:, None]
    return points


def _anchor(points: Floats) -> Floats:
    """Return points scaled and moved so that the outer eye corners are where the canonical face has them."""
    size = np.linalg.norm(np.subtract(*CANONICAL_MM[list(_OUTER)]))
    scaled = points * (size / np.linalg.norm(np.subtract(*points[list(_OUTER)])))
    moved: Floats = scaled - scaled[list(_OUTER)].mean(axis=0) + CANONICAL_MM[list(_OUTER)].mean(axis=0)
    return moved


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Where the head is in the camera's space: x right, y down, z forward, millimetres."""

    shape: FaceShape
    """The face that was fitted."""
    rotation: Floats
    """Camera from head, float64 (3, 3)."""
    position_mm: Floats
    """Origin of the head's space, float64 (3,)."""
    error_px: float
    """Mean distance of the landmarks from where the face's shape has them."""

    @property
    def corners_mm(self) -> Floats:
        """The eyes' corners from left to right as seen, in the camera's space, float64 (4, 3)."""
        placed: Floats = self.shape.points_mm[list(_CORNERS)] @ self.rotation.T + self.position_mm
        return placed

    @property
    def distance_mm(self) -> float:
        """Distance from the camera."""
        return float(np.linalg.norm(self.position_mm))

    @property
    def angles_deg(self) -> tuple[float, float, float]:
        """Yaw (positive: towards the right as the camera sees it), pitch (positive: down), roll, degrees."""
        forward = -self.rotation[:, 2]
        yaw = np.degrees(np.arctan2(forward[0], -forward[2]))
        pitch = np.degrees(np.arctan2(forward[1], np.hypot(forward[0], forward[2])))
        roll = np.degrees(np.arctan2(self.rotation[1, 0], self.rotation[0, 0]))
        return float(yaw), float(pitch), float(roll)


class PoseFinder:
    """Fits a face's shape to the landmarks, beginning from the frame before."""

    def __init__(self, camera: PinholeCamera, shape: FaceShape | None = None) -> None:
        """Prepare for images of one camera; the shape is the canonical face until it is set."""
        self.shape = shape or FaceShape(CANONICAL_MM)
        """The face that is fitted."""
        self.learned = shape is not None
        """Whether the shape is this person's own, so that landmarks must lie near it."""
        self.camera = camera
        """What the images are taken with."""
        self._matrix = camera.matrix
        self._last: tuple[Floats, Floats] | None = None

    def find(self, landmarks: Floats) -> HeadPose | None:
        """Return the pose for landmarks (468, 2 or 3), or None where there is none to be had."""
        seen = np.ascontiguousarray(landmarks[list(LANDMARKS), :2])
        turn, place = self._last if self._last is not None else self._guess(seen)
        _, solved, placed = cv2.solvePnP(
            self.shape.points_mm,
            seen,
            self._matrix,
            None,
            turn.copy(),
            place.copy(),
            True,
            cv2.SOLVEPNP_ITERATIVE,
        )
        turn, place = np.asarray(solved, np.float64), np.asarray(placed, np.float64)
        projected = cv2.projectPoints(self.shape.points_mm, turn, place, self._matrix, None)[0][:, 0]
        error_px = float(np.hypot(*(projected - seen).T).mean())
        pose = HeadPose(self.shape, np.asarray(cv2.Rodrigues(turn)[0], np.float64), place[:, 0], error_px)
        span_px = float(np.hypot(*np.ptp(seen, axis=0)))
        plausible = 100.0 < place[2, 0] < 5000.0 and max(map(abs, pose.angles_deg[:2])) < _MAX_TILT_DEG
        if not plausible or error_px > max(_EASY_PX, (_OWN_MISS if self.learned else _MISS) * span_px):
            self._last = None
            return None
        self._last = (turn, place)
        return pose

    def _guess(self, seen: Floats) -> tuple[Floats, Floats]:
        """A head that faces the camera, as far away as it looks."""
        span_mm = float(np.hypot(*np.ptp(self.shape.points_mm[:, :2], axis=0)))
        span_px = max(1.0, float(np.hypot(*np.ptp(seen, axis=0))))
        depth_mm = self.camera.focal_px * span_mm / span_px
        middle = seen.mean(axis=0) - [self.camera.size[1] / 2, self.camera.size[0] / 2]
        place = np.array([*(middle * depth_mm / self.camera.focal_px), depth_mm])
        return np.zeros((3, 1)), place[:, None]
