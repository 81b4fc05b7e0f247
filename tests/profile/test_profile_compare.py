"""Two profiles side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam_edge.errors import InputError
from sam_edge.profile.measure.timing import TimingResult
from sam_edge.profile.plan import EngineConfig
from sam_edge.profile.report.comparison import compare_profiles
from sam_edge.profile.report.report import ProfileReport

MakeRow = Callable[..., TimingResult]
MakeReport = Callable[..., ProfileReport]


@pytest.fixture
def written(make_report: MakeReport, tmp_path: Path) -> Callable[..., Path]:
    """Write a report of rows."""

    def write(name: str, *rows: TimingResult, **values: str) -> Path:
        path = tmp_path / f"{name}.json"
        make_report(*rows, **values).write(path)
        return path

    return write


def around(middle: float, count: int = 30, seed: int = 0) -> list[float]:
    return list(np.random.default_rng(seed).normal(middle, 0.02 * middle, count))


def test_what_became_slower(make_row: MakeRow, written: Callable[..., Path]) -> None:
    first = written("a", make_row(*around(100)), make_row(*around(10), prompts=1))
    second = written("b", make_row(*around(120, seed=1)), make_row(*around(10, seed=2), prompts=1))
    result = compare_profiles(first, second)
    slower, same = result.rows
    assert slower.ratio.value == pytest.approx(1.2, abs=0.03)
    assert slower.ratio.low > 1.15
    assert slower.regressed
    assert not same.regressed
    assert result.regressed
    assert "REGRESSED" in result.table()
    assert not compare_profiles(first, second, limit=1.3).regressed
    assert not compare_profiles(second, first).regressed


def test_noise_is_no_regression(make_row: MakeRow, written: Callable[..., Path]) -> None:
    """Past the limit by its median, but the interval reaches down to 1."""
    first = written("a", make_row(10, 10, 30, 30))
    second = written("b", make_row(11, 11, 33, 34))
    (row,) = compare_profiles(first, second).rows
    assert row.ratio.value > 1.05
    assert not row.regressed


@pytest.mark.parametrize(
    ("factors", "uniform"), [((1.1, 1.08, 1.12, 1.09), True), ((1.1, 1.0, 1.0, 1.0), False)]
)
def test_what_changed_alike_may_be_the_machine(
    factors: tuple[float, ...], uniform: bool, make_row: MakeRow, written: Callable[..., Path]
) -> None:
    rows = [(10.0 * (index + 1), index) for index in range(len(factors))]
    first = written("a", *(make_row(*around(ms), prompts=index) for ms, index in rows))
    second = written(
        "b",
        *(
            make_row(*around(factor * ms), prompts=index)
            for factor, (ms, index) in zip(factors, rows, strict=True)
        ),
    )
    assert (
        "all 4 rows changed alike, about 1.10 times" in compare_profiles(first, second).table()
    ) is uniform


def test_what_fails_now_is_a_regression(make_row: MakeRow, written: Callable[..., Path]) -> None:
    result = compare_profiles(written("a", make_row(1.0, 2.0)), written("b", make_row(error="gone")))
    assert result.new_failures == ("encode 672x448, mobile_sam fake 1 thread",)
    assert result.regressed


def test_what_only_one_of_them_measured(
    make_row: MakeRow, fake: EngineConfig, written: Callable[..., Path]
) -> None:
    openvino = replace(fake, runtime="openvino", precision="bf16")
    result = compare_profiles(written("a", make_row(1.0)), written("b", make_row(1.0, engine=openvino)))
    assert (len(result.only_first), len(result.only_second), result.rows) == (1, 1, ())
    assert not result.regressed
    assert "the profiles have no measured case in common" in result.table()


def test_another_machine_is_said(make_row: MakeRow, written: Callable[..., Path]) -> None:
    result = compare_profiles(
        written("a", make_row(1.0)), written("b", make_row(1.0), cpu="Other CPU", interrupted="cold")
    )
    assert "cpu differ: Test CPU and Other CPU" in result.notes
    assert "the second profile was interrupted" in result.notes


def test_a_damaged_profile(make_row: MakeRow, written: Callable[..., Path]) -> None:
    path = written("a", make_row(1.0))
    content = json.loads(path.read_text())
    content["timings"][0]["rounds"] = [1, 2, 3]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="damaged"):
        compare_profiles(path, path)
    del content["timings"][0]["case"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"damaged.*case"):
        compare_profiles(path, path)
    with pytest.raises(InputError, match="regression: 0"):
        compare_profiles(path, path, limit=0)
