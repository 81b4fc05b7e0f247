"""The head's pose to a tenth of a millimetre: a person's own face is laid on the image, pixel by pixel.

The landmark network's answer depends on how the face lies in its square: by 0.7 pixels, two degrees of gaze. So one
image of the face is kept, with the depth of each place in it, and every other image is compared with that one: the
pose in which the two look alike. Lids, eyes, mouth and jaw move by themselves and do not count.

Source: inverse compositional alignment (Baker and Matthews, "Lucas-Kanade 20 years on", 2004) of a surface in space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.webcam.crops import Floats
from sam_edge.gaze.webcam.head import LANDMARKS, HeadPose, PinholeCamera

_EYES_PX = 110.0
"""Distance of the outer eye corners at which images are compared; more costs time and gives nothing."""
_BORDER = (143, 116, 118, 101, 129, 98, 4, 327, 358, 330, 347, 345, 372, 333, 151, 104)
"""Landmarks round what neither moves by itself nor is the face's edge: forehead, nose, the cheeks under the eyes."""
_EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 190, 56, 28, 27, 29, 30, 247),
    (362, 382, 381, 380, 374, 373, 390, 249, 263, 467, 260, 259, 257, 258, 286, 414),
)
"""Landmarks around each eye and its upper lid."""
_OUTER = (33, 263)
_SMOOTH_PX, _SHADE_PX = 1.0, 13
"""Noise is smoothed away, and the slow change of light over the face is taken out."""
_MARGIN_PX = 9
"""Pixels closer to the lids than half of this do not count either."""
_NEAR_PX = 1.0
_NEAR_EYES_MM = 24.0
_POINTS = 600
_ROUNDS = 6
_ENOUGH = 4e-3
"""The alignment stops after a step smaller than this, millimetres."""
_LEAST_LIKE = 0.75
"""Correlation with the kept image below which a pose is not believed."""
_FAR_MM, _FAR_DEG = 40.0, 12.0
"""A pose that is further from the landmarks' (depth, angle) is not believed."""


@dataclass(frozen=True, slots=True)
class FaceTemplate:
    """One image of a face, as brightness of places in the head's space."""

    points_mm: Floats
    """Places on the face, in the head's space, float64 (n, 3)."""
    values: Floats
    """Their brightness, without the slow change of light, float64 (n,)."""
    slopes: Floats
    """How the brightness changes with a turn (radians) and a shift (mm) of the head, then its own gain and offset."""
    near_eyes: Floats
    """Weight of each place for the position of the eyes: 1 next to them, float64 (n,)."""
    camera: PinholeCamera
    """What the image was taken with."""

    @classmethod
    def of(
        cls, grey: NDArray[np.uint8], landmarks: Floats, pose: HeadPose, camera: PinholeCamera
    ) -> FaceTemplate | None:
        """Keep an image (H, W) with landmarks (468, 3) and the head's pose; None where the face is not whole in it."""
        view = _View.around(grey, landmarks, pose)
        if view is None:
            return None
        inside = _steady_part(view, landmarks)
        smooth = cv2.GaussianBlur(view.image, (0, 0), 1.0)
        slope_x, slope_y = (
            cv2.Sobel(smooth, cv2.CV_64F, *order, ksize=3) / 8.0 for order in ((1, 0), (0, 1))
        )
        inside[::2] = inside[:, ::2] = False
        rows, columns = np.nonzero(inside)
        steep = np.hypot(slope_x[rows, columns], slope_y[rows, columns])
        best = np.argsort(-steep)[:_POINTS]
        if len(best) < _POINTS // 8:
            return None
        rows, columns = rows[best], columns[best]
        seen_px = view.in_frame(np.column_stack([columns, rows]).astype(np.float64) + 0.5)
        points = _on_surface(seen_px, landmarks, pose, camera)
        along = np.column_stack([slope_x[rows, columns], slope_y[rows, columns]]) * view.scale
        values = view.image[rows, columns].astype(np.float64)
        slopes = _slopes(points, along, values, pose, camera)
        return cls(points, values, slopes, _near_eyes(points, pose.shape.eyes_mm), camera)

    def align(self, grey: NDArray[np.uint8], landmarks: Floats, pose: HeadPose) -> HeadPose | None:
        """Return the pose, near the landmarks' own, in which the image (H, W) looks most like the kept one.

        None where nothing near looks like it: another light, a hand, a face turned away.
        """
        view = _View.around(grey, landmarks, pose)
        if view is None:
            return None
        turn, place = self._step_by_step(view, pose.rotation, pose.position_mm, turning=True)
        # A small mistake in the turn moves the eyes, which lie behind the nose, by much: so they are placed by what
        # surrounds them.
        turn, place = self._step_by_step(view, turn, place, turning=False)
        seen = view.at(self.camera.project(self.points_mm @ turn.T + place))
        weights = _weights(seen - self.values)
        found = replace(pose, rotation=turn, position_mm=place)
        return found if _alike(seen, self.values, weights) > _LEAST_LIKE and _near(found, pose) else None

    def _step_by_step(
        self, view: _View, turn: Floats, place: Floats, *, turning: bool
    ) -> tuple[Floats, Floats]:
        """Return the pose that fits better than the given one; without `turning` by what surrounds the eyes only."""
        first = 0 if turning else 3
        slopes, near = self.slopes[:, first:], np.ones(len(self.values)) if turning else self.near_eyes
        for _ in range(_ROUNDS):
            misses = view.at(self.camera.project(self.points_mm @ turn.T + place)) - self.values
            weighted = slopes * (_weights(misses) * near)[:, None]
            step = np.zeros(8)
            step[first:] = np.linalg.solve(
                weighted.T @ slopes + 1e-6 * np.eye(8 - first), weighted.T @ misses
            )
            back = np.asarray(cv2.Rodrigues(-step[:3])[0], np.float64)
            place = place - turn @ back @ step[3:6]
            turn = turn @ back
            if float(np.abs(step[3:6]).max()) < _ENOUGH:
                break
        return turn, place


@dataclass(frozen=True, slots=True)
class _View:
    """The part of a frame that shows the face, at the size at which images are compared."""

    image: NDArray[np.float32]
    """Brightness without the slow change of light."""
    corner_px: Floats
    """Its upper left corner in the frame."""
    scale: Floats
    """Its pixels in one of the frame's, across and down (2,)."""

    @classmethod
    def around(cls, grey: NDArray[np.uint8], landmarks: Floats, pose: HeadPose) -> _View | None:
        seen = landmarks[list(LANDMARKS), :2]
        spare = 0.15 * float(np.ptp(seen[:, 0]))
        x0, y0 = (max(0, int(value)) for value in seen.min(axis=0) - spare)
        x1, y1 = (max(0, int(value)) for value in seen.max(axis=0) + spare)
        part = grey[y0:y1, x0:x1]
        if min(part.shape) < 24:
            return None
        eyes_px = float(np.hypot(*(landmarks[_OUTER[1]] - landmarks[_OUTER[0]])[:2]))
        share = min(1.0, _EYES_PX / max(eyes_px, 1.0))
        size = np.maximum(1, np.round(np.array(part.shape[::-1]) * share).astype(int))
        scale = size / np.array(part.shape[::-1])
        if share < 1.0:
            part = np.asarray(cv2.resize(part, size.tolist(), interpolation=cv2.INTER_AREA), np.uint8)
        smooth = cv2.GaussianBlur(part.astype(np.float32), (0, 0), _SMOOTH_PX)
        slow = cv2.blur(smooth, (_SHADE_PX, _SHADE_PX))
        return cls(np.asarray(smooth - slow, np.float32), np.array([x0, y0], float), scale)

    def in_frame(self, points: Floats) -> Floats:
        """Take places of the view to the frame."""
        placed: Floats = points / self.scale + self.corner_px
        return placed

    def in_view(self, points_px: Floats) -> Floats:
        """Take places of the frame to the view."""
        placed: Floats = (points_px - self.corner_px) * self.scale
        return placed

    def at(self, points_px: Floats) -> Floats:
        """Return the brightness at places of the frame."""
        # OpenCV counts pixels from their middle, we from their corner.
        x, y = (self.in_view(points_px) - 0.5).astype(np.float32).T
        values = cv2.remap(
            self.image,
            np.ascontiguousarray(x),
            np.ascontiguousarray(y),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(values, np.float64).ravel()


def _steady_part(view: _View, landmarks: Floats) -> NDArray[np.bool_]:
    """Return which pixels of a view show what does not move by itself."""
    part = np.zeros(view.image.shape, np.uint8)
    seen = view.in_view(landmarks[:, :2])
    border = seen[list(_BORDER)]
    cv2.fillConvexPoly(part, cv2.convexHull(np.round(border).astype(np.int32)), 255)
    moving = np.zeros_like(part)
    for ring in _EYES:
        cv2.fillPoly(moving, [np.round(seen[list(ring)]).astype(np.int32)], 255)
    part[cv2.dilate(moving, np.ones((_MARGIN_PX, _MARGIN_PX), np.uint8)) > 0] = 0
    # Near the face's edge what is behind it, or hair, comes into the mean that is taken out.
    face = np.zeros_like(part)
    cv2.fillConvexPoly(face, cv2.convexHull(np.round(seen).astype(np.int32)), 255)
    face[:1] = face[-1:] = face[:, :1] = face[:, -1:] = 0
    part[cv2.erode(face, np.ones((_SHADE_PX, _SHADE_PX), np.uint8)) == 0] = 0
    return part > 0


def _on_surface(seen_px: Floats, landmarks: Floats, pose: HeadPose, camera: PinholeCamera) -> Floats:
    """Return where places of the image are in the head's space, as deep as the landmarks next to them."""
    # A plane through the landmarks near each place (moving least squares): the nose's sides are steep.
    apart = landmarks[None, :, :2] - seen_px[:, None]
    shares = 1.0 / (np.sum(apart**2, axis=2) + _NEAR_PX**2) ** 2
    terms = np.concatenate([apart, np.ones((*apart.shape[:2], 1))], axis=2)
    weighted = terms * shares[..., None]
    normal = np.einsum("nki,nkj->nij", weighted, terms)
    there = np.linalg.solve(normal, (weighted.transpose(0, 2, 1) @ _depths(landmarks, pose))[..., None])[
        :, 2, 0
    ]
    height, width = camera.size
    points = np.column_stack([(seen_px - [width / 2, height / 2]) / camera.focal_px, np.ones(len(seen_px))])
    placed: Floats = (points * there[:, None] - pose.position_mm) @ pose.rotation
    return placed


def _near_eyes(points: Floats, eyes_mm: Floats) -> Floats:
    away = np.linalg.norm(points[:, None] - eyes_mm, axis=2).min(axis=1)
    near: Floats = 1.0 / (1.0 + (away / _NEAR_EYES_MM) ** 4)
    return near


def _depths(landmarks: Floats, pose: HeadPose) -> Floats:
    """Return each landmark's distance along the camera's axis (468,), millimetres.

    The network's depth has the relief of the face but not how it is tilted: that is the pose's.
    """
    known = (pose.shape.points_mm @ pose.rotation.T + pose.position_mm)[:, 2]
    terms = np.column_stack([landmarks[:, 2], landmarks[:, :2], np.ones(len(landmarks))])
    fitted = np.linalg.lstsq(terms[list(LANDMARKS)], known, rcond=None)[0]
    depths: Floats = terms @ fitted
    return depths


def _slopes(points: Floats, along: Floats, values: Floats, pose: HeadPose, camera: PinholeCamera) -> Floats:
    """Return the derivatives (n, 8) of the brightness by turn, shift, gain and offset."""
    x, y, z = (points @ pose.rotation.T + pose.position_mm).T
    focal = camera.focal_px
    by_place = np.column_stack(
        [along[:, 0] / z, along[:, 1] / z, -(along[:, 0] * x + along[:, 1] * y) / z**2]
    )
    by_shift = focal * by_place @ pose.rotation
    by_turn = np.cross(points, by_shift)
    return np.column_stack([by_turn, by_shift, values, np.ones(len(points))])


def _weights(misses: Floats) -> Floats:
    """Return Huber's weights: what does not fit does not pull."""
    limit = 1.5 * 1.4826 * float(np.median(np.abs(misses))) + 1e-6
    weights: Floats = np.minimum(1.0, limit / np.maximum(np.abs(misses), 1e-9))
    return weights


def _alike(seen: Floats, values: Floats, weights: Floats) -> float:
    """Return the weighted correlation of two lists of brightness."""
    a, b = (part - np.average(part, weights=weights) for part in (seen, values))
    scale = np.sqrt(np.sum(weights * a**2) * np.sum(weights * b**2))
    return float(np.sum(weights * a * b) / max(float(scale), 1e-9))


def _near(found: HeadPose, pose: HeadPose) -> bool:
    """Return whether two poses are of one head a moment apart."""
    moved = float(np.linalg.norm(found.position_mm - pose.position_mm))
    cosine = (float(np.trace(found.rotation @ pose.rotation.T)) - 1.0) / 2.0
    return moved < _FAR_MM and float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))) < _FAR_DEG
