"""Every public name has a docstring, as the documentation site needs: names, methods and fields."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGE = '''
"""A package."""
__all__ = ["LIMIT", "Shape", "area"]
LIMIT = 3
class Shape:
    """A shape."""
    def side(self) -> int:
        return 1
def area() -> int:
    """Return the area."""
    return 1
'''


@pytest.fixture(scope="module")
def public_names(load_script: Callable[[Path], types.ModuleType], repo_dir: Path) -> types.ModuleType:
    return load_script(repo_dir / "docs" / "tools" / "public_names.py")


def test_every_public_name_has_a_docstring(public_names: types.ModuleType) -> None:
    missing = []
    for package in public_names.list_packages(only_importable=True):
        missing += list(public_names.undocumented(package))
    assert not missing, f"public names without a docstring: {', '.join(missing)}"


def test_a_missing_docstring_is_found(
    public_names: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sam_edge_example.py").write_text(PACKAGE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = sorted(public_names.undocumented("sam_edge_example"))
    assert found == ["sam_edge_example.LIMIT", "sam_edge_example.Shape.side"]
