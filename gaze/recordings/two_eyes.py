"""One gaze sample from the positions of two eyes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sam_edge.gaze.samples import GazeSample


def mean_of_eyes(time_ns: int, device_ns: int, eyes: Mapping[str, tuple[float, float] | None]) -> GazeSample:
    """Return a sample at the mean position of the eyes that were seen.

    `eyes` maps `left` and `right` to positions in pixels: None for an eye that was not seen, and no entry for an eye
    that was not recorded.
    """
    seen = [position for position in eyes.values() if position is not None]
    x = sum(position[0] for position in seen) / len(seen) if seen else math.nan
    y = sum(position[1] for position in seen) / len(seen) if seen else math.nan
    return GazeSample(
        time_ns,
        x,
        y,
        1.0 if seen else 0.0,
        device_time_ns=device_ns,
        left_valid=eyes["left"] is not None if "left" in eyes else None,
        right_valid=eyes["right"] is not None if "right" in eyes else None,
    )
