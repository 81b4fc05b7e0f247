"""Webcam gaze in the units of messages and frames."""

from __future__ import annotations

import math
from dataclasses import replace

from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.tracker import Face
from sam_edge.wire.binary import LARGEST_NUMBER
from sam_edge.wire.webcam_messages import FaceObservation, Viewport


def sendable_sample(sample: GazeSample) -> GazeSample:
    """Return the sample; an invalid one if its numbers are too large for a message or its variances are negative."""
    covariance = sample.covariance_px2 or (0.0, 0.0, 0.0)
    numbers = (sample.x_px, sample.y_px, *covariance)
    in_range = all(abs(number) <= LARGEST_NUMBER for number in numbers)
    if not sample.valid or (in_range and covariance[0] >= 0.0 and covariance[2] >= 0.0):
        return sample
    return GazeSample(sample.time_ns, math.nan, math.nan, 0.0)


def observe_face(face: Face) -> FaceObservation:
    """Return a face's bounding box, irises and distance."""
    left, top = face.landmarks[:, :2].min(axis=0)
    right, bottom = face.landmarks[:, :2].max(axis=0)
    (ax, ay), (bx, by) = face.iris_centres_px
    return FaceObservation(
        (float(left), float(top), float(right), float(bottom)),
        (float(ax), float(ay), float(bx), float(by)),
        face.pose.distance_mm,
    )


def to_frame_px(sample: GazeSample, viewport: Viewport) -> GazeSample:
    """Convert a sample from screen pixels to frame pixels."""
    (left, top), (scale_x, scale_y) = viewport.origin_px, viewport.scale
    covariance = sample.covariance_px2
    if covariance is not None:
        xx, xy, yy = covariance
        covariance = (xx / scale_x**2, xy / (scale_x * scale_y), yy / scale_y**2)
    return replace(
        sample,
        x_px=(sample.x_px - left) / scale_x,
        y_px=(sample.y_px - top) / scale_y,
        covariance_px2=covariance,
    )
