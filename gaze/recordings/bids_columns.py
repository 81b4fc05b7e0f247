"""The columns that sam-edge adds to BIDS eye-tracking, so that every field of a sample is kept."""

from __future__ import annotations

from sam_edge.gaze.samples import GazeSample

EXTRAS: dict[str, tuple[str, str]] = {
    "confidence": ("arbitrary", "The tracker's confidence, 0 to 1"),
    "device_timestamp": ("ns", "The tracker's own clock"),
    "clock_uncertainty": ("ns", "Half-width of what is known of host minus device time"),
    "left_valid": ("arbitrary", "Left eye seen: 1 yes, 0 no"),
    "right_valid": ("arbitrary", "Right eye seen: 1 yes, 0 no"),
    "depth": ("m", "Distance of the point of regard"),
    "ray_origin_x": ("m", "Origin of the line of sight, to the right"),
    "ray_origin_y": ("m", "Origin of the line of sight, down"),
    "ray_origin_z": ("m", "Origin of the line of sight, forward"),
    "ray_x": ("arbitrary", "Unit vector of the line of sight, to the right"),
    "ray_y": ("arbitrary", "Unit vector of the line of sight, down"),
    "ray_z": ("arbitrary", "Unit vector of the line of sight, forward"),
    "covariance_xx": ("pixel^2", "Uncertainty of the position"),
    "covariance_xy": ("pixel^2", "Uncertainty of the position"),
    "covariance_yy": ("pixel^2", "Uncertainty of the position"),
}
"""Name of each column: unit, description."""

_NONE = (None, None, None)


def extra_values(sample: GazeSample) -> tuple[float | int | None, ...]:
    """Return the values of a sample for `EXTRAS`, in that order; None when missing."""
    origin, direction = (sample.ray.origin_m, sample.ray.direction) if sample.ray else (_NONE, _NONE)
    return (
        sample.confidence,
        sample.device_time_ns,
        sample.offset_uncertainty_ns,
        sample.left_valid,
        sample.right_valid,
        sample.depth_m,
        *origin,
        *direction,
        *(sample.covariance_px2 or _NONE),
    )
