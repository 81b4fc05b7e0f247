"""Options of automatic mask generation, and the presets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam_edge.errors import InputError
from sam_edge.segmenter import check_size

MAX_POINTS_PER_SIDE = 1024
"""Largest grid: a million points."""
MAX_CROP_LAYERS = 4
"""Most layers of crops: 4 layers are 341 encodings."""


@dataclass(frozen=True, slots=True)
class MaskGeneratorConfig:
    """Grid, crops and filters of `generate_masks`.

    The defaults are those of SAM's own generator, except `skip_covered_iou` and `size`.
    """

    points_per_side: int = 32
    """Points along a side of the grid."""
    points_per_batch: int = 32
    """Most points decoded in one call; bounds the memory."""
    predicted_iou: float = 0.88
    """Keep masks whose predicted IoU is above this, 0..1."""
    stability: float = 0.95
    """Keep masks of at least this stability, 0..1: IoU of the masks at a higher and a lower threshold."""
    stability_offset: float = 1.0
    """How far the two thresholds of `stability` lie above and below 0, logits."""
    box_nms: float = 0.7
    """Within a crop, of masks whose boxes overlap by more than this IoU, keep the one of the best predicted IoU."""
    crop_layers: int = 0
    """Layers of crops in addition to the whole image; layer n has 4^n crops."""
    crop_nms: float = 0.7
    """Between crops, of masks whose boxes overlap by more than this IoU, keep the one of the smallest crop."""
    crop_overlap: float = 512 / 1500
    """Overlap of the first layer's crops as a share of the image's shorter side; further layers have less."""
    crop_points_divisor: int = 1
    """Each further layer has this many times fewer points along a side."""
    min_region_px: int = 0
    """Remove islands and holes of fewer pixels; 0 leaves all."""
    skip_covered_iou: float | None = 0.9
    """Skip points inside an earlier mask whose predicted IoU is at least this; None decodes every point.
    Of a point's three masks only the smallest that passes the filters covers points, so that parts of larger masks are
    still found."""
    size: tuple[int, int] | None = None
    """Encoder input (height, width) for the image and for every crop; None chooses one by their shape."""
    exact: bool = False
    """Whether to reproduce SAM's own generator: the same masks, given the same weights in floating point.
    It decodes every point (`skip_covered_iou` is ignored), filters masks at the image's size, and scales the image
    as SAM does, to 1024x1024 unless `size` is set. Much slower."""

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: names the option, its value and what is accepted.
        """
        _check_whole("points_per_side", self.points_per_side, 1, MAX_POINTS_PER_SIDE)
        _check_whole("points_per_batch", self.points_per_batch, 1, 4096)
        _check_whole("crop_layers", self.crop_layers, 0, MAX_CROP_LAYERS)
        _check_whole("crop_points_divisor", self.crop_points_divisor, 1, MAX_POINTS_PER_SIDE)
        _check_whole("min_region_px", self.min_region_px, 0, 1 << 28)
        for name in ("predicted_iou", "stability", "box_nms", "crop_nms", "crop_overlap"):
            _check_share(name, getattr(self, name))
        if self.skip_covered_iou is not None:
            _check_share("skip_covered_iou", self.skip_covered_iou)
        if self.size is not None:
            object.__setattr__(self, "size", check_size(self.size))
        if not (math.isfinite(self.stability_offset) and self.stability_offset >= 0):
            raise InputError(f"stability_offset: {self.stability_offset}; accepted: 0 or more, finite")

    @classmethod
    def preset(cls, name: str) -> MaskGeneratorConfig:
        """Return a preset: `standard` for images, `fast` for video, `exact` for the masks of SAM's own generator.

        Raises:
            InputError: there is no preset of that name.
        """
        if name not in PRESETS:
            raise InputError(f"preset: {name!r}; accepted: {', '.join(PRESETS)}")
        return PRESETS[name]


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name}: {value!r}; accepted: a whole number from {least} to {most}")


def _check_share(name: str, value: float) -> None:
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{name}: {value!r}; accepted: 0 to 1")


STANDARD = MaskGeneratorConfig(predicted_iou=0.75, stability=0.85, crop_layers=1, crop_points_divisor=2)
"""For images; the default of `generate_masks`. Masks of a smaller input than SAM's are less stable, so the filters
are wider; four crops find small objects."""
FAST = MaskGeneratorConfig(
    points_per_side=16, predicted_iou=0.8, stability=0.85, size=(448, 448), skip_covered_iou=0.8
)
"""For video: a coarse grid on a small input."""
EXACT = MaskGeneratorConfig(exact=True)
"""The masks of SAM's own generator with its own options."""
PRESETS = {"standard": STANDARD, "fast": FAST, "exact": EXACT}
"""The presets by name."""
