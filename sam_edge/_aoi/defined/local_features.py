"""Where on a frame the details of an AOI are: matched features, and the place that most of them agree on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDE_PX = 854
"""Features are computed on images scaled down to this."""
FRAME_FEATURES, VIEW_FEATURES = 1000, 400
"""Features of a frame, and of an AOI's appearance, at most."""
RATIO = 0.8
"""A match counts when it is this much closer than the second best one."""
MIN_INLIERS = 10
"""Matches that must agree on one place."""
TOLERANCE_PX = 6.0
"""How far apart they may be."""
SCALES = (0.3, 3.0)
"""Accepted sizes of an AOI, relative to its appearance."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features of an image."""

    points: NDArray[np.float32]
    """(N, 2) x and y, pixels of the image."""
    descriptors: NDArray[np.uint8]
    """(N, 32) binary descriptors."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureView:
    """Features of one appearance of an AOI."""

    features: Features
    mask: NDArray[np.uint8]
    """(H, W) of the image: 1 on the AOI."""


@dataclass(frozen=True, slots=True, eq=False)
class FeaturePlace:
    """Where an appearance was found on a frame."""

    mask: NDArray[np.bool_]
    """(H, W) of the frame: the appearance's mask, moved there."""
    inliers: int
    """Matches that agree on the place."""


def detect_features(
    image: NDArray[np.uint8], mask: NDArray[np.uint8] | None = None, *, count: int = FRAME_FEATURES
) -> Features:
    """Return the features of an image, RGB uint8 (H, W, 3), where `mask` (H, W) is not 0.

    Rublee et al., "ORB: an efficient alternative to SIFT or SURF", 2011.
    """
    scale = min(1.0, LONG_SIDE_PX / max(image.shape[:2]))
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
    inside = None if mask is None else cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    detector = cv2.ORB.create(count, fastThreshold=10)
    found, descriptors = detector.detectAndCompute(grey, inside)
    if not found:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))
    points = np.array([point.pt for point in found], np.float32) / scale
    return Features(points, np.asarray(descriptors, np.uint8))


def make_feature_view(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> FeatureView:
    """Return the features of an AOI whose mask (H, W) on an image is known."""
    own = mask.astype(np.uint8)
    return FeatureView(detect_features(image, own, count=VIEW_FEATURES), own)


def find_features(view: FeatureView, frame: Features, size: tuple[int, int]) -> FeaturePlace | None:
    """Return where an appearance is on a frame of `size` (height, width); None where too few matches agree."""
    if min(len(view.features.points), len(frame.points)) < MIN_INLIERS:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(view.features.descriptors, frame.descriptors, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance]
    if len(good) < MIN_INLIERS:
        return None
    source = view.features.points[[match.queryIdx for match in good]]
    target = frame.points[[match.trainIdx for match in good]]
    matrix, inside = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE_PX
    )
    if matrix is None or int(inside.sum()) < MIN_INLIERS:
        return None
    scale = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    if not SCALES[0] <= scale <= SCALES[1]:
        return None
    moved = cv2.warpAffine(view.mask, matrix, (size[1], size[0]), flags=cv2.INTER_NEAREST)
    return FeaturePlace(np.asarray(moved > 0), int(inside.sum()))
