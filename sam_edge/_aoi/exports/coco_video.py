"""Masks of all frames as COCO video: the JSON of YouTube-VIS, with masks as COCO's compressed run lengths.

A video has `length` frames. An annotation is an object, with a list of `length` entries each in `segmentations`,
`bboxes` (x, y, width, height) and `areas`; null where the object is not shown. A category is a label; objects without
one are of the category `object`. Source: Yang, Fan and Xu, "Video Instance Segmentation", 2019, and its API.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.area_hits import NO_OBJECT
from sam_edge._aoi.object_labels import object_labels
from sam_edge._aoi.study import Study
from sam_edge._track import TrackedFrame
from sam_edge.closing import Closing
from sam_edge.masks import Rle
from sam_edge.media.atomic import write_atomically
from sam_edge.timeline import TimelineTables

UNLABELLED = "object"
_NO_MASK = -1


class MaskSpool(Closing):
    """Keeps the shown mask of every frame in a temporary file; memory grows by some bytes a frame."""

    def __init__(self) -> None:
        """Open the file."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._offsets = array("q")
        self._stems: list[str] = []

    def add(self, frame: TrackedFrame) -> None:
        """Take the next frame."""
        self._stems.append(frame.stem)
        if frame.mask is None:
            self._offsets.append(_NO_MASK)
            return
        self._offsets.append(self._file.tell())
        self._file.write(Rle.from_mask(frame.mask).text.encode("ascii") + b"\n")

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._offsets)

    @property
    def stems(self) -> list[str]:
        """Names of the frames."""
        return self._stems

    def read(self, frame: int, size: tuple[int, int]) -> Rle | None:
        """Return the mask of a frame of `size` (height, width); None where none is shown."""
        if self._offsets[frame] == _NO_MASK:
            return None
        self._file.seek(self._offsets[frame])
        return Rle(size, self._file.readline().decode("ascii").rstrip("\n"))

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def write_coco_video(path: Path, tables: TimelineTables, spool: MaskSpool, study: Study) -> None:
    """Write all masks as one JSON file, an object at a time.

    Raises:
        MediaError: the file cannot be written.
    """
    objects, labels = tables.timeline.values["object"], object_labels(tables)
    numbers = [number for number in np.unique(objects).tolist() if number != NO_OBJECT]
    names = sorted({labels.get(number, UNLABELLED) for number in numbers})
    head = {
        "info": {"description": f"{study.recording}: objects that were looked at"},
        "videos": [_video(spool, study)],
        "categories": [
            {"id": index, "name": name, "supercategory": "object"} for index, name in enumerate(names, 1)
        ],
    }
    with write_atomically(path) as part, part.open("w", encoding="utf-8") as handle:
        handle.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "annotations": [')
        for index, number in enumerate(numbers):
            category = names.index(labels.get(number, UNLABELLED)) + 1
            handle.write(",\n" if index else "\n")
            _write_annotation(handle, number, category, objects == number, spool, study.frame_size)
        handle.write("]}\n")


def _video(spool: MaskSpool, study: Study) -> dict[str, Any]:
    height, width = study.frame_size
    files = [f"{study.recording}/{stem}.jpg" for stem in spool.stems]
    return {"id": 1, "width": width, "height": height, "length": len(spool), "file_names": files}


def _write_annotation(
    handle: IO[str],
    number: int,
    category: int,
    shown: NDArray[np.bool_],
    spool: MaskSpool,
    size: tuple[int, int],
) -> None:
    facts = {"id": number, "video_id": 1, "category_id": category, "iscrowd": 0}
    handle.write(json.dumps({**facts, "height": size[0], "width": size[1]})[:-1])
    areas, boxes = [], []
    handle.write(', "segmentations": [')
    for index, rle in enumerate(_masks(shown, spool, size)):
        handle.write((", " if index else "") + ("null" if rle is None else json.dumps(rle.to_json())))
        areas.append(None if rle is None else rle.area_px)
        boxes.append(None if rle is None else _box(rle))
    handle.write(f'], "bboxes": {json.dumps(boxes)}, "areas": {json.dumps(areas)}}}')


def _masks(shown: NDArray[np.bool_], spool: MaskSpool, size: tuple[int, int]) -> Iterator[Rle | None]:
    for frame, is_shown in enumerate(shown.tolist()):
        yield spool.read(frame, size) if is_shown else None


def _box(rle: Rle) -> list[float]:
    """Return x, y, width and height; zeros of an empty mask."""
    x0, y0, x1, y1 = rle.box or (0.0, 0.0, 0.0, 0.0)
    return [x0, y0, x1 - x0, y1 - y0]
