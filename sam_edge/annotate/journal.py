"""What was accepted, one line each, on disk before the next thing is asked: nothing accepted is ever lost."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from sam_edge.errors import InputError
from sam_edge.everything import FoundMask
from sam_edge.masks import Rle
from sam_edge.masks.files import Entry
from sam_edge.media.atomic import cannot_write

SCHEMA = 1
NAME = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Kept:
    """One accepted mask."""

    stem: str
    """The frame."""
    index: int
    """Number of the frame."""
    stage: str
    """`assisted`, `semi` or `automatic`."""
    mask: FoundMask
    """The mask, with the points that prompted it."""
    decision: str
    """`accepted` by the person as proposed, `corrected` by the person, or `confident`: by its scores alone."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Model, engine, versions, and the dwell that it goes back to."""


class Journal:
    """The journal of a data set: read when it is opened, appended to and synced with every line. A context manager."""

    def __init__(self, folder: str | Path, source: Mapping[str, Any]) -> None:
        """Open the journal in a folder, or begin one.

        A last line that was cut off, as a killed program leaves it, is removed.

        Args:
            folder: of the data set.
            source: what is annotated: its values must be those of the journal that is there.

        Raises:
            InputError: the folder's journal belongs to another source, is damaged before its last line, or the folder
                holds something else.
            MediaError: it cannot be written.
        """
        self.folder = Path(folder)
        self.kept: list[Kept] = []
        self._done: set[tuple[str, str]] = set()
        path = self.folder / NAME
        if (
            not path.exists()
            and self.folder.exists()
            and (not self.folder.is_dir() or any(self.folder.iterdir()))
        ):
            raise InputError(
                f"{self.folder}: holds something else; give a new folder, or that of a data set begun before"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            length = self._read(path, dict(source)) if path.exists() else 0
            self._file: BinaryIO = path.open("ab")
            self._file.truncate(length)
            self._file.seek(length)
        except OSError as error:
            raise cannot_write(path, error) from error
        if length == 0:
            self._append({"kind": "begin", "schema": SCHEMA, "source": dict(source)})

    def keep(self, kept: Kept) -> None:
        """Write an accepted mask."""
        self._append(
            {
                "kind": "mask",
                "stem": kept.stem,
                "index": kept.index,
                "stage": kept.stage,
                "decision": kept.decision,
                "provenance": dict(kept.provenance),
                **kept.mask.record(),
            }
        )
        self.kept.append(kept)

    def finish(self, stage: str, what: str) -> None:
        """Write that something needs not be asked again: a dwell, or a frame."""
        self._append({"kind": "done", "stage": stage, "what": what})
        self._done.add((stage, what))

    def finished(self, stage: str, what: str) -> bool:
        """Say whether it was finished before."""
        return (stage, what) in self._done

    def of_frame(self, stem: str) -> list[Kept]:
        """Return what was accepted on a frame."""
        return [one for one in self.kept if one.stem == stem]

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        self._file.close()

    def __enter__(self) -> Journal:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _append(self, content: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.folder / NAME, error) from error

    def _read(self, path: Path, source: dict[str, Any]) -> int:
        """Take in what is there, and return the length of its whole lines, bytes."""
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                content = json.loads(line)
            except ValueError as error:
                raise InputError(
                    f"{path}: line {number} is damaged ({error}); restore it, or begin anew"
                ) from error
            self._take(Entry.of(content, f"{path}: line {number}"), source)
        return whole

    def _take(self, entry: Entry, source: dict[str, Any]) -> None:
        kind = entry.text("kind")
        if kind == "begin":
            if entry.whole("schema") != SCHEMA:
                raise entry.error(
                    "schema", entry.values["schema"], f"{SCHEMA}; it was written by another version"
                )
            before = dict(entry.entry("source").values)
            if before != json.loads(json.dumps(source)):
                raise InputError(
                    f"{entry.name}: was begun for {before}, not for {source}; give another folder"
                )
        elif kind == "done":
            self._done.add((entry.text("stage"), entry.text("what")))
        elif kind == "mask":
            self.kept.append(_kept(entry))
        else:
            raise entry.error("kind", kind, "begin, mask or done")


def _kept(entry: Entry) -> Kept:
    points = entry.values.get("point_coords")
    if not isinstance(points, list) or not all(isinstance(one, list) and len(one) == 2 for one in points):
        raise entry.error("point_coords", points, "a list of points [x, y]")
    x, y, width, height = entry.numbers("bbox", 4)
    left, top, across, down = entry.numbers("crop_box", 4)
    mask = FoundMask(
        segmentation=Rle.from_json(entry.values.get("segmentation")),
        area=entry.whole("area"),
        bbox=(x, y, width, height),
        predicted_iou=entry.number("predicted_iou"),
        point_coords=tuple((float(px), float(py)) for px, py in points),
        stability_score=entry.number("stability_score"),
        crop_box=(left, top, across, down),
    )
    return Kept(
        stem=entry.text("stem"),
        index=entry.whole("index"),
        stage=entry.text("stage"),
        mask=mask,
        decision=entry.text("decision"),
        provenance=dict(entry.entry("provenance").values),
    )
