"""Outputs are checked before the work, and files and folders appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sam_edge.errors import InputError, MediaError
from sam_edge.media.atomic import replace_folder, write_atomically, write_folder_atomically
from sam_edge.media.outputs import Output, prepare_outputs


def fail() -> None:
    raise ZeroDivisionError


def test_folders_are_made_for_the_block_and_removed_when_empty(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "out.json"
    with prepare_outputs(Output("--out", path)):
        assert list(path.parent.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
    with prepare_outputs(Output("--out", path)):
        path.write_text("{}")
    assert path.read_text() == "{}"


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ZeroDivisionError), prepare_outputs(Output("--out", tmp_path / "mine" / "x" / "out")):
        fail()
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]


def test_the_first_output_makes_nothing_when_the_second_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    outputs = Output("out", tmp_path / "new" / "a"), Output("report", file / "b")
    with (
        pytest.raises(MediaError, match=r"report: .*b: cannot be written \(.*/file is a file\)"),
        prepare_outputs(*outputs),
    ):
        fail()
    assert list(tmp_path.iterdir()) == [file]


def test_an_output_is_no_input_and_no_other_output(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with (
        pytest.raises(InputError, match=r"out: .*x is also video"),
        prepare_outputs(Output("out", tmp_path / "y" / ".." / "x"), inputs={"video": path, "gaze": None}),
    ):
        fail()
    with (
        pytest.raises(InputError, match=r"report: .*x is also out"),
        prepare_outputs(Output("out", path), Output("report", path), Output("masks", None)),
    ):
        fail()


@pytest.mark.parametrize("kind", ["folder", "whole folder"])
def test_the_kind_and_the_ending_are_checked(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with (
        pytest.raises(MediaError, match="is a file; give the name of a folder"),
        prepare_outputs(
            Output("out", file, kind)  # type: ignore[arg-type]
        ),
    ):
        fail()
    with (
        pytest.raises(MediaError, match="is a folder; give the name of a file"),
        prepare_outputs(Output("out", tmp_path)),
    ):
        fail()
    with (
        pytest.raises(MediaError, match=r"ends in '.jpg'; accepted: .png"),
        prepare_outputs(Output("out", tmp_path / "x.jpg", endings=(".png",))),
    ):
        fail()


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with prepare_outputs(Output("--report", pipe)), write_atomically(pipe) as part:
        part.write_text("text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_after_an_error_neither_file_nor_folder_is_left(tmp_path: Path, error: type[BaseException]) -> None:

    def write_half(path: Path) -> None:
        path.write_text("half")
        raise error

    with pytest.raises(error), write_atomically(tmp_path / "new" / "file") as part:
        write_half(part)
    with pytest.raises(error), write_folder_atomically(tmp_path / "new" / "folder") as folder:
        write_half(folder / "file")
    assert list(tmp_path.iterdir()) == []


def test_files_are_put_into_a_folder_when_all_are_written(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    with write_folder_atomically(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    (target / "mine").write_text("mine")
    with write_folder_atomically(target) as folder:
        (folder / "a").write_text("2")
        (folder / "b").write_text("3")
        assert (target / "a").read_text() == "1"
    assert {path.name: path.read_text() for path in target.iterdir()} == {"a": "2", "b": "3", "mine": "mine"}
    with pytest.raises(MediaError, match="is a file"), write_folder_atomically(target / "a"):
        fail()


def test_an_error_names_the_folder_and_not_the_temporary_one(tmp_path: Path) -> None:
    def write_into_a_folder(path: Path) -> None:
        path.mkdir()
        with write_atomically(path):
            fail()

    with pytest.raises(MediaError) as caught, write_folder_atomically(tmp_path / "out") as folder:
        write_into_a_folder(folder / "file")
    assert str(tmp_path / "out" / "file") in str(caught.value)
    assert ".part" not in str(caught.value)


def test_a_folder_is_replaced_whole_or_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("part", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("")
    move = Path.replace

    def interrupt(self: Path, target: Path) -> Path:
        if self.name == "part":
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            replace_folder(tmp_path / "part", tmp_path / "out")
    assert (tmp_path / "out" / "out").exists()
    replace_folder(tmp_path / "part", tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "part"]
