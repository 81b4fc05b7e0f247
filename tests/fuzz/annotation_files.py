"""Fuzz targets: files of masks, COCO and SA-1B, and the run lengths in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from sam_edge.masks import Rle
from sam_edge.masks.coco import read_coco
from sam_edge.masks.sa1b import read_sa1b
from tests.fuzz.target import FuzzTarget, of_file

MAX_DECODED = 1 << 20
"""Masks of more pixels are read, and not decoded: that only takes time."""
_RLE = {"size": [6, 8], "counts": "`1"}
"""An empty mask."""
_COCO = {
    "info": {"year": 2024},
    "images": [{"id": 7, "file_name": "a.jpg", "height": 6, "width": 8}],
    "categories": [{"id": 1, "name": "cup", "supercategory": "kitchen"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 4]], "bbox": [1, 1, 4, 3],
         "area": 6, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 1, "segmentation": {"size": [6, 8], "counts": [10, 5, 33]},
         "bbox": [1.5, 0, 2, 6], "area": 5.0, "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 1, "segmentation": _RLE, "bbox": [0, 0, 0, 0], "area": 0},
    ],
}  # fmt: skip
_SA1B = {
    "image": {"image_id": 5, "file_name": "sa_5.jpg", "height": 6, "width": 8},
    "annotations": [
        {"id": 1, "segmentation": _RLE, "bbox": [0, 0, 1, 1], "area": 0, "predicted_iou": 0.9,
         "stability_score": 0.95, "crop_box": [0, 0, 8, 6], "point_coords": [[2.5, 3]]},
    ],
}  # fmt: skip


def targets() -> Iterator[FuzzTarget]:
    """Yield the targets."""
    yield of_file("coco", _parse_coco, lambda: [_text(_COCO)], file_name="instances.json")
    yield of_file("sa1b", _parse_sa1b, lambda: [_text(_SA1B)], file_name="sa_5.json")
    yield FuzzTarget("rle", _parse_rle, lambda: [b"`1", Rle.from_counts([10, 5, 33], (6, 8)).text.encode()])


def _text(content: object) -> bytes:
    return json.dumps(content).encode()


def _parse_coco(path: Path) -> None:
    dataset = read_coco(path)
    sizes = {image.image_id: image.size for image in dataset.images}
    for annotation in dataset.annotations:
        height, width = size = sizes[annotation.image_id]
        if height * width <= MAX_DECODED:
            assert annotation.mask(size).shape == size


def _parse_sa1b(path: Path) -> None:
    for mask in read_sa1b(path).masks:
        height, width = mask.rle.size
        if height * width <= MAX_DECODED:
            assert mask.rle.mask().sum() == mask.area_px


def _parse_rle(data: bytes) -> None:
    """The text of a mask of 6x8 pixels."""
    rle = Rle.from_json({"size": [6, 8], "counts": data})
    assert rle.mask().sum() == rle.area_px
