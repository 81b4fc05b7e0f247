"""Install lines of the documents have one form: from a clone until there is a release."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def lines(repo_dir: Path) -> ModuleType:
    path = repo_dir / ".ci" / "install_lines.py"
    spec = importlib.util.spec_from_file_location("install_lines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_documents_have_the_form_that_is_published(lines: ModuleType) -> None:
    stale = [
        path.name
        for path in lines.documents()
        if lines.rewrite(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8")
    ]
    assert not stale, "run: python .ci/install_lines.py"


@pytest.mark.parametrize(
    "written", ["pip install 'sam-edge[serve,openvino]'", 'pip install -e ".[serve,openvino]"']
)
@pytest.mark.parametrize(
    ("published", "expected"),
    [(True, 'pip install "sam-edge[serve,openvino]"'), (False, 'pip install -e ".[serve,openvino]"')],
)
def test_both_forms_become_the_one_that_holds(
    lines: ModuleType, monkeypatch: pytest.MonkeyPatch, written: str, published: bool, expected: str
) -> None:
    monkeypatch.setattr(lines, "PUBLISHED", published)
    assert (
        lines.rewrite(f"First:\n\n    {written} && sam-edge demo\n")
        == f"First:\n\n    {expected} && sam-edge demo\n"
    )


def test_lines_for_developers_stay_with_the_clone(lines: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PUBLISHED", True)
    line = 'pip install -e ".[all,test]"'
    assert lines.rewrite(line) == line
