"""What was accepted, one line each, on disk before the next thing is asked: nothing accepted is ever lost.

Each line is a JSON object: `begin`, then `mask` (accepted), `done` (needs not be asked again), `undo` (the answer
about a dwell is taken back, and its mask), `delete` and `label` (of a mask), and `end` (of a stage's questions). A
deletion is a line, too: what was once accepted stays in the journal.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from sam_edge.annotate.kept import Kept, content_of, read_kept
from sam_edge.annotate.lock import NAME as LOCK
from sam_edge.annotate.lock import FolderLock
from sam_edge.errors import InputError
from sam_edge.masks.files import Entry
from sam_edge.media.atomic import write_error

SCHEMA = 2
NAME = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a person answered, and can take back."""

    stage: str
    """The stage that asked."""
    what: str
    """The question."""
    number: int = 0
    """The mask that was accepted; 0 for none."""
    replaced: tuple[Kept, ...] = ()
    """Masks that it replaced."""


class Journal:
    """The journal of a data set: read when it is opened, appended to and synced with every answer. A context manager.

    While it is open no other program can open it; when its program ends, however it ends, the next one can.
    """

    def __init__(self, folder: str | Path, source: Mapping[str, Any]) -> None:
        """Open the journal in a folder, or begin one.

        A last line that was cut off, as a killed program leaves it, is removed.

        Args:
            folder: of the data set.
            source: what is annotated: its values must be those of the journal that is there.

        Raises:
            InputError: the folder's journal belongs to another source, is damaged before its last line, is open in
                another program, or the folder holds something else.
            MediaError: it cannot be written.
        """
        self.folder = Path(folder)
        self.source: Mapping[str, Any] = dict(source)
        self.frames: dict[str, int] = {}
        """Frames that ever had a mask: their numbers by their stems."""
        self.categories: list[str] = []
        """Every label ever used, in order of its first use."""
        self.looked_at: dict[int, list[str]] = defaultdict(list)
        """Dwells that no person was asked about, by the number of the mask that shows what they were on."""
        self._masks: dict[int, Kept] = {}
        self._numbers = 0
        self._done: dict[str, set[str]] = defaultdict(set)
        self._answers: list[_Answered] = []
        self._ended: set[str] = set()
        path = self.folder / NAME
        self._check_folder(path)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(path, error) from error
        self._lock = FolderLock(self.folder)
        try:
            length = self._read(path, dict(source)) if path.exists() else 0
            self._length = length
            self._file: FileIO = path.open("ab", buffering=0)
            self._file.truncate(length)
            if length == 0:
                self._append([{"kind": "begin", "schema": SCHEMA, "source": dict(source)}])
                _sync_folder(self.folder)
        except OSError as error:
            self._lock.release()
            raise write_error(path, error) from error
        except InputError:
            self._lock.release()
            raise

    @property
    def kept(self) -> list[Kept]:
        """Accepted masks that were not deleted or replaced, in order."""
        return sorted(self._masks.values(), key=lambda one: one.number)

    def keep(
        self, kept: Kept, *, answers: tuple[str, str] | None = None, instead_of: Iterable[int] = ()
    ) -> Kept:
        """Write an accepted mask; all of it, with what it answers and replaces, or nothing, is there after a crash.

        Args:
            kept: the mask; its number is given here.
            answers: stage and name of the question that it answers.
            instead_of: numbers of masks that it replaces.

        Returns:
            The mask with its number.
        """
        line: dict[str, Any] = {"kind": "mask", **content_of(kept)}
        if answers is not None:
            line["answers"] = list(answers)
        if instead_of:
            line["instead_of"] = list(instead_of)
        self._append([line])
        return self._add(kept, answers, tuple(instead_of))

    def keep_all(self, kept: Iterable[Kept], *, finishes: tuple[str, str]) -> None:
        """Write masks that no person was asked about, and that their frame is done, in one go."""
        masks = list(kept)
        done = {"kind": "done", "stage": finishes[0], "what": finishes[1]}
        self._append([*({"kind": "mask", **content_of(one)} for one in masks), done])
        for one in masks:
            self._add(one, None, ())
        self._done[finishes[1]].add(finishes[0])

    def finish(self, stage: str, what: str, *, asked: bool = False, shown_by: int | None = None) -> None:
        """Write that something needs not be asked again.

        Args:
            stage: the stage.
            what: the dwell or the frame.
            asked: because a person said so.
            shown_by: number of the mask that shows what the dwell was on.
        """
        line: dict[str, Any] = {"kind": "done", "stage": stage, "what": what}
        if asked:
            line["asked"] = True
        if shown_by is not None:
            line["mask"] = shown_by
        self._append([line])
        self._finished(stage, what, asked, shown_by)

    def undo(self) -> str | None:
        """Take back the last answer that a person gave: what was answered, None without any."""
        if not self._answers:
            return None
        last = self._answers[-1]
        self._append([{"kind": "undo", "stage": last.stage, "what": last.what}])
        self._undo()
        return last.what

    def delete(self, number: int) -> None:
        """Write that a mask is deleted.

        Raises:
            InputError: there is no such mask.
        """
        self._mask(number)
        self._append([{"kind": "delete", "number": number}])
        del self._masks[number]

    def relabel(self, number: int, category: str) -> None:
        """Write that a mask shows something else.

        Raises:
            InputError: there is no such mask.
        """
        self._mask(number)
        self._append([{"kind": "label", "number": number, "category": category}])
        self._label(number, category)

    def end(self, stage: str) -> None:
        """Write that a stage asks no more."""
        self._append([{"kind": "end", "stage": stage}])
        self._ended.add(stage)

    def finished(self, stage: str, what: str) -> bool:
        """Say whether it was finished before."""
        return stage in self._done.get(what, ())

    def answered(self, what: str) -> bool:
        """Say whether it was finished in any stage."""
        return bool(self._done.get(what))

    def ended(self, stage: str) -> bool:
        """Say whether a stage was ended before all was asked."""
        return stage in self._ended

    def of_frame(self, stem: str) -> list[Kept]:
        """Return what was accepted on a frame."""
        return sorted((one for one in self._masks.values() if one.stem == stem), key=lambda one: one.number)

    def close(self) -> None:
        """Close the file, and let other programs open it. Closing twice is allowed."""
        self._file.close()
        self._lock.release()

    def __enter__(self) -> Journal:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _check_folder(self, path: Path) -> None:
        if path.exists() or not self.folder.exists():
            return
        if not self.folder.is_dir() or any(one.name != LOCK for one in self.folder.iterdir()):
            raise InputError(
                f"{self.folder}: holds something else; give a new folder, or that of a data set begun before"
            )

    def _mask(self, number: int) -> Kept:
        if number not in self._masks:
            raise InputError(
                f"mask: {number} is not there, or was deleted before; accepted: one that is kept"
            )
        return self._masks[number]

    def _add(self, kept: Kept, answers: tuple[str, str] | None, instead_of: tuple[int, ...]) -> Kept:
        self._numbers += 1
        made = replace(kept, number=self._numbers)
        self._masks[made.number] = made
        self.frames.setdefault(made.stem, made.index)
        self._know(made.category)
        replaced = tuple(self._masks.pop(one) for one in instead_of if one in self._masks)
        if answers is not None:
            self._done[answers[1]].add(answers[0])
            self._answers.append(_Answered(*answers, made.number, replaced))
        return made

    def _finished(self, stage: str, what: str, asked: bool, shown_by: int | None = None) -> None:
        self._done[what].add(stage)
        if shown_by is not None:
            self.looked_at[shown_by].append(what)
        if asked:
            self._answers.append(_Answered(stage, what))

    def _undo(self) -> None:
        last = self._answers.pop()
        self._done[last.what].discard(last.stage)
        self._ended.discard(last.stage)
        self._masks.pop(last.number, None)
        self._masks.update({one.number: one for one in last.replaced})

    def _label(self, number: int, category: str) -> None:
        self._masks[number] = replace(self._masks[number], category=category)
        self._know(category)

    def _know(self, category: str) -> None:
        if category not in self.categories:
            self.categories.append(category)

    def _append(self, contents: list[dict[str, Any]]) -> None:
        lines = [json.dumps(one, separators=(",", ":"), allow_nan=False).encode() + b"\n" for one in contents]
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
        """Take in what is there, and return the length of its whole lines, bytes."""
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].split(b"\n")[:-1], start=1):
            try:
                content = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{path}: line {number} is damaged ({error}); restore it, or begin anew"
                ) from error
            self._take(Entry.of(content, f"{path}: line {number}"), source)
        return whole

    def _take(self, entry: Entry, source: dict[str, Any]) -> None:
        kind = entry.text("kind")
        if kind == "begin":
            _check_begin(entry, source)
        elif kind == "mask":
            self._add(read_kept(entry), _answers(entry), _numbers(entry))
        elif kind == "done":
            asked = entry.values.get("asked") is True
            shown_by = entry.whole("mask") if "mask" in entry.values else None
            self._finished(entry.text("stage"), entry.text("what"), asked, shown_by)
        elif kind == "undo" and self._answers:
            self._undo()
        elif kind == "delete" and entry.whole("number") in self._masks:
            del self._masks[entry.whole("number")]
        elif kind == "label" and entry.whole("number") in self._masks:
            self._label(entry.whole("number"), entry.text("category"))
        elif kind == "end":
            self._ended.add(entry.text("stage"))
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


def _answers(entry: Entry) -> tuple[str, str] | None:
    value = entry.values.get("answers")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(one, str) for one in value):
        raise entry.error("answers", value, "a stage and a question")
    return value[0], value[1]


def _numbers(entry: Entry) -> tuple[int, ...]:
    value = entry.values.get("instead_of", [])
    if not isinstance(value, list) or not all(isinstance(one, int) for one in value):
        raise entry.error("instead_of", value, "a list of numbers of masks")
    return tuple(value)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder written; where the system has no such call, they are written with the file."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
