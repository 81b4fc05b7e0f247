"""One folder in the form of COCO and of SA-1B, made of a journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sam_edge.annotate.answers import OBJECT
from sam_edge.annotate.journal import Journal
from sam_edge.annotate.kept import Kept
from sam_edge.masks.coco import CocoAnnotation, CocoCategory, CocoDataset, CocoImage, write_coco
from sam_edge.masks.sa1b import Sa1bImage, Sa1bMask, write_sa1b
from sam_edge.media.atomic import write_error
from sam_edge.version import __version__


def write_dataset(journal: Journal) -> None:
    """Write `annotations.json` (COCO) and `sa1b/STEM.json` for every frame with masks; pictures are in `images/`.

    Files are replaced whole, so that it can be done again at any time; those of frames whose masks were all deleted
    go. A mask keeps its number, and a label its category's number, whatever is deleted later.

    Raises:
        InputError: masks of one frame differ in size.
        MediaError: a file cannot be written.
    """
    frames: dict[str, list[Kept]] = {}
    for kept in journal.kept:
        frames.setdefault(kept.stem, []).append(kept)
    numbers = {name: number for number, name in enumerate([OBJECT, *_others(journal)], start=1)}
    images, annotations = [], []
    for stem, masks in sorted(frames.items()):
        index, size = masks[0].index, masks[0].mask.segmentation.size
        images.append(CocoImage(index, f"images/{stem}.png", size))
        annotations += [annotation(kept, numbers[kept.category], origin(kept, journal)) for kept in masks]
        picture = Sa1bImage(
            index, f"{stem}.png", size, tuple(entry(kept, origin(kept, journal)) for kept in masks)
        )
        write_sa1b(journal.folder / "sa1b" / f"{stem}.json", picture)
    categories = tuple(CocoCategory(number, name) for name, number in numbers.items())
    info = {"description": f"made by sam-edge {__version__} annotate", "source": journal.source}
    write_coco(
        journal.folder / "annotations.json",
        CocoDataset(tuple(images), categories, tuple(annotations), {"info": info}),
    )
    for stem in journal.frames.keys() - frames.keys():
        _remove(journal.folder / "sa1b" / f"{stem}.json")
        _remove(journal.folder / "images" / f"{stem}.png")


def annotation(kept: Kept, category_id: int, provenance: Mapping[str, Any]) -> CocoAnnotation:
    """Describe a mask for COCO."""
    return CocoAnnotation(
        annotation_id=kept.number,
        image_id=kept.index,
        category_id=category_id,
        segmentation=kept.mask.segmentation,
        box=kept.mask.box,
        area_px=kept.mask.area,
        extra={"score": kept.mask.predicted_iou, "provenance": provenance},
    )


def entry(kept: Kept, provenance: Mapping[str, Any]) -> Sa1bMask:
    """Describe a mask for SA-1B."""
    plain = kept.mask.sa1b(kept.number)
    return Sa1bMask(
        mask_id=plain.mask_id,
        rle=plain.rle,
        box=plain.box,
        area_px=plain.area_px,
        predicted_iou=plain.predicted_iou,
        stability_score=plain.stability_score,
        crop_box=plain.crop_box,
        points=plain.points,
        extra={"category": kept.category, "provenance": provenance},
    )


def origin(kept: Kept, journal: Journal) -> dict[str, Any]:
    """Say where a mask comes from, and which dwells were on it that needed no question."""
    origin = {"stage": kept.stage, "decision": kept.decision, **kept.provenance}
    looked_at = journal.looked_at.get(kept.number)
    return {**origin, "looked_at": list(looked_at)} if looked_at else origin


def _others(journal: Journal) -> list[str]:
    return [name for name in journal.categories if name != OBJECT]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
