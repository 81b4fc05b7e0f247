"""A benchmark script ends in one line where something is missing."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from sam_edge.errors import InputError, MissingExtraError

FOLDER = Path(__file__).parents[2] / "benchmarks"
Load = Callable[[Path], types.ModuleType]


@pytest.fixture(scope="module")
def endings(load_script: Load) -> types.ModuleType:
    return load_script(FOLDER / "endings.py")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ModuleNotFoundError("No module named 'ray'"),
            "No module named 'ray'. The benchmarks need: pip install ",
        ),
        (
            MissingExtraError("ray", extra="ray", purpose="a cluster"),
            "a cluster needs ray, which is not installed",
        ),
        (InputError("--size: 7 is no size"), "--size: 7 is no size"),
        (FileNotFoundError(2, "No such file or directory", "DAVIS"), "'DAVIS'"),
    ],
)
def test_what_is_missing_ends_in_one_line(endings: types.ModuleType, error: Exception, line: str) -> None:
    def main() -> NoReturn:
        raise error

    with pytest.raises(SystemExit) as ended:
        endings.run_script(main)
    assert line in str(ended.value.code)
    assert "\n" not in str(ended.value.code)


def test_ctrl_c_ends_in_one_line(endings: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        endings.run_script(main)
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize("status", [None, 0, 1])
def test_the_status_of_main_is_that_of_the_process(endings: types.ModuleType, status: int | None) -> None:
    with pytest.raises(SystemExit) as ended:
        endings.run_script(lambda: status)
    assert ended.value.code == status


def test_an_error_in_a_script_keeps_its_traceback(endings: types.ModuleType) -> None:
    with pytest.raises(ZeroDivisionError):
        endings.run_script(lambda: 1 // 0)


def test_every_script_ends_so() -> None:
    for path in FOLDER.glob("*.py"):
        guard = re.search(r'^if __name__ == "__main__":\n((?: .*\n)+)', path.read_text("utf-8"), re.MULTILINE)
        assert guard is None or guard[1] == "    run_script(main)\n", path.name


@pytest.mark.parametrize(
    ("script", "library"),
    [
        ("bench_browser", "playwright.sync_api"),
        ("bench_everything", "torch"),
        ("bench_masks", "pycocotools"),
        ("bench_motion", "playwright.sync_api"),
        ("bench_profile", "pytest"),
        ("bench_webcam", "scipy.spatial"),
        ("peer_encoder", "torch"),
    ],
)
def test_a_library_that_is_missing_is_said_in_one_line(
    load_script: Load, monkeypatch: pytest.MonkeyPatch, script: str, library: str
) -> None:
    before = dict(sys.modules)
    for name in [library, *(path.stem for path in FOLDER.glob("*.py"))]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    try:
        with pytest.raises(SystemExit) as ended:
            load_script(FOLDER / f"{script}.py")
    finally:
        for name in sys.modules.keys() - before.keys():
            del sys.modules[name]
    assert library.partition(".")[0] in str(ended.value.code)
    assert "pip install -e '.[all,test]'" in str(ended.value.code)
    assert "\n" not in str(ended.value.code)
