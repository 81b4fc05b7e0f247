"""COCO and SA-1B as other tools write them: what can be read is read, the rest is named, and strict refuses."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_edge.errors import InputError, SamEdgeWarning
from sam_edge.masks.coco import CocoDataset, read_coco, write_coco
from sam_edge.masks.sa1b import Sa1bImage, read_sa1b, write_sa1b

SIZE = (40, 60)
SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]
RUNS = [410, 10, 1980]
"""One column of ten pixels in a mask of 40x60."""


def annotation(number: object, **changes: object) -> dict[str, Any]:
    entry = {
        "id": number, "image_id": 1, "category_id": 3, "segmentation": [SQUARE], "bbox": [10, 10, 10, 10],
        "area": 100, "iscrowd": 0,
    }  # fmt: skip
    return {key: value for key, value in {**entry, **changes}.items() if value != "left out"}


def content(*annotations: object, **changes: object) -> dict[str, Any]:
    whole = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 40, "width": 60}],
        "categories": [{"id": 3, "name": "cup"}],
        "annotations": [annotation(1), annotation(2), *annotations],
    }
    return {key: value for key, value in {**whole, **changes}.items() if value != "left out"}


def read(folder: Path, value: object, *, strict: bool = False) -> CocoDataset:
    path = folder / "instances.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SamEdgeWarning)
        return read_coco(path, strict=strict)


def test_a_file_that_keeps_to_the_format_is_read_alike_and_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content()), encoding="utf-8")
    dataset = read_coco(path)
    assert dataset == read_coco(path, strict=True)
    assert dataset.notes == ()


@pytest.mark.parametrize(
    ("changes", "pixels"),
    [
        ({"iscrowd": False}, 100),
        ({"iscrowd": 0.0}, 100),
        ({"iscrowd": "0"}, 100),
        ({"id": "7", "image_id": "1", "category_id": 3.0}, 100),
        ({"segmentation": SQUARE}, 100),
        ({"segmentation": [[[10, 10], [20, 10], [20, 20], [10, 20]]]}, 100),
        ({"segmentation": [[10, 10], [20, 10], [20, 20], [10, 20]]}, 100),
        ({"segmentation": RUNS}, 10),
        ({"segmentation": {"size": [40.0, 60], "counts": RUNS}}, 10),
        ({"segmentation": {"size": ["40", "60"], "counts": ["410", "10", "1980"]}}, 10),
        ({"bbox": ["10", "10", 10.5, 10.0], "area": "100"}, 100),
        ({"segmentation": [SQUARE], "iscrowd": 1}, 100),
    ],
)
def test_other_forms_of_the_same_are_read_without_a_word(
    tmp_path: Path, changes: dict[str, object], pixels: int
) -> None:
    dataset = read(tmp_path, content(annotation(7, **changes)))
    last = dataset.annotations[-1]
    assert dataset.notes == ()
    assert (last.annotation_id, last.image_id, last.category_id) == (7, 1, 3)
    assert np.count_nonzero(last.mask(SIZE)) == pixels
    assert last.crowd == (changes.get("iscrowd") == 1)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"area": "left out", "iscrowd": "left out"}, "annotations[2]: area is missing"),
        ({"area": None}, "annotations[2]: area is missing"),
        ({"area": -1}, "annotations[2]: area is missing or no area"),
        ({"area": float("nan")}, "annotations[2]: area is missing or no area"),
        ({"bbox": []}, "annotations[2]: bbox is missing"),
        ({"bbox": [20, 20, -10, -10]}, "annotations[2]: bbox is missing or no box"),
        ({"bbox": "left out"}, "annotations[2]: bbox is missing"),
        ({"iscrowd": 2}, "annotations[2]: iscrowd is neither 0 nor 1; taken as 0"),
        ({"segmentation": [SQUARE, [1, 2, 3, 4]]}, "annotations[2]: 1 polygons of fewer than three points"),
        ({"id": "5f3a-uuid"}, "annotations[2]: its id is missing, taken or no whole number"),
        ({"id": 1}, "annotations[2]: its id is missing, taken"),
        ({"id": "left out"}, "annotations[2]: its id is missing"),
        ({"category_id": 99}, "annotations[2]: its category is missing; a category '99' is added"),
        ({"category_id": None}, "annotations[2]: its category is missing; a category 'unknown' is added"),
    ],
)
def test_what_is_replaced_is_named(tmp_path: Path, changes: dict[str, object], note: str) -> None:
    value = content(annotation(7, **changes))
    dataset = read(tmp_path, value)
    assert len(dataset.annotations) == 3
    assert any(text.startswith(note) for text in dataset.notes), dataset.notes
    last = dataset.annotations[-1]
    assert (last.box, last.area_px) == ((10.0, 10.0, 20.0, 20.0), 100.0)
    write_coco(tmp_path / "again.json", dataset)
    assert read_coco(tmp_path / "again.json", strict=True).annotations == dataset.annotations
    if "iscrowd" not in changes or changes["iscrowd"] == 2:
        message = r"is missing|is nan|is -1|is \[|is 2|is '|occurs twice|no category"
        if changes.get("segmentation") is not None:
            message = "segmentation is"
        with pytest.raises(InputError, match=message):
            read(tmp_path, value, strict=True)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"segmentation": []}, "holds no mask (a box alone, or nothing); left out"),
        ({"segmentation": None}, "holds no mask"),
        ({"segmentation": "left out"}, "holds no mask"),
        ({"segmentation": [[1, 2, 3, 4]]}, "its mask is of no known form"),
        ({"segmentation": "abc"}, "its mask is of no known form"),
        ({"segmentation": {"size": [40, 60], "counts": [1, 2]}}, "rle: counts from 1 to 2 with the sum 3"),
        ({"segmentation": {"size": [4, 6], "counts": [24]}}, "its mask is (4, 6), its image (40, 60)"),
        ({"image_id": 9}, "image_id names no image"),
    ],
)
def test_what_is_left_out_is_named(tmp_path: Path, changes: dict[str, object], note: str) -> None:
    value = content(annotation(7, **changes))
    dataset = read(tmp_path, value)
    assert [each.annotation_id for each in dataset.annotations] == [1, 2]
    assert any(f"annotations[2]: {note}" in text for text in dataset.notes), dataset.notes
    with pytest.raises(InputError):
        read(tmp_path, value, strict=True)


def test_a_warning_says_what_was_done_and_how_to_refuse_it(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    entries = [annotation(number, area=None) for number in range(3, 9)]
    path.write_text(json.dumps(content(*entries)), encoding="utf-8")
    with pytest.warns(
        SamEdgeWarning, match=r"annotations\[2\]: area is missing.*\(6 entries alike\).*strict=True"
    ):
        read_coco(path)


def test_images_without_names_sizes_or_numbers(tmp_path: Path) -> None:
    images = [
        {"id": "img-a", "path": "/data/a.jpg", "height": 40.0, "width": "60"},
        {"id": 1, "file_name": "b.jpg"},
        {"id": 4, "height": 40, "width": 60},
        {"id": 5, "file_name": "c.jpg"},
        {"file_name": "none.jpg", "height": 4, "width": 4},
        7,
    ]
    rle = annotation(3, segmentation={"size": [40, 60], "counts": RUNS})
    dataset = read(
        tmp_path, content(rle, annotation(4, image_id="img-a"), annotation(5, image_id=5), images=images)
    )
    by_name = {image.file_name: image for image in dataset.images}
    assert set(by_name) == {"/data/a.jpg", "b.jpg", ""}
    assert by_name["/data/a.jpg"].size == by_name["b.jpg"].size == SIZE
    numbers = [each.image_id for each in dataset.annotations]
    assert numbers == [1, 1, 1, by_name["/data/a.jpg"].image_id]
    text = " ".join(dataset.notes)
    assert "images[1]: height and width are missing; taken from its run lengths" in text
    assert "images[3]: height and width are missing; left out, with its annotations" in text
    assert "images[2]: file_name is missing" in text
    assert "images[5]: is no object" in text


def test_results_of_pycocotools(tmp_path: Path) -> None:
    results = [
        {
            "image_id": 42,
            "category_id": 18,
            "segmentation": {"size": [40, 60], "counts": RUNS},
            "score": 0.75,
        },
        {"image_id": 42, "category_id": 18, "bbox": [1, 2, 3, 4], "score": 0.5},
    ]
    dataset = read(tmp_path, results)
    (only,) = dataset.annotations
    assert (dataset.images[0].image_id, dataset.images[0].size, dataset.categories[0].name) == (
        42,
        SIZE,
        "18",
    )
    assert (only.area_px, only.box, only.extra) == (10.0, (10.0, 10.0, 11.0, 20.0), {"score": 0.75})


def test_a_file_without_categories(tmp_path: Path) -> None:
    dataset = read(tmp_path, content(categories="left out"))
    assert [category.name for category in dataset.categories] == ["3"]
    assert len(dataset.annotations) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_json(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(json.dumps(content()).encode(encoding))
    assert len(read_coco(path).annotations) == 2


def sa1b(**changes: object) -> dict[str, Any]:
    mask = {
        "id": 1, "segmentation": {"size": [40, 60], "counts": RUNS}, "bbox": [10, 10, 1, 10], "area": 10,
        "predicted_iou": 0.9, "stability_score": 0.95, "crop_box": [0, 0, 60, 40], "point_coords": [[10, 12]],
    }  # fmt: skip
    changed = {key: value for key, value in {**mask, **changes}.items() if value != "left out"}
    image = {"image_id": 5, "file_name": "sa_5.jpg", "height": 40, "width": 60}
    return {"image": image, "annotations": [mask, {**changed, "id": changes.get("id", 2)}]}


def read_image(folder: Path, value: object, *, strict: bool = False) -> Sa1bImage:
    path = folder / "sa_5.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SamEdgeWarning)
        return read_sa1b(path, strict=strict)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"area": 7}, "annotations[1]: area is missing or not that of the mask"),
        ({"area": "left out"}, "annotations[1]: area is missing"),
        ({"bbox": None}, "annotations[1]: bbox is missing"),
        ({"point_coords": "left out"}, "annotations[1]: point_coords are missing"),
        ({"predicted_iou": "left out"}, "annotations[1]: predicted_iou or stability_score is missing"),
        ({"id": 1}, "annotations[1]: its id is missing, taken"),
    ],
)
def test_sa1b_with_a_fault_is_read_and_said(tmp_path: Path, changes: dict[str, object], note: str) -> None:
    image = read_image(tmp_path, sa1b(**changes))
    assert [mask.area_px for mask in image.masks] == [10, 10]
    assert image.masks[1].box == (10.0, 10.0, 11.0, 20.0)
    assert any(text.startswith(note) for text in image.notes)
    write_sa1b(tmp_path / "again.json", image)
    with pytest.raises(InputError):
        read_image(tmp_path, sa1b(**changes), strict=True)


def test_sa1b_leaves_out_a_damaged_mask(tmp_path: Path) -> None:
    image = read_image(tmp_path, sa1b(segmentation={"size": [40, 60], "counts": "`"}))
    assert len(image.masks) == 1
    assert "annotations[1]: rle: counts end in the middle" in image.notes[0]


def test_a_list_of_masks_of_the_mask_generator(tmp_path: Path) -> None:
    generated = [{**entry, "id": "left out"} for entry in sa1b(predicted_iou="left out")["annotations"]]
    image = read_image(tmp_path, generated)
    assert (image.size, [mask.mask_id for mask in image.masks]) == (SIZE, [1, 2])
    assert math.isnan(image.masks[1].predicted_iou)


class TestSharedCases:
    @pytest.mark.parametrize(
        ("name", "annotations"),
        [
            ("flat_polygon", 3),
            ("iscrowd_false", 3),
            ("no_area", 3),
            ("rle_flat", 3),
            ("segmentation_empty", 2),
            ("size_floats", 2),
        ],
    )
    @pytest.mark.filterwarnings("ignore::sam_edge.errors.SamEdgeWarning")
    def test_coco(self, shared_dir: Path, name: str, annotations: int) -> None:
        path = shared_dir / "cases/coco-dialects" / f"{name}.json"
        assert len(read_coco(path).annotations) == annotations
        with pytest.raises(InputError):
            read_coco(path, strict=True)

    @pytest.mark.filterwarnings("ignore::sam_edge.errors.SamEdgeWarning")
    def test_sa1b(self, shared_dir: Path) -> None:
        path = shared_dir / "cases/sa1b-area/sa.json"
        assert [mask.area_px for mask in read_sa1b(path).masks] == [6]
        with pytest.raises(InputError):
            read_sa1b(path, strict=True)
