"""Names and merges of objects, applied to a folder that `aoi` wrote, without computing masks again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from sam_edge._aoi.areas import AREA_SAMPLE_COLUMNS, AREA_SAMPLES
from sam_edge._aoi.edits import ObjectEdits
from sam_edge._aoi.object_labels import object_labels
from sam_edge._aoi.report import write_report
from sam_edge._aoi.study import Study
from sam_edge._aoi.summary import AoiResult, summarise, write_summary
from sam_edge.errors import InputError
from sam_edge.media.atomic import write_folder_atomically
from sam_edge.timeline import (
    FIXATION_COLUMNS,
    FRAME_COLUMNS,
    SAMPLE_COLUMNS,
    TABLE_ENDINGS,
    TimelineTables,
    read_table,
)

TABLES = {"timeline": FRAME_COLUMNS, "samples": SAMPLE_COLUMNS, "fixations": FIXATION_COLUMNS}


def apply_aois(folder: str | Path, aois: str | Path, *, out: str | Path) -> AoiResult:
    """Rename and merge objects as `aois.json` says, and write tables, metrics, pictures and page to a new folder.

    Args:
        folder: what `aoi` wrote.
        aois: the file that the page saved.
        out: new folder to write.

    Raises:
        InputError: a file is missing, damaged, or names an unknown object, or `out` holds something.
        MediaError: a file cannot be read or written.
    """
    folder, out = Path(folder), Path(out)
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"out: {out} is not empty; give the name of a new folder")
    study, edits = Study.read(folder), ObjectEdits.read(aois)
    paths = {name: _find_table(folder, name) for name in TABLES}
    before = TimelineTables(**{name: read_table(paths[name], columns) for name, columns in TABLES.items()})
    if study.areas:
        paths["on_areas"] = _find_table(folder, AREA_SAMPLES)
        before = replace(before, on_areas=read_table(paths["on_areas"], AREA_SAMPLE_COLUMNS))
    tables = edits.apply(before, study.areas)
    study = replace(study, areas=edits.apply_to_areas(study.areas))
    result = summarise(study, tables)
    with write_folder_atomically(out) as part:
        for name, path in paths.items():
            getattr(tables, name).write(part / path.name)
        write_summary(part, study, result)
        _copy_pictures(folder / "objects", part / "objects", edits, object_labels(tables))
        write_report(part, study, tables)
    return result


def _find_table(folder: Path, name: str) -> Path:
    for ending in TABLE_ENDINGS:
        if (folder / f"{name}{ending}").is_file():
            return folder / f"{name}{ending}"
    raise InputError(f"{folder}: holds no {name} table; give a folder that `sam-edge aoi run` wrote")


def _copy_pictures(source: Path, target: Path, edits: ObjectEdits, labels: dict[int, str]) -> None:
    """Copy the best picture of each object; of merged ones the best of all."""
    found: dict[int, tuple[float, Path, dict[str, Any]]] = {}
    for path in sorted(source.glob("*/object.json"), key=lambda path: int(path.parent.name)):
        facts = json.loads(path.read_text(encoding="utf-8"))
        number = edits.final_number(facts["object"])
        if number not in found or facts["quality"] > found[number][0]:
            found[number] = facts["quality"], path.parent, facts
    for number, (_, folder, facts) in found.items():
        shutil.copytree(folder, target / str(number))
        text = json.dumps(
            {**facts, "object": number, "label": labels.get(number)}, indent=1, ensure_ascii=False
        )
        (target / str(number) / "object.json").write_text(text + "\n", encoding="utf-8")
