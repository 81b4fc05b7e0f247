"""Read AOIs that are defined beforehand: a JSON file, or a folder of pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from sam_edge._aoi.defined.definition import MASK_ENDING, DefinedAoi, FrameSpot
from sam_edge.errors import InputError
from sam_edge.media.images import IMAGE_SUFFIXES

KIND = "sam-edge defined aois"
EXAMPLE = '{"aois": [{"name": "cup", "frame": 120, "box": [310, 190, 420, 300]}]}'
FIELDS = ("name", "frame", "time_s", "mask", "box", "points", "pictures")
SHAPES = ("mask", "box", "points")
MAX_NAME = 80


def read_definitions(path: str | Path) -> tuple[DefinedAoi, ...]:
    """Read a JSON file, or a folder whose pictures are named as the AOIs. docs/how-to/aoi.md has the format.

    Raises:
        InputError: it is missing or damaged, a field is not accepted, or a file that it names does not exist.
    """
    path = Path(path)
    aois = _read_folder(path) if path.is_dir() else _read_file(path)
    names = [aoi.name for aoi in aois]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"aois: {path}: the name {name!r} stands twice; give each AOI a name of its own")
    return aois


def _read_folder(folder: Path) -> tuple[DefinedAoi, ...]:
    """Read a folder: each picture is an AOI, and so is each folder of pictures in it."""
    found = [DefinedAoi(path.stem, pictures=(path,)) for path in _pictures(folder)]
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        pictures = _pictures(inner)
        if pictures:
            found.append(DefinedAoi(inner.name, pictures=pictures))
    if not found:
        raise InputError(
            f"aois: {folder}: holds no pictures; accepted: {', '.join(IMAGE_SUFFIXES)}, named as the AOIs"
        )
    return tuple(sorted(found, key=lambda aoi: aoi.name))


def _pictures(folder: Path) -> tuple[Path, ...]:
    return tuple(
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.endswith(MASK_ENDING) and path.is_file()
    )


def _read_file(path: Path) -> tuple[DefinedAoi, ...]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"aois: {path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(f"aois: {path}: is no JSON ({error}); accepted: {EXAMPLE}") from error
    if isinstance(content, dict) and "objects" in content:
        raise InputError(
            f"aois: {path}: holds names and merges of objects, for `sam-edge aoi apply`; accepted: {EXAMPLE}"
        )
    entries = content.get("aois") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(f"aois: {path}: has no list `aois` with entries; accepted: {EXAMPLE}")
    return tuple(_Entry(path, place, entry).read() for place, entry in enumerate(entries))


class _Entry:
    """One entry of the list, with its place for messages."""

    def __init__(self, path: Path, place: int, entry: Any) -> None:
        self._path, self._place, self._entry = path, place, entry

    def read(self) -> DefinedAoi:
        """Return the AOI. Raises `InputError`."""
        entry = self._entry
        if not isinstance(entry, dict):
            raise self._error("", entry, EXAMPLE)
        for field in entry:
            if field not in FIELDS:
                raise self._error(field, entry[field], f"the fields {', '.join(FIELDS)}")
        name = entry.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise self._error("name", name, f"a text of 1 to {MAX_NAME} characters")
        given = [field for field in (*SHAPES, "pictures") if field in entry]
        if len(given) != 1:
            raise self._error(
                "", given, "one of mask, box, points (on a frame: frame or time_s), or pictures"
            )
        if given == ["pictures"]:
            return DefinedAoi(name, pictures=self._files("pictures"))
        return DefinedAoi(name, self._spot())

    def _spot(self) -> FrameSpot:
        entry = self._entry
        if ("frame" in entry) == ("time_s" in entry):
            raise self._error("frame", entry.get("frame"), "the number of a frame, from 0, or time_s instead")
        frame, time_s = entry.get("frame"), entry.get("time_s")
        if frame is not None and not (isinstance(frame, int) and not isinstance(frame, bool) and frame >= 0):
            raise self._error("frame", frame, "a whole number, 0 or more")
        if frame is None and not (_is_number(time_s) and time_s >= 0):
            raise self._error("time_s", time_s, "seconds after the first frame, 0 or more")
        if "mask" in entry:
            return FrameSpot(frame, time_s, mask=self._file("mask", entry["mask"]))
        if "box" in entry:
            return FrameSpot(frame, time_s, box=self._box())
        return FrameSpot(frame, time_s, points=self._points())

    def _box(self) -> tuple[float, float, float, float]:
        box = self._entry["box"]
        if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
            raise self._error("box", box, "[x0, y0, x1, y1], pixels of the frame")
        x0, y0, x1, y1 = map(float, box)
        if not (x0 < x1 and y0 < y1):
            raise self._error("box", box, "[x0, y0, x1, y1] with x0 below x1, and y0 below y1")
        return x0, y0, x1, y1

    def _points(self) -> tuple[tuple[float, float], ...]:
        points = self._entry["points"]
        if not isinstance(points, list) or not points or not all(map(_is_point, points)):
            raise self._error("points", points, "[[x, y], ...], pixels of the frame, all on the AOI")
        return tuple((float(x), float(y)) for x, y in points)

    def _files(self, field: str) -> tuple[Path, ...]:
        names = self._entry[field]
        if not isinstance(names, list) or not names:
            raise self._error(field, names, "a list of files, relative to this one")
        return tuple(self._file(field, name) for name in names)

    def _file(self, field: str, name: Any) -> Path:
        file = self._path.parent / name if isinstance(name, str) else None
        if file is None or not file.is_file():
            raise self._error(field, name, "a file that exists, relative to this one")
        return file

    def _error(self, field: str, value: Any, accepted: str) -> InputError:
        where = f"aois[{self._place}]" + (f".{field}" if field else "")
        return InputError(f"aois: {self._path}: {where}: {json.dumps(value)}; accepted: {accepted}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
