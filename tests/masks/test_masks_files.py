"""COCO and SA-1B files: read by pycocotools too, written again the same, damaged ones refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from sam_edge.errors import InputError, MediaError
from sam_edge.masks import Rle, mask_to_box
from sam_edge.masks.coco import (
    CocoAnnotation,
    CocoCategory,
    CocoDataset,
    CocoImage,
    read_coco,
    write_coco,
)
from sam_edge.masks.sa1b import Sa1bImage, Sa1bMask, read_sa1b, write_sa1b

# pycocotools 2.0.11 was made for numpy 1, whose way to an array numpy 2 still takes, and warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (60, 80)


def disc(x: int, y: int, radius: int, hole: int = 0) -> np.ndarray:
    canvas = cv2.circle(np.zeros(SIZE, np.uint8), (x, y), radius, 1, -1)
    return (cv2.circle(canvas, (x, y), hole, 0, -1) if hole else canvas) > 0


MASKS = (disc(20, 20, 12, 4), disc(50, 40, 15), disc(70, 10, 5))


def dataset() -> CocoDataset:
    return CocoDataset(
        images=(CocoImage(7, "a.jpg", SIZE, {"license": 3}), CocoImage(8, "b.jpg", SIZE)),
        categories=(CocoCategory(1, "cup", {"supercategory": "kitchen"}),),
        annotations=tuple(
            CocoAnnotation.of(
                mask,
                annotation_id=number,
                image_id=7,
                category_id=1,
                as_polygons=number == 0,
                extra={"made_by": "gaze"},
            )
            for number, mask in enumerate(MASKS)
        ),
        extra={"info": {"year": 2024}},
    )


def test_coco_comes_back_equal_and_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "new" / "instances.json"
    write_coco(path, dataset())
    again = read_coco(path)
    assert again == dataset()
    for annotation, mask in zip(again.annotations, MASKS, strict=True):
        np.testing.assert_array_equal(annotation.mask(SIZE), mask)
        assert annotation.box == mask_to_box(mask)
        assert annotation.area_px == mask.sum()
    assert [entry.name for entry in path.parent.iterdir()] == ["instances.json"]


def test_pycocotools_reads_the_same_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "instances.json"
    write_coco(path, dataset())
    theirs = COCO(str(path))
    capsys.readouterr()
    for number, mask in enumerate(MASKS):
        np.testing.assert_array_equal(theirs.annToMask(theirs.anns[number]) > 0, mask)


def changed(content: dict[str, Any], where: str, value: object) -> dict[str, Any]:
    """Return a file's content with one value changed, or left out."""
    *path, last = [int(word) if word.isdigit() else word for word in where.split(".")]
    inner: Any = content
    for word in path:
        inner = inner[word]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return content


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        ("images", None, "images is missing"),
        ("images", {}, "a list of objects"),
        ("images.0", 5, r"images\[0\].*JSON object"),
        ("images.0.id", "7", "a whole number"),
        ("images.0.id", 8, "image 8 occurs twice"),
        ("images.0.height", 0, "1 or more"),
        ("images.0.height", 61, "its mask is"),
        ("images.0.file_name", 5, "a text"),
        ("annotations.1.id", 2, "annotation 2 occurs twice"),
        ("annotations.1.image_id", 99, "no image"),
        ("annotations.1.category_id", 99, "no category"),
        ("annotations.1.bbox", [1, 2, 3], "4 finite numbers"),
        ("annotations.1.bbox", [1, 2, -3, 4], "0 or more"),
        ("annotations.1.area", float("nan"), "a finite number"),
        ("annotations.1.area", -1, "0 or more"),
        ("annotations.1.iscrowd", 2, "0 or 1"),
        ("annotations.1.segmentation", [], "run lengths, or polygons"),
        ("annotations.1.segmentation", [[1, 2, 3, 4]], "run lengths, or polygons"),
        ("annotations.1.segmentation", None, "run lengths, or polygons"),
        ("annotations.1.segmentation.counts", "6", r"annotations\[1\].*sum 4800"),
    ],
)
def test_damaged_coco_is_refused(tmp_path: Path, where: str, value: object, said: str) -> None:
    path = tmp_path / "instances.json"
    write_coco(path, dataset())
    path.write_text(json.dumps(changed(json.loads(path.read_text()), where, value)))
    with pytest.raises(InputError, match=said):
        read_coco(path, strict=True)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(InputError, match="cannot be read"):
        read_coco(path)
    for text, said in (
        ("{", "not JSON"),
        ("7", "JSON object"),
        ("{}", "neither images nor annotations"),
        ("[" * 200_000, "not JSON"),
        ("\xff", "not JSON"),
    ):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(InputError, match=said):
            read_coco(path)


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    write_coco(path, dataset())
    before = path.read_bytes()
    good = dataset()
    unwritable = CocoDataset(good.images, good.categories, good.annotations, {"info": {1, 2}})
    with pytest.raises(InputError, match="cannot be written as JSON"):
        write_coco(path, unwritable)
    stray = CocoDataset((), good.categories, good.annotations)
    with pytest.raises(InputError, match="no image"):
        write_coco(path, stray)
    assert path.read_bytes() == before
    with pytest.raises(MediaError, match="is a folder"):
        write_coco(tmp_path, good)


def test_an_empty_mask_is_run_lengths() -> None:
    empty = np.zeros(SIZE, bool)
    made = CocoAnnotation.of(empty, annotation_id=1, image_id=1, category_id=1)
    assert (made.box, made.area_px) == ((0, 0, 0, 0), 0)
    with pytest.raises(InputError, match="no polygons"):
        CocoAnnotation.of(empty, annotation_id=1, image_id=1, category_id=1, as_polygons=True)
    with pytest.raises(InputError, match="the image"):
        made.mask((10, 10))


def picture() -> Sa1bImage:
    masks = tuple(
        Sa1bMask(
            mask_id=number,
            rle=Rle.from_mask(mask),
            box=mask_to_box(mask) or (0, 0, 0, 0),
            area_px=int(mask.sum()),
            predicted_iou=0.93,
            stability_score=0.97,
            crop_box=(0, 0, 80, 60),
            points=((20.5, 20.0),),
            extra={"gaze_ms": 350},
        )
        for number, mask in enumerate(MASKS)
    )
    return Sa1bImage(5, "sa_5.jpg", SIZE, masks, {"split": "train"})


def test_sa1b_comes_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "sa_5.json"
    write_sa1b(path, picture())
    assert read_sa1b(path) == picture()
    entry = json.loads(path.read_text())["annotations"][1]
    x0, y0, x1, y1 = picture().masks[1].box
    assert entry["bbox"] == [x0, y0, x1 - x0, y1 - y0]
    assert entry["crop_box"] == [0, 0, 80, 60]


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        ("image", None, "image is missing"),
        ("image.width", 81, "the image"),
        ("annotations.1.id", 0, "occurs twice"),
        ("annotations.1.area", 3, "its mask has"),
        ("annotations.1.point_coords", [[1]], "points"),
        ("annotations.1.predicted_iou", "high", "a finite number"),
        ("annotations.1.segmentation", "x", r"annotations\[1\].*accepted"),
        ("annotations.1.stability_score", None, "is missing"),
    ],
)
def test_damaged_sa1b_is_refused(tmp_path: Path, where: str, value: object, said: str) -> None:
    path = tmp_path / "sa_5.json"
    write_sa1b(path, picture())
    path.write_text(json.dumps(changed(json.loads(path.read_text()), where, value)))
    with pytest.raises(InputError, match=said):
        read_sa1b(path, strict=True)
