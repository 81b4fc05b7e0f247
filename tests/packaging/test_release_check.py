"""The checks of a release refuse what must not be uploaded."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import sam_edge


@pytest.fixture(scope="module")
def check(repo_dir: Path, load_script: Callable[[Path], types.ModuleType]) -> types.ModuleType:
    return load_script(repo_dir / ".ci" / "release_check.py")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of version 1.2.3, dated."""
    (tmp_path / "sam_edge").mkdir()
    (tmp_path / "sam_edge" / "version.py").write_text('"""Version."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 - 2026-12-31\n")
    return tmp_path


WHEEL = Path("sam_edge-1.2.3-py3-none-any.whl")


def test_a_version_that_agrees_everywhere_passes(check: types.ModuleType, tree: Path) -> None:
    assert check.check_version(WHEEL, tree, "v1.2.3") == "1.2.3"
    assert check.check_version(WHEEL, tree, None) == "1.2.3"


@pytest.mark.parametrize(
    ("wheel", "heading", "tag", "message"),
    [
        ("sam_edge-1.2.2-py3-none-any.whl", "1.2.3 - 2026-12-31", None, "not of version 1.2.3"),
        (WHEEL.name, "1.2.2 - 2026-12-31", None, "no heading '## 1.2.3"),
        (WHEEL.name, "1.2.3 - unreleased", "v1.2.3", "YYYY-MM-DD"),
        (WHEEL.name, "1.2.3 - 2026-12-31", "1.2.3", "the tag is v1.2.3"),
    ],
)
def test_a_version_that_disagrees_is_refused(
    check: types.ModuleType, tree: Path, wheel: str, heading: str, tag: str | None, message: str
) -> None:
    (tree / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n")
    with pytest.raises(check.ReleaseError, match=message):
        check.check_version(Path(wheel), tree, tag)


def test_this_trees_version_passes(check: types.ModuleType, repo_dir: Path) -> None:
    version = sam_edge.__version__
    assert check.check_version(Path(f"sam_edge-{version}-py3-none-any.whl"), repo_dir, None) == version


def test_a_wheel_over_the_limit_is_refused(check: types.ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / WHEEL
    with wheel.open("wb") as handle:
        handle.truncate(check.WHEEL_LIMIT_BYTES)
    assert check.check_size(wheel) == check.WHEEL_LIMIT_BYTES
    with wheel.open("ab") as handle:
        handle.write(b".")
    with pytest.raises(check.ReleaseError, match="the limit is"):
        check.check_size(wheel)


def test_a_command_that_fails_is_shown_with_what_it_printed(check: types.ModuleType) -> None:
    with pytest.raises(check.ReleaseError, match="ended with 3:\nwhy"):
        check.run([sys.executable, "-c", "import sys; print('why'); sys.exit(3)"])
