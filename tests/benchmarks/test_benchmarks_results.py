"""The benchmarks page and README's table are those of the files of results, which name their conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def page(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(repo_dir / "benchmarks" / "figures_page.py")


@pytest.fixture(scope="module")
def results(repo_dir: Path, load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(repo_dir / "benchmarks" / "results.py")


def test_the_page_and_the_table_are_those_of_the_files(page: ModuleType) -> None:
    found = page.read_all()
    assert page.PAGE.read_text(encoding="utf-8") == page.render_page(found), "run: make figures"
    readme = page.README.read_text(encoding="utf-8")
    assert page.replace_table(readme, page.render_readme_table(found)) == readme, "run: make figures"


def test_the_table_of_the_readme_has_one_number_a_cell(page: ModuleType) -> None:
    rows = [line for line in page.render_readme_table(page.read_all()).splitlines() if line.startswith("|")][
        2:
    ]
    assert 1 <= len(rows) <= 6
    for row in rows:
        _, what, own, peer, _ = (cell.strip() for cell in row.split("|"))
        assert what
        assert re.fullmatch(r"[\d.]+(?: \S+)?", own)
        assert re.fullmatch(r"(?:[\d.]+(?: \S+)?)?", peer)


def test_files_name_machine_threads_versions_and_a_command_without_paths(page: ModuleType) -> None:
    for name, found in page.read_all().items():
        assert found.machine, name
        assert found.threads > 0, name
        assert {"python", "onnxruntime"} <= set(found.versions), name
        assert re.match(r"python benchmarks/bench_\w+\.py", found.command), name
        assert not re.search(r" /", found.command), name


def test_a_file_is_read_as_it_was_written(results: ModuleType, tmp_path: Path) -> None:
    figures = [results.Figure("a", "a time", "ms", 12.345, 100.0, 1), results.Figure("b", "a score", "", 0.5)]
    made = results.gather("Both", figures, threads=2, peer="another")
    made.write(tmp_path / "results" / "both.json")
    assert results.read_results(tmp_path / "results" / "both.json") == made
    assert made.figures[0].text(12.345) == "12.3 ms"
    assert json.loads((tmp_path / "results" / "both.json").read_text())["threads"] == 2


def test_a_command_is_told_without_the_paths_of_this_machine(results: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "davis"
    folder.mkdir()
    words = [
        "/somewhere/benchmarks/bench_stream.py",
        "--data",
        str(folder),
        "--peer",
        "--json",
        str(tmp_path / "out.json"),
    ]
    assert results.describe_command(words) == "python benchmarks/bench_stream.py --data DAVIS --peer"
