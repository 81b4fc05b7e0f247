"""Tables that were written are read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_edge.errors import MediaError
from sam_edge.timeline import FIXATION_COLUMNS, FRAME_COLUMNS, SAMPLE_COLUMNS, read_table
from sam_edge.timeline.columns import Column
from tests.aoi.made import make_tables


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_the_same_values(tmp_path: Path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    tables = make_tables()
    for table, columns in (
        (tables.timeline, FRAME_COLUMNS),
        (tables.samples, SAMPLE_COLUMNS),
        (tables.fixations, FIXATION_COLUMNS),
    ):
        table.write(tmp_path / f"table{ending}")
        found = read_table(tmp_path / f"table{ending}", columns)
        assert found.columns == table.columns
        for name, values in table.values.items():
            assert found.values[name].dtype == values.dtype, name
            np.testing.assert_array_equal(found.values[name], values, err_msg=name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame\n1\n", "has no column 'label'"),
        ("frame,label\n1\n", "is damaged"),
        ("frame,label\nx,cup\n", "is damaged"),
        ("", "has no column 'frame'"),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(MediaError, match=message):
        read_table(path, (Column("frame", "int"), Column("label", "text")))


def test_missing_files_and_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"table\.csv: cannot be read"):
        read_table(tmp_path / "table.csv", FRAME_COLUMNS)
    with pytest.raises(MediaError, match=r"ends in '\.xlsx'; accepted: \.csv"):
        read_table(tmp_path / "table.xlsx", FRAME_COLUMNS)
