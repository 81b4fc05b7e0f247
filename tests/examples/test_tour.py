"""The notebook among the examples: it runs, and what is committed is small and a whole run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LARGEST_BYTES = 300_000
"""Most bytes of the committed notebook, outputs and all."""


def execute(repo_dir: Path, folder: Path, *options: str) -> dict[str, Any]:
    """Execute the notebook in a folder, and return its content."""
    pytest.importorskip("nbclient", reason="needs nbclient: pip install 'sam-edge[test]'")
    pytest.importorskip("ipykernel", reason="needs ipykernel: pip install 'sam-edge[test]'")
    executed = folder / "executed.ipynb"
    script, notebook = repo_dir / ".ci" / "execute_notebook.py", repo_dir / "examples" / "tour.ipynb"
    ended = subprocess.run(
        [sys.executable, str(script), str(notebook), f"--out={executed}", f"--folder={folder}", *options],
        env=os.environ | {"PYTHONPATH": str(repo_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    content: dict[str, Any] = json.loads(executed.read_text(encoding="utf-8"))
    return content


def outputs(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Every output of a notebook."""
    return [output for cell in content["cells"] for output in cell.get("outputs", [])]


def pictures(content: dict[str, Any]) -> int:
    """How many outputs are pictures."""
    return sum("image/jpeg" in output.get("data", {}) for output in outputs(content))


def test_the_tour_runs_from_picture_to_report(repo_dir: Path, pupil_export: Path, tmp_path: Path) -> None:
    """On a short recording, with the engine for tests; all else as it stands."""
    content = execute(repo_dir, tmp_path, f"--set=RECORDING={str(pupil_export)!r}", "--set=RUNTIME='fake'")
    assert pictures(content) == 4
    text = "".join(part for output in outputs(content) for part in output.get("text", []))
    assert ", object 1\n" in text
    assert "object 1: total fixations " in text
    assert (tmp_path / "out" / "tour" / "study" / "report.html").is_file()
    assert not any(output.get("name") == "stderr" for output in outputs(content))


@pytest.mark.slow
def test_the_tour_runs_as_it_stands(repo_dir: Path, tmp_path: Path) -> None:
    content = execute(repo_dir, tmp_path)
    assert pictures(content) == 4
    assert (tmp_path / "out" / "tour" / "study" / "report.html").is_file()


def test_the_committed_outputs_are_small_and_of_one_run(repo_dir: Path) -> None:
    path = repo_dir / "examples" / "tour.ipynb"
    assert path.stat().st_size <= LARGEST_BYTES
    content = json.loads(path.read_text(encoding="utf-8"))
    counts = [cell["execution_count"] for cell in content["cells"] if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run it anew: make tour"
    assert pictures(content) == 4
    assert not any(output["output_type"] == "error" for output in outputs(content))


def test_the_tour_says_on_one_line_what_to_expect(repo_dir: Path) -> None:
    content = json.loads((repo_dir / "examples" / "tour.ipynb").read_text(encoding="utf-8"))
    assert sum(line.startswith("Expect: ") for line in content["cells"][0]["source"]) == 1
