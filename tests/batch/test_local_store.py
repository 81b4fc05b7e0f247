"""The output in a local folder: whole files, and one winner."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sam_edge.batch.local_store import LocalStore
from sam_edge.batch.outcome import StorageError
from sam_edge.batch.places import open_store


def refuse_link(source: object, target: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_of_many_that_create_a_file_one_succeeds(
    store: LocalStore, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse_link)
    contents = [bytes([number]) * 10_000 for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda content: store.create_if_absent("a/done.json", content), contents))
    assert won.count(True) == 1
    assert store.read("a/done.json") == contents[won.index(True)]
    assert [path.name for path in Path(store.url, "a").iterdir()] == ["done.json"]


def test_files(store: LocalStore) -> None:
    assert store.read("a/b.txt") is None
    assert not store.exists("a/b.txt")
    store.write("a/b.txt", b"1")
    store.write("a/b.txt", b"2")
    store.write("a/c/d.txt", b"3")
    assert (store.read("a/b.txt"), store.exists("a/b.txt"), store.exists("a")) == (b"2", True, False)
    assert store.list("a/") == ["a/b.txt", "a/c/d.txt"]
    assert store.list("none/") == []
    store.remove("a/c")
    store.remove("a/c")
    store.remove("a/b.txt")
    assert store.list("") == []


def test_upload_moves_a_folder(store: LocalStore, tmp_path: Path) -> None:
    local = tmp_path / "local"
    (local / "objects").mkdir(parents=True)
    (local / "objects" / "1.txt").write_text("x")
    store.upload(local, "recordings/one/attempts/1")
    assert store.list("recordings/") == ["recordings/one/attempts/1/objects/1.txt"]
    assert not local.exists()


def test_upload_copies_between_file_systems(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self.parent == tmp_path:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "1.txt").write_text("x")
    store.upload(tmp_path / "local", "a/b")
    (tmp_path / "file").write_text("y")
    store.upload(tmp_path / "file", "a/file")
    assert store.list("a/") == ["a/b/1.txt", "a/file"]


def test_a_full_disk_leaves_the_old_content(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("a", b"old")

    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(StorageError, match="a: No space left on device"):
        store.write("a", b"new")
    with pytest.raises(StorageError, match="b: No space left on device"):
        store.create_if_absent("b", b"new")
    assert (store.read("a"), store.exists("b"), os.listdir(store.url)) == (b"old", False, ["a"])


def test_a_path_and_a_file_url_are_one_place(tmp_path: Path) -> None:
    assert open_store(str(tmp_path)) == open_store(f"file://{tmp_path}") == LocalStore(str(tmp_path))


def test_a_recording_is_read_where_it_lies(store: LocalStore, tmp_path: Path) -> None:
    assert store.fetch(str(tmp_path / "film"), tmp_path / "scratch") == tmp_path / "film"
