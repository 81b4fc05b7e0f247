"""One folder in the form of COCO and of SA-1B, made of a journal."""

from __future__ import annotations

from sam_edge.annotate.journal import Journal, Kept
from sam_edge.masks.coco import CocoAnnotation, CocoCategory, CocoDataset, CocoImage, write_coco
from sam_edge.masks.sa1b import Sa1bMask, Sa1bPicture, write_sa1b

THING = CocoCategory(1, "thing")
"""SAM's masks have no class."""


def write_dataset(journal: Journal) -> None:
    """Write `annotations.json` (COCO) and `sa1b/STEM.json` for every frame with masks; pictures are in `images/`.

    Files are replaced whole, so that it can be done again at any time.

    Raises:
        InputError: masks of one frame differ in size.
        MediaError: a file cannot be written.
    """
    frames: dict[str, list[tuple[int, Kept]]] = {}
    for number, kept in enumerate(journal.kept, start=1):
        frames.setdefault(kept.stem, []).append((number, kept))
    images, annotations = [], []
    for stem, masks in sorted(frames.items()):
        index, size = masks[0][1].index, masks[0][1].mask.segmentation.size
        images.append(CocoImage(index, f"images/{stem}.png", size))
        annotations += [annotation(number, kept) for number, kept in masks]
        picture = Sa1bPicture(
            index, f"{stem}.png", size, tuple(entry(number, kept) for number, kept in masks)
        )
        write_sa1b(journal.folder / "sa1b" / f"{stem}.json", picture)
    write_coco(journal.folder / "annotations.json", CocoDataset(tuple(images), (THING,), tuple(annotations)))


def annotation(number: int, kept: Kept) -> CocoAnnotation:
    """Describe a mask for COCO."""
    return CocoAnnotation(
        annotation_id=number,
        image_id=kept.index,
        category_id=THING.category_id,
        segmentation=kept.mask.segmentation,
        box=kept.mask.box,
        area_px=kept.mask.area,
        extra={"score": kept.mask.predicted_iou, **origin(kept)},
    )


def entry(number: int, kept: Kept) -> Sa1bMask:
    """Describe a mask for SA-1B."""
    plain = kept.mask.sa1b(number)
    return Sa1bMask(
        mask_id=plain.mask_id,
        rle=plain.rle,
        box=plain.box,
        area_px=plain.area_px,
        predicted_iou=plain.predicted_iou,
        stability_score=plain.stability_score,
        crop_box=plain.crop_box,
        points=plain.points,
        extra=origin(kept),
    )


def origin(kept: Kept) -> dict[str, object]:
    """Say where a mask comes from."""
    return {"provenance": {"stage": kept.stage, "decision": kept.decision, **kept.provenance}}
