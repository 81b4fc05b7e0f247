"""Sessions recorded before layout 2 are read with today's names and replay to the same masks bit for bit.

The recordings were made at version 0.1.0, before `pin`, `unpin`, `focused` and `origin` had these names, on the fake
runtime with OpenCV 5.0.0. Frames drift by 0 to 2 pixels a frame; gaze has rests, glances, blinks and gaps.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_edge.config import read_config
from sam_edge.errors import InputError
from sam_edge.media.frames import VideoFrame
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream.recording import LOG, RecordedCommand, SessionRecorder, read_session_recording
from sam_edge.stream.recording_schema import SCHEMA
from sam_edge.stream.replay import compare_selections, replay
from sam_edge.stream.selection import State

FOLDER = Path(__file__).parent / "recordings_schema_1"
SEEDS = (0, 2, 3, 4)
SIZE = (120, 160)
FRAMES = 60
FRAME_NS = 40_000_000


def video(seed: int) -> Iterator[VideoFrame]:
    """Give the frames that were recorded: random blocks that drift to the right, made without OpenCV."""
    blocks = np.random.default_rng(seed).integers(0, 255, (15, 40, 3), dtype=np.uint8)
    wide = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
    for index in range(FRAMES):
        left = 80 - index * (seed % 3)
        image = np.ascontiguousarray(np.roll(wide, -left, axis=1)[:, : SIZE[1]])
        yield VideoFrame(index, str(index), index * FRAME_NS, (index + 1) * FRAME_NS, image)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_old_recording_replays_bit_for_bit(seed: int) -> None:
    pairs = list(replay(FOLDER / f"seed{seed}", video(seed), Segmenter(Fake())))
    assert len(pairs) == FRAMES
    assert [compare_selections(recorded, again) for recorded, again in pairs] == [()] * FRAMES
    recorded = [pair[0] for pair in pairs]
    assert {State.NONE, State.HOVER, State.FOCUSED, State.HELD} == {selection.state for selection in recorded}
    assert {"none", "encoded"} <= {selection.origin for selection in recorded}
    assert any(selection.pinned for selection in recorded)


def test_old_commands_have_todays_names() -> None:
    recording = read_session_recording(FOLDER / "seed0")
    commands = [entry for entry in recording.entries() if isinstance(entry, RecordedCommand)]
    assert recording.schema == 1
    assert commands == [
        RecordedCommand("pin", {"at_ns": 480_000_000}),
        RecordedCommand("pin", {"at_ns": None}),
        RecordedCommand("unpin", {"object_id": 1}),
        RecordedCommand("unpin", {"object_id": None}),
    ]


@pytest.mark.parametrize(("in_thread", "mode"), [(False, "sequential"), (True, "live")])
def test_the_old_option_for_a_thread_is_the_mode(tmp_path: Path, in_thread: bool, mode: str) -> None:
    shutil.copytree(FOLDER / "seed0", tmp_path / "run")
    header = tmp_path / "run" / "session.json"
    content = json.loads(header.read_text())
    content["options"]["in_thread"] = in_thread
    header.write_text(json.dumps(content))
    options = read_session_recording(tmp_path / "run").options
    assert options == {
        "px_per_deg": 8.0,
        "size": [224, 224],
        "encode_every": 1,
        "mode": mode,
        "identity": False,
    }


def test_old_lines_of_fixations_are_passed_over(tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "seed0", tmp_path / "run")
    log = tmp_path / "run" / LOG
    log.write_bytes(b'{"kind":"fixations","fixations":[]}\n' + log.read_bytes())
    old, new = (
        list(read_session_recording(folder).entries()) for folder in (FOLDER / "seed0", tmp_path / "run")
    )
    assert len(old) == len(new)


def test_a_new_recording_has_the_new_layout_and_no_old_names(tmp_path: Path) -> None:
    with SessionRecorder(tmp_path / "run", model=Segmenter(Fake())) as recorder:
        with pytest.raises(
            InputError, match="'select' is not accepted; accepted: pin, unpin, rename, merge, forget"
        ):
            recorder.command("select")
        recorder.command("pin", {"at_ns": None})
    assert json.loads((tmp_path / "run" / "session.json").read_text())["schema"] == SCHEMA == 3
    log = tmp_path / "run" / LOG
    log.write_text(log.read_text().replace('"pin"', '"select"'))
    (entry,) = read_session_recording(tmp_path / "run").entries()
    assert entry == RecordedCommand("select", {"at_ns": None})


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        ({"schema": 1}, "sequential"),
        ({"schema": 1, "in_thread": True}, "live"),
        ({"schema": 1, "in_thread": False, "encode_every": 3}, "sequential"),
        ({"schema": 2, "mode": "live"}, "live"),
    ],
)
def test_configurations_of_both_layouts_are_read(tmp_path: Path, content: dict[str, Any], mode: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"kind": "sam-edge config", **content}))
    assert read_config(path).mode == mode
