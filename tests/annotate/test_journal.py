"""The journal: no answer is lost, however the program ended."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_edge.annotate import Annotation, Journal
from sam_edge.errors import InputError, MediaError

Make = Callable[..., Annotation]
Source = dict[str, Any]


def summarize(annotations: list[Annotation]) -> list[tuple[int, str, str]]:
    return [(item.number, item.stem, item.category) for item in annotations]


def test_annotations_are_there_again(tmp_path: Path, source: Source, annotation: Make) -> None:
    with Journal(tmp_path / "set", source) as journal:
        added = journal.add(annotation(category="dog"), answers=("assisted", "dwell 1"))
        journal.mark_done("assisted", "dwell 3")
    with Journal(tmp_path / "set", source) as again:
        assert again.annotations == [added]
        assert added.number == 1
        assert again.categories == ["dog"]
        assert again.is_done("assisted", "dwell 1")
        assert again.is_done("assisted", "dwell 3")
        assert again.is_done_in_any_stage("dwell 3")
        assert not again.is_done("semi", "dwell 3")


def test_killed_at_any_byte_nothing_accepted_is_lost(
    tmp_path: Path, source: Source, annotation: Make
) -> None:
    with Journal(tmp_path / "set", source) as journal:
        first = journal.add(annotation(), answers=("assisted", "dwell 1"))
        length = (tmp_path / "set" / "journal.jsonl").stat().st_size
        journal.add(annotation("00001", 1), answers=("assisted", "dwell 2"))
    data = (tmp_path / "set" / "journal.jsonl").read_bytes()
    for end in range(length, len(data), 7):
        folder = tmp_path / str(end)
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(data[:end])
        with Journal(folder, source) as again:
            assert again.annotations == [first]
            assert again.is_done_in_any_stage("dwell 1")
            # A mask and what it answers are one line: both or none.
            assert not again.is_done_in_any_stage("dwell 2")
            again.add(annotation("00002", 2))
        with Journal(folder, source) as again:
            assert summarize(again.annotations) == [(1, "00000", "object"), (2, "00002", "object")]


def test_every_answer_is_on_disk_at_once(tmp_path: Path, source: Source, annotation: Make) -> None:
    with Journal(tmp_path / "set", source) as journal:
        journal.add(annotation())
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "journal.jsonl").write_bytes((tmp_path / "set" / "journal.jsonl").read_bytes())
        with Journal(tmp_path / "copy", source) as other:  # as a new program would after the first was killed
            assert other.annotations == journal.annotations


def test_undo_brings_back_what_was_replaced(tmp_path: Path, source: Source, annotation: Make) -> None:
    with Journal(tmp_path / "set", source) as journal:
        journal.add_generated([annotation(), annotation()], stage="semi", frame="frame 0")
        journal.add(annotation(category="dog"), answers=("semi", "dwell 5"), replaces=[1])
        assert [item.number for item in journal.annotations] == [2, 3]
        assert journal.undo() == "dwell 5"
        assert journal.undo() is None
    with Journal(tmp_path / "set", source) as again:
        assert [item.number for item in again.annotations] == [1, 2]
        assert not again.is_done_in_any_stage("dwell 5")
        assert again.is_done("semi", "frame 0")
        assert again.add(annotation()).number == 4


def test_undo_goes_on_with_a_stage_that_was_ended(tmp_path: Path, source: Source) -> None:
    with Journal(tmp_path / "set", source) as journal:
        journal.mark_done("assisted", "dwell 1", by_person=True)
        journal.end_stage("assisted")
        assert journal.is_ended("assisted")
        journal.undo()
        assert not journal.is_ended("assisted")
    with Journal(tmp_path / "set", source) as again:
        assert not again.is_ended("assisted")


def test_labels_and_deletions_are_lines_too(tmp_path: Path, source: Source, annotation: Make) -> None:
    with Journal(tmp_path / "set", source) as journal:
        journal.add(annotation())
        journal.add(annotation("00001", 1))
        journal.relabel(2, "cat")
        journal.delete(1)
        with pytest.raises(InputError, match="mask: 1 is not there"):
            journal.delete(1)
        with pytest.raises(InputError, match="mask: 9 is not there"):
            journal.relabel(9, "cat")
    with Journal(tmp_path / "set", source) as again:
        assert summarize(again.annotations) == [(2, "00001", "cat")]
        assert again.frames == {"00000": 0, "00001": 1}


def test_a_full_disk_leaves_no_half_line(
    tmp_path: Path, source: Source, annotation: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path / "set", source) as journal:
        first = journal.add(annotation())

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(MediaError, match="No space left"):
                journal.add(annotation("00001", 1))
        assert journal.annotations == [first]
        journal.add(annotation("00002", 2))
    with Journal(tmp_path / "set", source) as again:
        assert [item.stem for item in again.annotations] == ["00000", "00002"]


def test_another_source_is_refused(tmp_path: Path, source: Source) -> None:
    Journal(tmp_path / "set", source).close()
    with pytest.raises(InputError, match="was begun for"):
        Journal(tmp_path / "set", {**source, "video": "other"})


def test_a_folder_of_something_else_is_refused(tmp_path: Path, source: Source) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(InputError, match="something else"):
        Journal(tmp_path, source)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "line",
    [
        "rubbish",
        "[1]",
        '{"kind":"what"}',
        '{"kind":"mask"}',
        '{"kind":"begin","schema":9}',
        '{"kind":"undo"}',
        '{"kind":"delete","number":4}',
    ],
)
def test_damage_in_the_middle_is_an_error(tmp_path: Path, source: Source, line: str) -> None:
    Journal(tmp_path / "set", source).close()
    with (tmp_path / "set" / "journal.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 2"):
        Journal(tmp_path / "set", source)
    with pytest.raises(InputError, match="line 2"):  # and the folder is not held by the attempt
        Journal(tmp_path / "set", source)


HOLD = """
import json, sys, time
from sam_edge.annotate import Journal
journal = Journal(sys.argv[1], json.loads(sys.argv[2]))
journal.mark_done("assisted", "dwell 1", by_person=True)
print("held", flush=True)
time.sleep(600)
"""


def test_two_programs_are_refused_and_a_killed_one_does_not_hold(tmp_path: Path, source: Source) -> None:
    folder = tmp_path / "set"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), json.dumps(source)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"another program annotates it \(process {other.pid}\)"):
            Journal(folder, source)
    finally:
        other.kill()
        other.communicate()
    with Journal(folder, source) as journal:
        assert journal.is_done_in_any_stage("dwell 1")
