"""How everything in a picture is looked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam_edge.errors import InputError
from sam_edge.segmenter import check_size

MOST_PER_SIDE = 1024
"""Largest grid: a million points."""
MOST_CROP_LAYERS = 4
"""Most layers of crops: 4 are 341 encodings."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Grid, crops and filters. Left-out values are those of SAM's own generator, but for `skip_found` and `size`."""

    points_per_side: int = 32
    """Points along a side of the grid."""
    points_per_batch: int = 32
    """Most points decoded in one call; bounds the memory."""
    predicted_iou: float = 0.88
    """Masks are kept whose predicted IoU exceeds this, 0..1."""
    stability: float = 0.95
    """Masks are kept whose stability is at least this, 0..1: IoU of the masks at a higher and a lower threshold."""
    stability_offset: float = 1.0
    """How much higher and lower, logits."""
    box_nms: float = 0.7
    """Of masks of one crop whose boxes' IoU exceeds this, the one with the best predicted IoU stays."""
    crop_layers: int = 0
    """Layers of crops beside the whole picture; layer n has 4^n crops."""
    crop_nms: float = 0.7
    """Of masks of several crops whose boxes' IoU exceeds this, the one of the smallest crop stays."""
    crop_overlap: float = 512 / 1500
    """Overlap of the first layer's crops as a share of the picture's shorter side; further layers have less."""
    crop_points_divisor: int = 1
    """Each further layer has so many times fewer points along a side."""
    min_region_px: int = 0
    """Islands and holes of fewer pixels are removed; 0 leaves all."""
    skip_found: float | None = 0.9
    """Points are not asked that lie inside a mask found before whose predicted IoU is at least this; None asks all.
    Of a point's three masks only the smallest that was kept counts: parts of larger ones stay to be found."""
    size: tuple[int, int] | None = None
    """The encoder's input (height, width) for the picture and for every crop; None picks one by their shape."""
    exact: bool = False
    """Whether to do just what SAM's own generator does: the very same masks, given the same weights in floating point.
    Every point is asked (`skip_found` does not count), filters and suppression work on masks of the picture's size, and
    the picture is scaled as SAM scales it, to 1024x1024 unless `size` says otherwise. Slower by far."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: names the setting, its value and what is accepted.
        """
        _whole("points_per_side", self.points_per_side, 1, MOST_PER_SIDE)
        _whole("points_per_batch", self.points_per_batch, 1, 4096)
        _whole("crop_layers", self.crop_layers, 0, MOST_CROP_LAYERS)
        _whole("crop_points_divisor", self.crop_points_divisor, 1, MOST_PER_SIDE)
        _whole("min_region_px", self.min_region_px, 0, 1 << 28)
        for name in ("predicted_iou", "stability", "box_nms", "crop_nms", "crop_overlap"):
            _share(name, getattr(self, name))
        if self.skip_found is not None:
            _share("skip_found", self.skip_found)
        if self.size is not None:
            object.__setattr__(self, "size", check_size(self.size))
        if not (math.isfinite(self.stability_offset) and self.stability_offset >= 0):
            raise InputError(f"stability_offset: {self.stability_offset}; accepted: 0 or more, finite")


def _whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name}: {value!r}; accepted: a whole number from {least} to {most}")


def _share(name: str, value: float) -> None:
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{name}: {value!r}; accepted: 0 to 1")


STANDARD = Settings(predicted_iou=0.75, stability=0.85, crop_layers=1, crop_points_divisor=2)
"""For a picture, and what counts where no settings are given. The filters suit a smaller input than SAM's, on which
masks are less stable; four crops find what is too small for it."""
FAST = Settings(points_per_side=16, predicted_iou=0.8, stability=0.85, size=(448, 448), skip_found=0.8)
"""For video: a coarse grid on a small input."""
