"""The journal of a data set: one line for each answer, on disk before the next proposal, so that no answer is lost.

Each line is a JSON object of a kind: `begin`; `mask` (an annotation), `done` (a dwell or frame is finished), `undo`
(the last answer is taken back, and its annotation), `delete` and `label` (of an annotation), and `end` (of a stage).
Nothing is ever removed: deleted annotations stay in the file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from sam_edge.annotate.annotation import Annotation, annotation_from_json, annotation_to_json
from sam_edge.annotate.journal_state import JournalState
from sam_edge.annotate.lock import NAME as LOCK
from sam_edge.annotate.lock import FolderLock
from sam_edge.closing import Closing
from sam_edge.errors import InputError
from sam_edge.masks.files import Entry
from sam_edge.media.atomic import remove_empty, write_error

SCHEMA = 2
NAME = "journal.jsonl"


class Journal(Closing):
    """A journal: read when it is opened; appended to and synced with every answer. A context manager.

    While it is open no other program can open it; when its program ends, however it ends, the next one can.
    """

    def __init__(self, folder: str | Path, source: Mapping[str, Any]) -> None:
        """Open the journal in a folder, or begin one.

        A last line that was cut off, as a killed program leaves it, is removed.

        Args:
            folder: of the data set.
            source: describes the video and gaze; must equal that of an existing journal.

        Raises:
            InputError: the folder's journal belongs to another source, is damaged before its last line, is open in
                another program, or the folder holds other files.
            MediaError: it cannot be written.
        """
        self.folder = Path(folder)
        self.source: Mapping[str, Any] = dict(source)
        self._state = JournalState()
        path = self.folder / NAME
        self._check_folder(path)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(path, error) from error
        self._lock = FolderLock(self.folder)
        try:
            self._length = self._read(path, dict(source)) if path.exists() else 0
            self._file: FileIO = path.open("ab", buffering=0)
            self._file.truncate(self._length)
            if self._length == 0:
                self._append([{"kind": "begin", "schema": SCHEMA, "source": dict(source)}])
                _sync_folder(self.folder)
        except OSError as error:
            self._lock.close()
            raise write_error(path, error) from error
        except InputError:
            self._lock.close()
            raise

    @property
    def annotations(self) -> list[Annotation]:
        """Annotations that were not deleted or replaced, by number."""
        return self._state.annotations

    @property
    def frames(self) -> Mapping[str, int]:
        """Numbers of the frames that ever had a mask, by their stems."""
        return self._state.frames

    @property
    def categories(self) -> list[str]:
        """Every label ever used, in order of first use."""
        return self._state.categories

    @property
    def dwells_on_mask(self) -> Mapping[int, list[str]]:
        """Dwells that no person was asked about, by the number of the annotation that shows their object."""
        return self._state.dwells_on_mask

    def annotations_on(self, stem: str) -> list[Annotation]:
        """Return the annotations of a frame, by number."""
        return [annotation for annotation in self._state.annotations if annotation.stem == stem]

    def is_done(self, stage: str, item: str) -> bool:
        """Say whether a stage is done with a dwell or frame."""
        return self._state.is_done(stage, item)

    def is_done_in_any_stage(self, item: str) -> bool:
        """Say whether any stage is done with a dwell or frame."""
        return self._state.is_done_in_any_stage(item)

    def is_ended(self, stage: str) -> bool:
        """Say whether a person ended a stage before all its dwells were done."""
        return self._state.is_ended(stage)

    def add(
        self,
        annotation: Annotation,
        *,
        answers: tuple[str, str] | None = None,
        replaces: Iterable[int] = (),
    ) -> Annotation:
        """Write an annotation with what it answers and replaces, as one line: after a crash all of it is there or none.

        Args:
            annotation: without number.
            answers: stage and name of the dwell that it answers.
            replaces: numbers of annotations that it replaces.

        Returns:
            The annotation with its number.
        """
        numbers = tuple(replaces)
        line: dict[str, Any] = {"kind": "mask", **annotation_to_json(annotation)}
        if answers is not None:
            line["answers"] = list(answers)
        if numbers:
            line["instead_of"] = list(numbers)
        self._append([line])
        return self._state.add(annotation, answers=answers, replaces=numbers)

    def add_generated(self, annotations: Iterable[Annotation], *, stage: str, frame: str) -> None:
        """Write the annotations that a stage generated on a frame without a person, and that the frame is done."""
        added = list(annotations)
        lines = [{"kind": "mask", **annotation_to_json(annotation)} for annotation in added]
        self._append([*lines, {"kind": "done", "stage": stage, "what": frame}])
        for annotation in added:
            self._state.add(annotation)
        self._state.mark_done(stage, frame)

    def mark_done(
        self, stage: str, item: str, *, by_person: bool = False, shown_by: int | None = None
    ) -> None:
        """Write that a dwell or frame is done.

        Args:
            stage: the stage.
            item: name of the dwell or frame.
            by_person: whether a person answered so; it can then be undone.
            shown_by: number of the annotation that shows the dwell's object.
        """
        line: dict[str, Any] = {"kind": "done", "stage": stage, "what": item}
        if by_person:
            line["asked"] = True
        if shown_by is not None:
            line["mask"] = shown_by
        self._append([line])
        self._state.mark_done(stage, item, by_person=by_person, shown_by=shown_by)

    def undo(self) -> str | None:
        """Take back the last answer of a person; return the name of its dwell, None without any answer."""
        if not self._state.answers:
            return None
        last = self._state.answers[-1]
        self._append([{"kind": "undo", "stage": last.stage, "what": last.item}])
        self._state.undo()
        return last.item

    def delete(self, number: int) -> None:
        """Write that an annotation is deleted.

        Raises:
            InputError: there is no such annotation.
        """
        self._state.check_number(number)
        self._append([{"kind": "delete", "number": number}])
        self._state.delete(number)

    def relabel(self, number: int, category: str) -> None:
        """Write the new label of an annotation.

        Raises:
            InputError: there is no such annotation.
        """
        self._state.check_number(number)
        self._append([{"kind": "label", "number": number, "category": category}])
        self._state.relabel(number, category)

    def end_stage(self, stage: str) -> None:
        """Write that a stage ends before all its dwells are done."""
        self._append([{"kind": "end", "stage": stage}])
        self._state.end_stage(stage)

    def close(self) -> None:
        """Close the file, and let other programs open it. Closing twice is allowed."""
        self._file.close()
        self._lock.close()

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; after an error, remove a data set that holds nothing but the beginning of the journal."""
        lines = len((self.folder / NAME).read_bytes().splitlines())
        self.close()
        if error_type is None or lines > 1 or {path.name for path in self.folder.iterdir()} - {NAME, LOCK}:
            return
        for name in (NAME, LOCK):
            (self.folder / name).unlink(missing_ok=True)
        remove_empty([self.folder])

    def _check_folder(self, path: Path) -> None:
        if path.exists() or not self.folder.exists():
            return
        if not self.folder.is_dir() or any(entry.name != LOCK for entry in self.folder.iterdir()):
            raise InputError(
                f"{self.folder}: holds something else; give a new folder, or that of a data set begun before"
            )

    def _append(self, contents: list[dict[str, Any]]) -> None:
        """Write lines and sync them; on an error none of them stays in the file."""
        lines = [
            json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n"
            for content in contents
        ]
        data = memoryview(b"".join(lines))
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
            os.fsync(self._file.fileno())
            self._length += written
        except OSError as error:
            # A full disk: half a line must not stand before the next one.
            with contextlib.suppress(OSError):
                self._file.truncate(self._length)
            raise write_error(self.folder / NAME, error) from error

    def _read(self, path: Path, source: dict[str, Any]) -> int:
        """Apply the lines of the file, and return the length of the whole ones, bytes."""
        data = path.read_bytes()
        length = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:length].split(b"\n")[:-1], start=1):
            try:
                content = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{path}: line {number} is damaged ({error}); restore it, or begin in a new folder"
                ) from error
            self._apply(Entry.of(content, f"{path}: line {number}"), source)
        return length

    def _apply(self, entry: Entry, source: dict[str, Any]) -> None:
        state, kind = self._state, entry.text("kind")
        if kind == "begin":
            _check_begin(entry, source)
        elif kind == "mask":
            state.add(
                annotation_from_json(entry), answers=_read_answers(entry), replaces=_read_replaces(entry)
            )
        elif kind == "done":
            by_person = entry.values.get("asked") is True
            shown_by = entry.whole("mask") if "mask" in entry.values else None
            state.mark_done(entry.text("stage"), entry.text("what"), by_person=by_person, shown_by=shown_by)
        elif kind == "undo" and state.answers:
            state.undo()
        elif kind == "delete" and state.has(entry.whole("number")):
            state.delete(entry.whole("number"))
        elif kind == "label" and state.has(entry.whole("number")):
            state.relabel(entry.whole("number"), entry.text("category"))
        elif kind == "end":
            state.end_stage(entry.text("stage"))
        else:
            raise entry.error(
                "kind", kind, "begin, mask, done or end; undo, delete and label of what is there"
            )


def _check_begin(entry: Entry, source: dict[str, Any]) -> None:
    if entry.whole("schema") != SCHEMA:
        raise entry.error("schema", entry.values["schema"], f"{SCHEMA}; it was written by another version")
    before = dict(entry.entry("source").values)
    if before != json.loads(json.dumps(source)):
        raise InputError(f"{entry.name}: was begun for {before}, not for {source}; give another folder")


def _read_answers(entry: Entry) -> tuple[str, str] | None:
    value = entry.values.get("answers")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(text, str) for text in value):
        raise entry.error("answers", value, "a stage and a dwell")
    return value[0], value[1]


def _read_replaces(entry: Entry) -> tuple[int, ...]:
    value = entry.values.get("instead_of", [])
    if not isinstance(value, list) or not all(isinstance(number, int) for number in value):
        raise entry.error("instead_of", value, "a list of numbers of masks")
    return tuple(value)


def _sync_folder(folder: Path) -> None:
    """Sync the names in a folder, on systems that have such a call; on others they are written with the file."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
