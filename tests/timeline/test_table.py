"""Tables: the three formats hold the same rows, and missing libraries are named before the work."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_edge.errors import MediaError, MissingExtraError
from sam_edge.timeline import Table, require_writer
from sam_edge.timeline import table as table_module
from sam_edge.timeline.columns import EMPTY, Column
from sam_edge.timeline.table import text_values

COLUMNS = (
    Column("time_s", "time"),
    Column("x_px", "float", 3),
    Column("object", "int"),
    Column("valid", "bool"),
    Column("label", "text"),
)
ROWS: list[dict[str, Any]] = [
    {"time_s": -0.041666667, "x_px": 1.235, "object": 1, "valid": True, "label": 'a "cup", blue'},
    {"time_s": 0.0, "x_px": None, "object": None, "valid": False, "label": None},
    {"time_s": 3600.000000001, "x_px": -7.0, "object": 2**40, "valid": True, "label": "Tüte\n2"},
]


@pytest.fixture
def table() -> Table:
    values: dict[str, Any] = {
        "time_s": np.array([-41_666_667, 0, 3_600_000_000_001]),
        "x_px": np.array([1.23456, np.nan, -7.0]),
        "object": np.array([1, EMPTY, 2**40]),
        "valid": np.array([True, False, True]),
        "label": text_values(['a "cup", blue', None, "Tüte\n2"]),
    }
    return Table.from_values(COLUMNS, values)


def test_rows_are_plain_values(table: Table) -> None:
    assert list(table) == ROWS
    assert len(table) == 3
    assert {type(value) for row in table for value in row.values()} == {float, int, bool, str, type(None)}


def test_csv(table: Table, tmp_path: Path) -> None:
    table.write(tmp_path / "new" / "t.CSV")
    text = (tmp_path / "new" / "t.CSV").read_text(encoding="utf-8")
    assert text.startswith("time_s,x_px,object,valid,label\n-0.041666667,1.235,1,true,")
    with (tmp_path / "new" / "t.CSV").open(encoding="utf-8", newline="") as handle:
        found = list(csv.DictReader(handle))
    assert [float(row["time_s"]) for row in found] == [row["time_s"] for row in ROWS]
    assert [row["x_px"] for row in found] == ["1.235", "", "-7.000"]
    assert [row["object"] for row in found] == ["1", "", str(2**40)]
    assert [row["valid"] for row in found] == ["true", "false", "true"]
    assert [row["label"] for row in found] == ['a "cup", blue', "", "Tüte\n2"]


def test_jsonl(table: Table, tmp_path: Path) -> None:
    table.write(tmp_path / "t.jsonl")
    lines = (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_parquet(table: Table, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'sam-edge[tables]'")
    table.write(tmp_path / "t.parquet")
    found = parquet.read_table(tmp_path / "t.parquet")
    assert found.to_pylist() == ROWS
    assert [str(kind) for kind in found.schema.types] == ["double", "double", "int64", "bool", "string"]


def test_many_rows_are_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "ROWS_AT_ONCE", 7)
    table = Table.from_values((Column("frame", "int"),), {"frame": np.arange(100)})
    assert max(len(column) for piece in table.pieces() for column in piece) == 7
    assert [row["frame"] for row in table] == list(range(100))
    for ending in table_module.TABLE_ENDINGS:
        if ending != ".parquet" or importlib.util.find_spec("pyarrow"):
            table.write(tmp_path / f"t{ending}")
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 101
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 100


def test_without_rows_the_columns_are_named(tmp_path: Path) -> None:
    Table.from_values((Column("frame", "int"),), {"frame": np.arange(0)}).write(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "frame\n"


def test_pandas(table: Table) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas: pip install 'sam-edge[tables]'")
    found = table.to_pandas()
    assert list(found.columns) == list(table.names)
    assert found["object"].dtype == "Int64"
    assert found["object"].isna().tolist() == [False, True, False]
    assert found["object"].tolist()[2] == 2**40
    assert found["time_s"].tolist() == [row["time_s"] for row in ROWS]
    assert found["valid"].dtype == bool
    assert pandas.isna(found["label"][1])
    assert pandas.isna(found["x_px"][1])


class TestMissing:
    def test_pandas(self, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(MissingExtraError, match=r"needs pandas.*pip install 'sam-edge\[tables\]'"):
            table.to_pandas()

    def test_pyarrow(self, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        message = r"t\.parquet needs pyarrow.*pip install 'sam-edge\[tables\]'"
        with pytest.raises(MissingExtraError, match=message):
            require_writer(tmp_path / "t.parquet")
        with pytest.raises(MissingExtraError, match=message):
            table.write(tmp_path / "t.parquet")
        require_writer(tmp_path / "t.csv")
        assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused(table: Table, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"ends in '\.xlsx'; accepted: \.csv, \.parquet, \.jsonl"):
        table.write(tmp_path / "t.xlsx")
