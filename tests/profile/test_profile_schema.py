"""Profiles of schema 1, which version 0.1 wrote, are read as today's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sam_edge.errors import InputError
from sam_edge.profile.measure.timing import TimingResult
from sam_edge.profile.operators.operator_table import FAMILIES
from sam_edge.profile.plan import EngineConfig
from sam_edge.profile.report.comparison import compare_profiles
from sam_edge.profile.report.report import ProfileReport
from sam_edge.profile.report.schema import SCHEMA, read_report
from sam_edge.segmenter import DEFAULT_BUNDLE

SCHEMA_1 = Path(__file__).parent / "report_schema_1" / "profile.json"
"""Written by version 0.1 on the fake engine and OpenVINO, then shortened."""
MakeRow = Callable[..., TimingResult]
MakeReport = Callable[..., ProfileReport]


def keys_of(value: Any, path: str = "") -> set[str]:
    """List the keys of all JSON objects whose keys are fields, by their place; free keys are not looked at."""
    free = ("files", "packages", "stages_ms", "memory_mb", "stages", "origins", "gflops")
    if isinstance(value, dict) and not path.endswith(free):
        return {f"{path}.{key}" for key in value}.union(
            *(keys_of(item, f"{path}.{key}") for key, item in value.items())
        )
    if isinstance(value, list):
        return set().union(*(keys_of(item, f"{path}[]") for item in value))
    return set()


def test_every_key_is_converted(make_row: MakeRow, make_report: MakeReport) -> None:
    converted = read_report(SCHEMA_1)
    assert converted["schema"] == SCHEMA
    current = json.loads(json.dumps(make_report(make_row(1.0)).to_json()))
    optional = {key for key in keys_of(current) if ".sustained[].slowdown." in key}
    assert keys_of(converted) == keys_of(current) - optional


def test_values_are_converted() -> None:
    before, after = json.loads(SCHEMA_1.read_text()), read_report(SCHEMA_1)
    assert [session["mode"] for session in after["sessions"]] == ["sequential", "live"]
    assert [row["samples_ms"] for row in after["timings"]] == [row["samples_ms"] for row in before["timed"]]
    assert {row["case"]["engine"]["precision"] for row in after["timings"]} == {"fp32"}
    operators = [operator for table in after["operators"] for operator in table["operators"]]
    assert {operator["family"] for operator in operators} <= set(FAMILIES)
    assert {operator["dtype"] for operator in operators} == {"fp32", "int8"}
    assert after["peaks"][0]["gflops"]["openvino"].keys() == {"fp32", "int8"}
    assert after["noise"]["other_cpu_share"] == before["noise"]["others_share"]


def test_a_former_profile_is_compared_with_a_current_one(
    make_row: MakeRow, make_report: MakeReport, tmp_path: Path
) -> None:
    content = read_report(SCHEMA_1)
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(content))
    comparison = compare_profiles(SCHEMA_1, path)
    assert [row.name for row in comparison.rows] == [
        f"{operation} 64x64, mobile_sam {runtime} fp32 1 thread"
        for runtime in ("fake", "openvino")
        for operation in ("encode", "decode 1")
    ]
    assert all(row.ratio.value == 1 for row in comparison.rows)
    assert not comparison.notes or comparison.notes == (
        "the machine was busy during the first profile",
    ) * 1 + ("the machine was busy during the second profile",)
    engine = EngineConfig(DEFAULT_BUNDLE, "fake", "fp32", 1)
    make_report(make_row(1.0, engine=engine)).write(path)
    assert compare_profiles(SCHEMA_1, path).only_second == ("encode 672x448, mobile_sam fake fp32 1 thread",)


def test_a_damaged_profile_of_schema_1(tmp_path: Path) -> None:
    content = json.loads(SCHEMA_1.read_text())
    del content["timed"][0]["case"]["engine"]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"damaged.*engine"):
        read_report(path)
