"""Writes a journal's annotations as a data set in the formats of COCO and SA-1B."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam_edge.annotate.annotation import Annotation
from sam_edge.annotate.answers import OBJECT
from sam_edge.annotate.journal import Journal
from sam_edge.masks.coco import CocoAnnotation, CocoCategory, CocoDataset, CocoImage, write_coco
from sam_edge.masks.sa1b import Sa1bImage, Sa1bMask, write_sa1b
from sam_edge.media.atomic import write_error
from sam_edge.version import __version__


def write_dataset(journal: Journal) -> None:
    """Write `annotations.json` (COCO) and `sa1b/STEM.json` for every frame with masks; images are in `images/`.

    Files are replaced whole, so that this can be done at any time; files of frames without masks are removed. A mask
    keeps its number, and a label the number of its category, whatever is deleted later.

    Raises:
        InputError: masks of one frame differ in size.
        MediaError: a file cannot be written.
    """
    frames: dict[str, list[Annotation]] = {}
    for annotation in journal.annotations:
        frames.setdefault(annotation.stem, []).append(annotation)
    category_ids = {name: number for number, name in enumerate(_category_names(journal), start=1)}
    images, coco_annotations = [], []
    for stem, masks in sorted(frames.items()):
        index, size = masks[0].index, masks[0].mask.segmentation.size
        images.append(CocoImage(index, f"images/{stem}.png", size))
        coco_annotations += [
            to_coco(annotation, category_ids[annotation.category], provenance_of(annotation, journal))
            for annotation in masks
        ]
        entries = tuple(to_sa1b(annotation, provenance_of(annotation, journal)) for annotation in masks)
        write_sa1b(journal.folder / "sa1b" / f"{stem}.json", Sa1bImage(index, f"{stem}.png", size, entries))
    categories = tuple(CocoCategory(number, name) for name, number in category_ids.items())
    info = {"description": f"made by sam-edge {__version__} annotate", "source": journal.source}
    write_coco(
        journal.folder / "annotations.json",
        CocoDataset(tuple(images), categories, tuple(coco_annotations), {"info": info}),
    )
    for stem in journal.frames.keys() - frames.keys():
        _remove(journal.folder / "sa1b" / f"{stem}.json")
        _remove(journal.folder / "images" / f"{stem}.png")


def to_coco(annotation: Annotation, category_id: int, provenance: Mapping[str, Any]) -> CocoAnnotation:
    """Return an annotation in COCO's form."""
    return CocoAnnotation(
        annotation_id=annotation.number,
        image_id=annotation.index,
        category_id=category_id,
        segmentation=annotation.mask.segmentation,
        box=annotation.mask.box,
        area_px=annotation.mask.area,
        extra={"score": annotation.mask.predicted_iou, "provenance": provenance},
    )


def to_sa1b(annotation: Annotation, provenance: Mapping[str, Any]) -> Sa1bMask:
    """Return an annotation in SA-1B's form."""
    extra = {"category": annotation.category, "provenance": provenance}
    return replace(annotation.mask.sa1b(annotation.number), extra=extra)


def provenance_of(annotation: Annotation, journal: Journal) -> dict[str, Any]:
    """Return the provenance of a mask, with the dwells on it that no person was asked about."""
    provenance = {"stage": annotation.stage, "decision": annotation.decision, **annotation.provenance}
    dwells = journal.dwells_on_mask.get(annotation.number)
    return {**provenance, "looked_at": list(dwells)} if dwells else provenance


def _category_names(journal: Journal) -> list[str]:
    return [OBJECT, *(name for name in journal.categories if name != OBJECT)]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
