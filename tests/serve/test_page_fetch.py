"""What `.ci/fetch_page.py` takes from npm, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

WANTED = ("ort.wasm.min.mjs",)


@pytest.fixture
def script(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    path = repo_dir / ".ci" / "fetch_page.py"
    if not path.is_file():
        pytest.skip(f"not in a checkout: {path}")
    return load_script(path)


@pytest.fixture
def packed(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """An npm that packs one small file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/dist/ort.wasm.min.mjs")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"ort"))
    (tmp_path / "made.tgz").write_bytes(buffer.getvalue())
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    target = f"{script.PACKAGE}-{script.VERSION}.tgz"
    code = f"import shutil; shutil.copy({str(tmp_path / 'made.tgz')!r}, {target!r})"
    npm.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}"\n', encoding="utf-8")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent), prepend=":")
    return buffer.getvalue()


def test_a_package_of_another_hash_is_refused(script: ModuleType, packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(script.FetchError, match="sha512"):
        script.fetch(tmp_path / "vendor", WANTED)
    assert not (tmp_path / "vendor").exists()


def test_the_named_files_replace_what_was_there(
    script: ModuleType, packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "SHA512", base64.b64encode(hashlib.sha512(packed).digest()).decode())
    folder = tmp_path / "vendor"
    folder.mkdir()
    (folder / "old.mjs").write_text("old", encoding="utf-8")
    assert not script.is_there(folder, WANTED)
    script.fetch(folder, WANTED)
    assert sorted(path.name for path in folder.iterdir()) == ["VERSION.txt", "ort.wasm.min.mjs"]
    assert (folder / "ort.wasm.min.mjs").read_bytes() == b"ort"
    assert script.is_there(folder, WANTED)
    with pytest.raises(script.FetchError, match="holds no other"):
        script.fetch(folder, ("other.mjs",))
