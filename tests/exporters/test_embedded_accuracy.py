"""The model that ships in the package beside fp32 torch and the truth, on real pictures with labels."""

from __future__ import annotations

from pathlib import Path

import pytest

import sam_edge
from sam_edge.exporters.evaluate import compare
from sam_edge.exporters.image_sets import read_labelled_images
from sam_edge.segmenter import Segmenter

pytestmark = pytest.mark.slow

PICTURES = 24


def test_the_embedded_model_is_as_good_as_promised(
    reference: Segmenter, coco_dir: Path, exact_int8: bool
) -> None:
    """One point in the deepest place of every thing of 400 pixels or more, whole pictures letterboxed to 672x448."""
    with sam_edge.load(runtime="onnxruntime") as model:
        found = compare(model, reference, read_labelled_images(coco_dir, at_most=PICTURES), size=(448, 672))
    assert found.images == PICTURES
    # Where products of 8 bits saturate, .924 was measured.
    assert found.chosen_iou >= (0.95 if exact_int8 else 0.91)
    assert found.truth_loss is not None
    assert found.truth_loss <= 0.01
    assert found.reference_truth_iou is not None
    assert found.reference_truth_iou > 0.5, "the reference itself must be a working SAM"
    assert min(found.token_iou) >= (0.93 if exact_int8 else 0.89)
    assert found.cosine >= 0.998
