"""The work on one recording: what is written, in which order, and what becomes of errors."""

from __future__ import annotations

import errno
import gzip
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import sam_edge
from sam_edge.batch import Outcome, Recording, Settings, StorageError, process
from sam_edge.batch.done import Done, Figures, commit, done_path, read_done
from sam_edge.batch.find import Finder
from sam_edge.batch.local_store import LocalStore
from sam_edge.batch.manifest import read_manifest
from sam_edge.batch.outcome import classify
from sam_edge.errors import EngineError, GazeDataError, InputError, MediaError, SamEdgeError
from sam_edge.masks import Rle


@pytest.fixture
def recording(archive: Path) -> Recording:
    return Finder().find([str(archive)])[0]


@pytest.fixture
def do(recording: Recording, settings: Settings, store: LocalStore, tmp_path: Path) -> Callable[..., Outcome]:
    def work(**changes: object) -> Outcome:
        chosen = replace(settings, **changes)  # type: ignore[arg-type]
        return process(recording, chosen, store, tmp_path / "scratch")

    return work


def test_the_files_are_those_that_done_names(
    do: Callable[..., Outcome], recording: Recording, store: LocalStore, settings: Settings, tmp_path: Path
) -> None:
    outcome = do()
    assert (outcome.state, outcome.frames, outcome.message) == ("done", 10, "")
    done = read_done(store, recording.id)
    assert done is not None
    assert done.fingerprint == settings.fingerprint()
    assert (done.figures.frames, done.figures.engine, done.threads) == (10, "fake", 1)
    assert done.figures.duration_s == pytest.approx(10 / 24)
    for entry in done.files:
        content = store.read(done.path_of(entry.path))
        assert content is not None
        assert (sha256(content).hexdigest(), len(content)) == (entry.sha256, entry.bytes)
    assert {"masks.jsonl.gz", "events.csv", "report.html", "aoi_metrics.csv", "fixations.csv"} <= {
        entry.path for entry in done.files
    }
    assert not done.has("annotated.mp4")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_masks_are_those_of_track(
    do: Callable[..., Outcome], recording: Recording, store: LocalStore
) -> None:
    do(do=("track",))
    done = read_done(store, recording.id)
    assert done is not None
    lines = gzip.decompress(store.read(done.path_of("masks.jsonl.gz")) or b"").decode().splitlines()
    masks = {json.loads(line)["frame"]: Rle.from_json(json.loads(line)["mask"]).mask() for line in lines}
    with sam_edge.load(runtime="fake") as model:
        result = sam_edge.track(recording.uri, recording.uri, model=model)
    expected = {frame.index: frame.mask for frame in result if frame.mask is not None}
    assert masks.keys() == expected.keys() != set()
    for index, mask in expected.items():
        assert mask is not None
        np.testing.assert_array_equal(masks[index], mask)


def test_events_alone_need_no_model(
    do: Callable[..., Outcome], recording: Recording, store: LocalStore
) -> None:
    assert do(do=("events",), model="/no/model").state == "done"
    done = read_done(store, recording.id)
    assert done is not None
    assert [entry.path for entry in done.files] == ["events.csv"]
    lines = (store.read(done.path_of("events.csv")) or b"").decode().splitlines()
    assert lines[0] == "timestamp_s,label,event_id"
    assert (len(lines) - 1, done.figures.samples) == (83, 83)


TWO_IN_ONE = (
    "Recording timestamp [ms]\tSensor\tParticipant name\tRecording name\tGaze point X [MCS px]\tGaze point Y [MCS px]\n"
    + "".join(
        f"{10 * n}\tEye Tracker\t{who}\tR1\t{x}\t50\n"
        for who, x in (("P1", 10), ("P2", 30))
        for n in range(40)
    )
)


def test_each_recording_of_a_file_that_holds_several(
    settings: Settings, store: LocalStore, tmp_path: Path
) -> None:
    """A manifest names them; without a name the recording fails, and the message lists the names."""
    (tmp_path / "both.tsv").write_text(TWO_IN_ONE)
    table = tmp_path / "study.csv"
    table.write_text("recording,recording_name\nboth.tsv,P1 R1\nboth.tsv,P2 R1\nboth.tsv,\n")
    events = replace(settings, do=("events",))
    found = {each.recording_name: each for each in read_manifest(table, Finder(needs_video=False))}
    assert [found[name].participant for name in ("P1 R1", "P2 R1")] == ["P1 R1", "P2 R1"]
    assert len({each.id for each in found.values()}) == 3
    outcomes = {name: process(each, events, store, tmp_path / "s") for name, each in found.items()}
    assert {name: (each.state, each.error_class) for name, each in outcomes.items()} == {
        "P1 R1": ("done", ""),
        "P2 R1": ("done", ""),
        "": ("failed", "input"),
    }
    assert "'P1 R1', 'P2 R1'" in outcomes[""].message
    for name in ("P1 R1", "P2 R1"):
        done = read_done(store, found[name].id)
        assert done is not None
        assert done.figures.samples == 40
    one_name = replace(events, recording_name="P2 R1")
    assert process(found[""], one_name, store, tmp_path / "s").state == "done"
    assert one_name.fingerprint() != events.fingerprint()


def test_of_two_at_once_one_result_stays(
    recording: Recording, settings: Settings, store: LocalStore, tmp_path: Path
) -> None:
    def work(number: int) -> Outcome:
        return process(recording, replace(settings, do=("events",)), store, tmp_path / str(number))

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(work, range(4)))
    assert [outcome.state for outcome in outcomes] == ["done"] * 4
    done = read_done(store, recording.id)
    assert done is not None
    assert store.list(f"{recording.folder}/attempts/") == [done.path_of("events.csv")]


def test_done_is_written_last(
    do: Callable[..., Outcome], store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: LocalStore, local: Path, path: str) -> None:
        raise StorageError("out: No space left on device")

    monkeypatch.setattr(LocalStore, "upload", fail)
    outcome = do()
    assert (outcome.state, outcome.error_class) == ("failed", "storage")
    assert outcome.message == "out: No space left on device"
    assert not any(path.endswith("done.json") for path in store.list(""))


def test_a_damaged_gaze_file_is_an_input_error(
    do: Callable[..., Outcome], recording: Recording, store: LocalStore
) -> None:
    Path(recording.uri, "gaze.csv").write_text("timestamp_s,x_px,y_px\n0,1,2\n0,1,2\n")
    outcome = do()
    assert (outcome.state, outcome.error_class, outcome.frames) == ("failed", "input", 0)
    assert "gaze.csv" in outcome.message
    assert outcome.message in (store.read(outcome.log) or b"").decode()


def make_done(attempt: str, fingerprint: str = "f") -> Done:
    return Done(
        "id", fingerprint, attempt, (), Figures(), "host", "cpu", 1, 1.0, None, "2026-01-01T00:00:00+00:00"
    )


class TestCommit:
    def test_the_first_one_wins(self, store: LocalStore) -> None:
        store.write("a/2/file", b"x")
        assert commit(store, make_done("a/1"))
        assert not commit(store, make_done("a/2"))
        assert read_done(store, "id") == make_done("a/1")
        assert not store.exists("a/2/file")

    def test_results_of_other_settings_are_replaced(self, store: LocalStore) -> None:
        commit(store, make_done("a/1", "old"))
        assert commit(store, make_done("a/2", "new"))
        assert read_done(store, "id") == make_done("a/2", "new")

    def test_a_damaged_file_is_replaced(self, store: LocalStore) -> None:
        store.write(done_path("id"), b'{"id": ')
        assert read_done(store, "id") is None
        assert commit(store, make_done("a/1"))

    def test_again_by_the_same_attempt_keeps_its_files(self, store: LocalStore) -> None:
        store.write("a/1/file", b"x")
        assert commit(store, make_done("a/1"))
        assert not commit(store, make_done("a/1"))
        assert store.exists("a/1/file")


def full_disk() -> SamEdgeError:
    error = MediaError("video.mp4: cannot be written (No space left on device)")
    error.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GazeDataError("x"), "input"),
        (InputError("x"), "input"),
        (MediaError("x"), "media"),
        (MemoryError(), "memory"),
        (EngineError("std::bad_alloc"), "memory"),
        (EngineError("x"), "bug"),
        (StorageError("x"), "storage"),
        (full_disk(), "storage"),
        (OSError(errno.ENOSPC, "x"), "storage"),
        (ZeroDivisionError(), "bug"),
    ],
)
def test_classes_of_errors(error: Exception, expected: str) -> None:
    assert classify(error) == expected
