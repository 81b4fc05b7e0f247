"""Scores of masks against ground truth: region similarity J and boundary accuracy F of the DAVIS challenge.

    python benchmarks/mask_scores.py MASKS TRUTH [--start-s 0.9] [--fps 24]

Both folders hold one PNG a frame under the same names; not zero is the object. Frames before `--start-s`, and frames
without the object, are not scored; a mask that is missing scores 0. Definitions: Perazzi et al., "A benchmark dataset
and evaluation methodology for video object segmentation", CVPR 2016; F takes dilation for the matching of contours.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from endings import run_script
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
HIT_IOU = 0.5
"""A frame is a hit above this IoU."""
TOLERANCE = 0.008
"""Contours match within this share of the frame's diagonal."""


@dataclass(frozen=True)
class MaskScores:
    """Means over the frames of a video; 0 to 1."""

    j: float
    """Region similarity: IoU."""
    f: float
    """Boundary accuracy: F1 of the contours."""
    hits: float
    """Share of the frames with an IoU above 0.5."""
    frames: int
    """Number of frames that are scored."""

    @property
    def jf(self) -> float:
        """Mean of J and F."""
        return (self.j + self.f) / 2


def region_similarity(shown: Mask, true: Mask) -> float:
    """Return the IoU of two masks (H, W); 1 where both are empty."""
    union = np.count_nonzero(shown | true)
    return np.count_nonzero(shown & true) / union if union else 1.0


def contour(mask: Mask) -> Mask:
    """Return the pixels that differ from the next one to the right, below, or diagonally between the two."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    neighbours = (padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:])
    return np.asarray(np.logical_or.reduce([mask != neighbour for neighbour in neighbours]))


def boundary_accuracy(shown: Mask, true: Mask) -> float:
    """Return the F1 of precision and recall of the contour of `shown`; 1 where neither has one."""
    drawn, expected = contour(shown), contour(true)
    if not drawn.any() or not expected.any():
        return float(drawn.any() == expected.any())
    reach = math.ceil(TOLERANCE * math.hypot(*true.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    precision = drawn[cv2.dilate(expected.astype(np.uint8), disc) > 0].sum() / drawn.sum()
    recall = expected[cv2.dilate(drawn.astype(np.uint8), disc) > 0].sum() / expected.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def read_mask(path: Path) -> Mask:
    """Read a mask image. Raises `SystemExit` where it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise SystemExit(f"{path} cannot be read as an image")
    return np.asarray(image > 0)


def score_folder(masks: Path, truth: Path, *, start_s: float, fps: float) -> MaskScores:
    """Score a folder of masks against a folder of true ones, from `start_s` seconds on.

    Raises:
        SystemExit: a mask has another size than its truth, or no frame can be scored.
    """
    regions, boundaries = [], []
    for index, path in enumerate(sorted(truth.glob("*.png"))):
        true = read_mask(path)
        if index / fps < start_s or not true.any():
            continue
        file = masks / path.name
        shown = read_mask(file) if file.is_file() else np.zeros_like(true)
        if shown.shape != true.shape:
            raise SystemExit(
                f"{file}: {shown.shape[1]}x{shown.shape[0]}; its truth is {true.shape[1]}x{true.shape[0]}"
            )
        regions.append(region_similarity(shown, true))
        boundaries.append(boundary_accuracy(shown, true))
    if not regions:
        raise SystemExit(f"{truth}: no frame with the object from {start_s:g} s on; nothing can be scored")
    hits = float(np.mean(np.array(regions) > HIT_IOU))
    return MaskScores(float(np.mean(regions)), float(np.mean(boundaries)), hits, len(regions))


def main() -> None:
    """Print the scores of one folder as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("masks", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument(
        "--start-s", type=float, default=0.0, help="first frame to score, seconds (default: 0)"
    )
    parser.add_argument("--fps", type=float, default=24.0)
    args = parser.parse_args()
    scores = score_folder(args.masks, args.truth, start_s=args.start_s, fps=args.fps)
    print(json.dumps({**asdict(scores), "jf": scores.jf}))


if __name__ == "__main__":
    run_script(main)
