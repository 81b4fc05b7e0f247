"""Runs over an archive: what is skipped, tried again, refused and written. One process, the fake engine."""

from __future__ import annotations

import csv
import errno
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sam_edge.batch import Outcome, Recording, Settings, StorageError, Store, process
from sam_edge.batch.driver import RunOptions, RunResult, run_batch
from sam_edge.batch.find import Finder
from sam_edge.batch.local_store import LocalStore
from sam_edge.batch.merge import merge
from sam_edge.batch.outcome import ErrorClass
from sam_edge.batch.shard import Shard
from sam_edge.errors import InputError
from tests.batch.archive import Inline, results_of, write_recording


class Run:
    """The same run, again and again."""

    def __init__(self, archive: Path, store: LocalStore, settings: Settings, scratch: Path) -> None:
        self.archive, self.store, self.settings, self.scratch = archive, store, settings, scratch
        self.executor = Inline(scratch)

    def find(self) -> list[Recording]:
        return Finder(skip=self.store.url).find([str(self.archive)])

    def __call__(
        self, options: RunOptions | None = None, *, work: Callable[..., Outcome] = process
    ) -> RunResult:
        self.executor = Inline(self.scratch, work)
        return run_batch(self.find(), self.settings, self.store, self.executor, options)


@pytest.fixture
def run(archive: Path, store: LocalStore, settings: Settings, tmp_path: Path) -> Run:
    return Run(archive, store, settings, tmp_path / "scratch")


def table(store: Store, name: str) -> list[dict[str, str]]:
    content = store.read(name)
    assert content is not None
    return list(csv.DictReader(io.StringIO(content.decode())))


def failing(error_class: ErrorClass, *, only: str = "") -> Callable[..., Outcome]:
    """Return a work that fails: for all recordings, or those of one participant."""

    def work(recording: Recording, settings: Settings, store: Store, scratch: Path) -> Outcome:
        if only and recording.participant != only:
            return process(recording, settings, store, scratch)
        return Outcome(recording.id, "failed", error_class, "as told", host="here")

    return work


def test_every_recording_is_done_once_and_the_longest_comes_first(run: Run) -> None:
    result = run()
    assert (result.total, result.done, result.skipped, result.failures) == (3, 3, 0, [])
    found = run.find()
    assert [each.frames for each in found] == [10, 8, 6]
    assert run.executor.processed == [each.id for each in found]
    assert list(run.scratch.iterdir()) == []


def test_what_is_done_is_skipped(run: Run) -> None:
    run()
    before = {path: run.store.read(path) for path in run.store.list("recordings/")}
    again = run()
    assert (again.skipped, again.done, run.executor.processed) == (3, 0, [])
    assert {path: run.store.read(path) for path in run.store.list("recordings/")} == before


def test_a_new_recording_is_added_and_the_others_stay_in_the_tables(run: Run) -> None:
    run()
    write_recording(run.archive / "P9" / "new")
    assert run().done == 1
    assert [row["participant"] for row in table(run.store, "summary.csv")] == ["P1", "P2", "P3", "P9"]
    # A run over a part of the archive does not take the others out of the overview.
    part = Finder(skip=run.store.url).find([str(run.archive / "P9")])
    run_batch(part, run.settings, run.store, Inline(run.scratch))
    assert {row["uri"] for row in table(run.store, "summary.csv")} == {each.uri for each in run.find()}


def test_a_changed_recording_is_processed_again(run: Run) -> None:
    run()
    gaze = run.archive / "P1" / "walk" / "gaze.csv"
    gaze.write_text(gaze.read_text().replace("48.0", "47.0"))
    assert (run().done, len(table(run.store, "summary.csv"))) == (1, 3)


class TestFailures:
    def test_a_broken_recording_among_good_ones(self, run: Run) -> None:
        (run.archive / "P2" / "walk" / "gaze.csv").write_text("timestamp_s,x_px,y_px\n0.0,one,2\n")
        result = run()
        assert (result.done, len(result.failures)) == (2, 1)
        (row,) = table(run.store, "failed.csv")
        assert (row["participant"], row["class"], row["attempts"]) == ("P2", "input", "1")
        assert "gaze.csv" in row["message"]
        assert "'one'" in row["message"]
        log = run.store.read(row["log"])
        assert log is not None
        assert b"Traceback" in log
        states = {row["participant"]: row["state"] for row in table(run.store, "summary.csv")}
        assert states == {"P1": "done", "P2": "failed", "P3": "done"}

    @pytest.mark.parametrize("error_class", ["input", "media", "bug"])
    def test_of_the_input_are_tried_again_on_request_alone(self, run: Run, error_class: ErrorClass) -> None:
        run(work=failing(error_class, only="P1"))
        again = run()
        assert (run.executor.processed, len(again.failures)) == ([], 1)
        assert run(RunOptions(retry_failed=True)).done == 1
        assert table(run.store, "failed.csv") == []

    @pytest.mark.parametrize("error_class", ["lost", "memory", "timeout", "storage"])
    def test_of_the_machine_are_tried_again_by_the_next_run(self, run: Run, error_class: ErrorClass) -> None:
        run(work=failing(error_class, only="P1"))
        again = run()
        assert (again.done, again.failures, table(run.store, "failed.csv")) == (1, [], [])

    def test_a_recording_that_the_check_refuses_is_listed_and_not_processed(self, run: Run) -> None:
        (run.archive / "P4").mkdir()
        (run.archive / "P4" / "world.mp4").write_bytes(b"no video")
        result = run()
        assert (result.done, [outcome.attempts for outcome in result.failures]) == (3, [0])
        (row,) = table(run.store, "failed.csv")
        assert (row["participant"], row["class"]) == ("P4", "input")
        assert row["message"] == "holds a video, and no gaze of a known format"

    def test_storage_that_fails_again_and_again_ends_the_run(self, run: Run) -> None:
        with pytest.raises(StorageError, match=r"3 times in a row, at last: as told; .*what is done is kept"):
            run(work=failing("storage"))
        assert len(table(run.store, "failed.csv")) == 3


class TestPlace:
    def test_of_other_settings_is_refused(self, run: Run) -> None:
        run()
        run.settings = replace(run.settings, margin_deg=0.5)
        with pytest.raises(InputError, match=r"other settings \(margin_deg 0\.0, now 0\.5\); .*--force"):
            run()

    def test_of_other_settings_is_made_again_with_force(self, run: Run) -> None:
        run()
        run.settings = replace(run.settings, margin_deg=0.5)
        assert run(RunOptions(force=True)).done == 3
        # The second time there is nothing left to replace.
        assert run(RunOptions(force=True)).skipped == 3
        assert run().skipped == 3

    def test_threads_and_memory_are_no_other_settings(self, run: Run) -> None:
        run()
        run.settings = replace(run.settings, threads=2, memory_bytes=10**9, scratch="/elsewhere")
        assert run().skipped == 3

    def test_that_holds_something_else_is_refused(self, run: Run) -> None:
        Path(run.store.url).mkdir()
        Path(run.store.url, "thesis.tex").write_text("x")
        with pytest.raises(InputError, match=r"holds files, and no run\.json; give a new or empty place"):
            run()
        assert [path.name for path in Path(run.store.url).iterdir()] == ["thesis.tex"]

    def test_of_another_program_is_refused(self, run: Run) -> None:
        run.store.write("run.json", json.dumps({"kind": "other"}).encode())
        with pytest.raises(InputError, match=r"run\.json is damaged, or of another program"):
            run()

    def test_that_cannot_be_written_is_an_error_before_the_work(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: Path, *args: object, **kwargs: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        recordings = run.find()
        executor = Inline(run.scratch)
        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(StorageError, match=r"run\.json: Permission denied"):
            run_batch(recordings, run.settings, run.store, executor)
        assert executor.processed == []


class TestShards:
    def test_may_begin_at_the_same_time(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        Path(run.store.url).mkdir()
        Path(run.store.url, ".run.1-abc.part.json").write_bytes(b"{")
        assert run(RunOptions(shard=Shard(1, 2))).done == 2
        # The other one looks for run.json a moment before it is there.
        read, looks = LocalStore.read, iter([False])

        def look_early(self: LocalStore, path: str) -> bytes | None:
            return read(self, path) if path != "run.json" or next(looks, True) else None

        monkeypatch.setattr(LocalStore, "read", look_early)
        assert run(RunOptions(shard=Shard(2, 2))).done == 1

    def test_share_the_work_without_overlap(self, run: Run) -> None:
        processed = []
        for number in (1, 2):
            result = run(RunOptions(shard=Shard(number, 2)))
            processed += run.executor.processed
            assert result.done == len(run.executor.processed)
        assert sorted(processed) == sorted(each.id for each in run.find())
        # The last one writes the tables over all.
        assert {row["state"] for row in table(run.store, "summary.csv")} == {"done"}

    def test_merge_writes_the_same_tables(self, run: Run) -> None:
        run()
        names = ("summary.csv", "aoi_metrics.csv", "failed.csv")
        before = {name: run.store.read(name) for name in names}
        for name in names:
            run.store.remove(name)
        assert [state.progress for state in merge(run.store)] == ["done"] * 3
        assert {name: run.store.read(name) for name in names} == before

    def test_merge_removes_attempts_that_came_too_late(self, run: Run) -> None:
        run()
        (first, *_) = run.find()
        run.store.write(f"{first.folder}/attempts/late/masks.jsonl.gz", b"x")
        kept = results_of(run.store, first.id, ["masks.jsonl.gz"])
        merge(run.store)
        assert not any("late" in path for path in run.store.list("recordings/"))
        assert results_of(run.store, first.id, ["masks.jsonl.gz"]) == kept


def test_metrics_are_joined_over_participants(run: Run) -> None:
    run()
    rows = table(run.store, "aoi_metrics.csv")
    assert [row["participant"] for row in rows] == ["P1", "P2", "P3"]
    for row, recording in zip(rows, sorted(run.find(), key=lambda each: each.uri), strict=True):
        own = results_of(run.store, recording.id, ["aoi_metrics.csv"])["aoi_metrics.csv"]
        (alone,) = csv.DictReader(io.StringIO(own.decode()))
        assert row == {"participant": recording.participant, "recording id": recording.id, **alone}


def test_an_interrupted_run_keeps_what_is_done_and_writes_the_overview(run: Run) -> None:
    def interrupt(recording: Recording, settings: Settings, store: Store, scratch: Path) -> Outcome:
        if recording.participant == "P1":
            raise KeyboardInterrupt
        return process(recording, settings, store, scratch)

    with pytest.raises(KeyboardInterrupt):
        run(work=interrupt)
    states = {row["participant"]: row["state"] for row in table(run.store, "summary.csv")}
    assert states == {"P1": "left", "P2": "done", "P3": "done"}
    assert run().done == 1


def test_the_page_links_each_report_that_is_there(run: Run) -> None:
    (run.archive / "P2" / "walk" / "gaze.csv").write_text("timestamp_s,x_px,y_px\n0.0,<b>,2\n")
    run()
    page = run.store.read("index.html")
    assert page is not None
    text = page.decode()
    links = [part.partition('"')[0] for part in text.split('href="')[1:]]
    reports = [link for link in links if link.endswith("report.html")]
    assert len(reports) == 2
    assert all(run.store.exists(link) for link in links if not link.endswith("/"))
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
