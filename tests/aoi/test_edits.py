"""`aois.json`: names and merges in the tables, without the masks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_edge._aoi.edits import ObjectEdits
from sam_edge.errors import InputError
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.identity import ObjectEvent
from sam_edge.timeline import TimelineBuilder, TimelineTables
from tests.aoi.made import MS, make_tables
from tests.timeline.made import FRAME_NS, MIDDLES, PX_PER_DEG, rest, select


def write(folder: Path, content: Any) -> Path:
    path = folder / "aois.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def assert_equal(found: TimelineTables, expected: TimelineTables) -> None:
    for name in ("timeline", "samples", "fixations"):
        for column, values in getattr(expected, name).values.items():
            np.testing.assert_array_equal(
                getattr(found, name).values[column], values, err_msg=f"{name} {column}"
            )


def test_are_read(tmp_path: Path) -> None:
    entries = [{"object": 1, "label": "cup", "merge": [4, 7]}, {"object": 2, "label": None}, {"object": 3}]
    edits = ObjectEdits.read(write(tmp_path, {"objects": entries}))
    assert edits.labels == {1: "cup", 2: None}
    assert edits.merges == {4: 1, 7: 1}
    assert [edits.final_number(number) for number in (1, 2, 4)] == [1, 2, 1]


def test_make_what_a_merge_during_the_recording_makes(tmp_path: Path) -> None:
    """The same tables as of a session in which the objects were merged and named."""
    events = ObjectEvent("merged", 0, 1, other_id=2), ObjectEvent("renamed", 0, 1, label="cup")
    edits = ObjectEdits({1: "cup"}, {2: 1})
    assert_equal(edits.apply(make_tables()), make_tables(*events))


def test_take_labels_away() -> None:
    named = make_tables(ObjectEvent("renamed", 0, 2, label="cup"))
    assert set(named.fixations.values["label"]) == {None, "cup"}
    assert_equal(ObjectEdits({2: None}).apply(named), make_tables())


def test_a_fixation_may_be_on_another_object_after_a_merge() -> None:
    """Object 1 is shown for two parts of the fixation, with 3 for the longest part between; 1 and 2 become one."""
    samples = [*rest(range(0, 400, 5), *MIDDLES[1])]
    tables = []
    for shown in ([1] * 3 + [3] * 4 + [2] * 3, [1] * 3 + [3] * 4 + [1] * 3):
        builder = TimelineBuilder(
            samples, px_per_deg=PX_PER_DEG, fixations=[RecordedFixation(1, 0, 395 * MS)]
        )
        for index, number in enumerate(shown):
            # All three are the box of object 1.
            selection = select(index * FRAME_NS, 1)
            builder.add(index * FRAME_NS, (index + 1) * FRAME_NS, _numbered(selection, number))
        tables.append(builder.finish())
    before, expected = tables
    assert before.fixations.numbers("object") == [3]
    found = ObjectEdits(merges={2: 1}).apply(before)
    assert found.fixations.numbers("object") == [1]
    assert_equal(found, expected)


def _numbered(selection: Any, number: int) -> Any:
    from dataclasses import replace

    return replace(selection, object_id=number)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "accepted: "),
        ({"objects": [{"label": "cup"}]}, "accepted: "),
        ({"objects": [{"object": "1"}]}, "accepted: "),
        ({"objects": [{"object": 1, "merge": 2}]}, "accepted: "),
        ({"objects": [{"object": 1, "label": 5}]}, "accepted: "),
        ({"objects": [{"object": 1}, {"object": 1}]}, "object 1 stands twice"),
        ({"objects": [{"object": 1, "merge": [2]}, {"object": 3, "merge": [2]}]}, "object 2 stands twice"),
        ({"objects": [{"object": 1, "merge": [2]}, {"object": 2}]}, "object 2 stands twice"),
        ({"objects": [{"object": 1, "merge": [1]}]}, "object 1 stands twice"),
    ],
)
def test_impossible_files_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ObjectEdits.read(write(tmp_path, content))


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.json: cannot be read"):
        ObjectEdits.read(tmp_path / "missing.json")
    (tmp_path / "aois.json").write_text("{")
    with pytest.raises(InputError, match="is no JSON"):
        ObjectEdits.read(tmp_path / "aois.json")


@pytest.mark.parametrize("edits", [ObjectEdits({9: "cup"}), ObjectEdits({}, {9: 1}), ObjectEdits({}, {1: 9})])
def test_objects_that_are_unknown_are_refused(edits: ObjectEdits) -> None:
    with pytest.raises(InputError, match="object 9 is not in the tables; accepted: 1, 2"):
        edits.apply(make_tables())
