"""The official model in half precision, on photographs, against fp32 torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sam_edge.bundle import MANIFEST, Bundle, read_manifest
from sam_edge.exporters.coreml.bundle import export_coreml
from sam_edge.exporters.coreml.evaluate_mil import Composite
from sam_edge.exporters.coreml.mil_runtime import MilRuntime
from sam_edge.exporters.evaluate import compare
from sam_edge.exporters.image_sets import read_labelled_images
from sam_edge.segmenter import Segmenter

if TYPE_CHECKING:
    from sam_edge.nn import Sam

pytestmark = pytest.mark.slow

SIZE = (448, 448)


@pytest.fixture(scope="module")
def half(torch_model: Sam, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The official model in fp16."""
    out = tmp_path_factory.mktemp("official") / "bundle"
    export_coreml(torch_model, out, precision="fp16", sizes=[SIZE])
    return Bundle(out, read_manifest(out / MANIFEST))


@pytest.mark.parametrize(("composite", "pictures"), [(Composite.FUSED, 2), (Composite.STEPWISE, 1)])
def test_half_precision_keeps_the_masks(
    half: Bundle, reference: Segmenter, coco_dir: Path, composite: Composite, pictures: int
) -> None:
    """Also where every step of a normalisation is rounded, which breaks the model as others export it."""
    model = Segmenter(MilRuntime(half, composite=composite), half)
    lost = compare(model, reference, read_labelled_images(coco_dir, at_most=pictures), size=SIZE)
    assert lost.cosine > 0.999
    assert np.mean(lost.token_iou) > 0.97
    assert lost.chosen_iou > 0.97
