"""Everything mode as SAM's own generator does it: beside PyPI's `segment-anything`, with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.everything import MaskGeneratorConfig, SamAutomaticMaskGenerator, generate_masks
from sam_edge.everything.exact import remove_small_regions, upscale_mask
from sam_edge.geometry import Placement, View
from sam_edge.masks import Rle, mask_iou, mask_to_box
from sam_edge.media.images import read_image
from sam_edge.predictor import SamPredictor
from sam_edge.runtimes.fake import Fake
from sam_edge.sam_compat import upscale_logits
from sam_edge.segmenter import Segmenter

pytestmark = pytest.mark.slow

BOUND = 0.99
"""IoU of each mask with the original's."""


@pytest.fixture(scope="module")
def model(original: Any, checkpoint: Path) -> Any:
    """The original's `Sam`, built once."""
    return original.reference_model(checkpoint)


@pytest.mark.parametrize(
    ("picture", "arguments"),
    [
        ("coffee", {"points_per_side": 6}),
        (
            "raccoon",
            {
                "points_per_side": 6,
                "pred_iou_thresh": 0.7,
                "stability_score_thresh": 0.8,
                "box_nms_thresh": 0.5,
            },
        ),
        (
            "rocket",
            {
                "points_per_side": 4,
                "crop_n_layers": 1,
                "crop_n_points_downscale_factor": 2,
                "min_mask_region_area": 150,
                "pred_iou_thresh": 0.8,
                "stability_score_thresh": 0.85,
            },
        ),
    ],
)
def test_the_masks_are_the_originals(
    original: Any,
    model: Any,
    reference: Segmenter,
    labelled_dir: Path,
    picture: str,
    arguments: dict[str, Any],
) -> None:
    from segment_anything import SamAutomaticMaskGenerator as Original

    image = read_image(labelled_dir / "images" / f"{picture}.jpg")
    theirs = Original(model, output_mode="coco_rle", **arguments).generate(image)
    ours = SamAutomaticMaskGenerator(reference, output_mode="coco_rle", **arguments).generate(image)
    assert len(ours) == len(theirs) >= 5
    overlap = mask_iou(stacked(ours), stacked(theirs))
    partner = overlap.argmax(axis=1)
    assert sorted(partner) == list(range(len(theirs)))
    assert overlap.max(axis=1).min() >= BOUND
    for mine, its in zip(ours, [theirs[index] for index in partner], strict=True):
        assert list(mine) == list(its)
        assert np.allclose(mine["point_coords"], its["point_coords"], atol=1e-6)
        assert mine["crop_box"] == its["crop_box"]
        assert mine["predicted_iou"] == pytest.approx(its["predicted_iou"], abs=0.002)
        assert mine["stability_score"] == pytest.approx(its["stability_score"], abs=0.005)
        assert np.abs(np.array(mine["bbox"]) - its["bbox"]).max() <= 2
        assert mine["area"] == pytest.approx(its["area"], rel=0.01)


def stacked(records: list[dict[str, Any]]) -> NDArray[np.bool_]:
    """Decode the masks of records."""
    return np.stack([Rle.from_json(record["segmentation"]).mask() for record in records])


@pytest.mark.parametrize("frame", [(480, 640), (300, 451), (1203, 1801), (7, 5), (1, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_scaling_a_part_gives_what_scaling_everything_gives(frame: tuple[int, int], seed: int) -> None:
    placement = Placement(View.whole(frame), (1024, 1024))
    rows, columns = np.indices((256, 256))
    generator = np.random.default_rng(seed)
    y, x = generator.uniform(0, [side / 4 for side in placement.inside])
    low = (generator.uniform(3, 60) - np.hypot(rows - y, columns - x)).astype(np.float32) / 3
    low += generator.normal(0, 0.3, low.shape).astype(np.float32)

    whole = upscale_logits(low, placement, frame)
    part, (top, left), stable = upscale_mask(low, placement, 1.0)
    made = np.zeros(frame, np.bool_)
    made[top : top + part.shape[0], left : left + part.shape[1]] = part
    assert np.count_nonzero(made != (whole > 0)) <= 1e-4 * made.size
    wide = np.count_nonzero(whole > -1)
    assert stable == pytest.approx(np.count_nonzero(whole > 1) / wide if wide else 0, abs=1e-3)


def test_every_point_is_asked_where_the_original_asks_it() -> None:
    class Asked(Fake):
        places: list[NDArray[np.float32]]

        def decode(self, *given: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # type: ignore[override]
            self.places = [*getattr(self, "places", []), given[1][:, 0]]
            return super().decode(*given)  # type: ignore[arg-type]

    runtime = Asked()
    image = np.zeros((512, 512, 3), np.uint8)
    done: list[int] = []
    config = MaskGeneratorConfig(exact=True, points_per_side=4, points_per_batch=5)
    generate_masks(Segmenter(runtime), image, config=config, advance=done.append)
    assert sum(done) == 16
    # segment_anything: (i + .5) / n of the picture, and from there to 1024 pixels, without moving to pixels' middles.
    wanted = [[128 + 256 * column, 128 + 256 * row] for row in range(4) for column in range(4)]
    assert np.concatenate(runtime.places).tolist() == wanted


def test_small_regions_go_as_the_original_takes_them_out(original: Any) -> None:
    original.install_stand_ins()
    from segment_anything.utils import amg

    generator = np.random.default_rng(0)
    for share in (0.05, 0.3, 0.5, 0.7, 0.95):
        mask = cv2.blur(generator.random((60, 80)), (3, 3)) < share
        filled, _ = amg.remove_small_regions(mask, 20, "holes")
        wanted, _ = amg.remove_small_regions(filled, 20, "islands")
        np.testing.assert_array_equal(remove_small_regions(mask, 20), wanted)


def test_the_generator_gives_each_form_of_mask() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    wanted: NDArray[np.bool_] | None = None
    for mode in ("binary_mask", "uncompressed_rle", "coco_rle"):
        generator = SamAutomaticMaskGenerator(
            Segmenter(Fake()), 2, pred_iou_thresh=0.5, stability_score_thresh=0.5, output_mode=mode
        )
        first = generator.generate(image)[0]
        mask = first["segmentation"]
        mask = mask if mode == "binary_mask" else Rle.from_json(mask).mask()
        wanted = mask if wanted is None else wanted
        np.testing.assert_array_equal(mask, wanted)
        x0, y0, x1, y1 = mask_to_box(mask) or (0, 0, 0, 0)
        assert first["bbox"] == [x0, y0, x1 - x0 - 1, y1 - y0 - 1]
    with pytest.raises(InputError, match="output_mode"):
        SamAutomaticMaskGenerator(Segmenter(Fake()), output_mode="png")
    with pytest.raises(InputError, match="stability"):
        SamAutomaticMaskGenerator(Segmenter(Fake()), stability_score_thresh=1.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 2)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    config = MaskGeneratorConfig(
        exact=True, points_per_side=3, predicted_iou=0.0, stability=0.0, size=(448, 448)
    )
    found = generate_masks(Segmenter(Fake()), np.zeros((*size, 3), np.uint8), config=config)
    assert all(one.segmentation.size == size and one.area > 0 for one in found)


def test_an_embedding_is_used_again() -> None:
    runtime = Fake()
    model = Segmenter(runtime)
    image = np.zeros((300, 400, 3), np.uint8)
    predictor = SamPredictor(model)
    predictor.set_image(image)
    config = MaskGeneratorConfig(exact=True, points_per_side=2, stability=0.5, predicted_iou=0.5)
    again = generate_masks(model, image, config=config, embedding=predictor.embedding)
    assert runtime.encoded == 1
    assert again == generate_masks(model, image, config=config)
