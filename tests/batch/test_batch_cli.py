"""`sam-edge batch run`, `status` and `merge` as a person gives them: screen, files and exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sam_edge.batch.done import read_done
from sam_edge.batch.find import Finder
from sam_edge.batch.local_store import LocalStore
from sam_edge.cli import main
from tests.batch.archive import write_archive

FAST = ["--runtime", "fake", "--do", "events", "--workers", "1"]
"""Options of runs whose results do not matter."""


def run(archive: Path, out: Path, *options: str) -> int:
    return main(["batch", "run", str(archive), "--out", str(out), *FAST, *options])


def test_run_status_and_merge(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(archive, out) == 0
    printed = capsys.readouterr()
    assert "3 recordings done in" in printed.out
    assert f"overview: {out}/index.html" in printed.out
    assert "batch: 3/3 recordings, 0 failed" in printed.err
    (out / "summary.csv").unlink()
    assert main(["batch", "merge", str(out)]) == 0
    assert (out / "summary.csv").is_file()
    assert main(["batch", "status", str(out)]) == 0
    assert "3 recordings\n  done          3" in capsys.readouterr().out


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (archive / "P2" / "walk" / "film.mp4").write_bytes(b"x")
    out = tmp_path / "out"
    assert main(["batch", "run", str(archive), "--out", str(out), "--runtime", "fake", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert f"would do: {archive}/P3/walk" in printed
    assert f"left out: {archive}/P2/walk: film.mp4: cannot be opened as a video" in printed
    assert "2 recordings, 1 s of video, 16 frames: about" in printed
    assert not out.exists()


@pytest.mark.parametrize(("limit", "status"), [("0", 1), ("1", 0), ("30%", 1), ("40%", 0)])
def test_the_exit_status_is_that_of_the_failures(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: str, status: int
) -> None:
    (archive / "P2" / "walk" / "gaze.csv").write_text("timestamp_s,x_px,y_px\n0.0,one,2\n")
    assert run(archive, tmp_path / "out", "--max-failures", limit) == status
    printed = capsys.readouterr()
    assert f"failed: {archive}/P2/walk: input: " in printed.err
    assert f"failures: {tmp_path}/out/failed.csv" in printed.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "5/4"], "--shard: '?5/4'? is not accepted; give I/N"),
        (["--memory", "2"], "--memory: '2' is not accepted; give a size such as 2G"),
        (["--workers", "0"], "--workers: 0 is not accepted"),
        (["--max-failures", "x"], "--max-failures: 'x' is not accepted"),
        (["--on", "moon"], "--on: 'moon'; accepted: local"),
        (["--do", "walk"], "--do: 'walk'; accepted: track, aoi, events"),
        (["--manifest", "x.csv"], "recordings: give folders to search, or --manifest FILE.csv; not both"),
    ],
)
def test_mistakes_are_one_line_before_the_work(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(archive, tmp_path / "out", *options) == 2
    import re

    assert re.match(f"sam-edge: error: {message}", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_place_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "status", str(tmp_path)]) == 2
    assert "holds no run.json; give what `sam-edge batch run --out` wrote" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_goes_on_where_it_was(tmp_path: Path, number: signal.Signals) -> None:
    archive = write_archive(tmp_path / "archive", 10)
    store = LocalStore(str(tmp_path / "out"))
    scratch = tmp_path / "scratch"
    command = [sys.executable, "-m", "sam_edge.cli", "batch", "run", str(archive), "--out", store.url]
    command += ["--runtime", "fake", "--workers", "1", "--scratch", str(scratch)]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    recordings = Finder().find([str(archive)])
    while read_done(store, recordings[1].id) is None:
        assert driver.poll() is None
        time.sleep(0.01)
    os.kill(driver.pid, number)
    status = driver.wait()
    kept = {each.id: read_done(store, each.id) for each in recordings}
    if number == signal.SIGINT:
        assert status == 130
        assert list(scratch.iterdir()) == []
        assert (Path(store.url) / "index.html").is_file()
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "10/10" not in finished.stderr
    after = {each.id: read_done(store, each.id) for each in recordings}
    assert None not in after.values()
    assert list(scratch.iterdir()) == []
    # What had been done was not made again; a worker may have finished one more after the driver was killed.
    assert {name: done for name, done in after.items() if kept[name] is not None} == {
        name: done for name, done in kept.items() if done is not None
    }
