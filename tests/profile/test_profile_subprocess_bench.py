"""Engines that are timed in processes of their own, and what becomes of a process that dies or hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sam_edge.errors import EngineError
from sam_edge.profile import Engine, Plan, profile
from sam_edge.profile.measure import subprocess_bench
from sam_edge.profile.measure.subprocess_bench import Apart
from sam_edge.profile.plan import Case
from sam_edge.segmenter import DEFAULT_BUNDLE

SIZE = (64, 64)


@pytest.fixture
def bench(fake: Engine) -> Iterator[Apart]:
    """The fake engine, apart."""
    bench = Apart(fake)
    yield bench
    bench.close()
    assert bench._process.returncode is not None


def test_a_block_comes_from_the_other_process(bench: Apart, fake: Engine) -> None:
    bench.open(SIZE)
    encoded, decoded = (bench.block(Case(fake, SIZE, prompts), 1.0) for prompts in (0, 2))
    for block in (encoded, decoded):
        assert len(block.total_ms) == len(block.engine_ms) >= 3
        assert all(0 < own <= whole for whole, own in zip(block.total_ms, block.engine_ms, strict=True))
        assert block.usage.cpu_s > 0
    bench.close()
    assert bench._process.returncode == 0


def test_every_engine_is_timed(fake: Engine) -> None:
    engines = (fake, Engine(DEFAULT_BUNDLE, "onnxruntime", None, 1))
    report = profile(Plan(engines, sizes=(SIZE,), many=(2,), rounds=2, block_ms=0.1, parts=("timing",)))
    assert [(row.case.engine, row.case.prompts) for row in report.timed] == [
        (engine, prompts) for engine in engines for prompts in (0, 1, 2)
    ]
    assert all(row.failed is None and set(row.rounds) == {0, 1} for row in report.timed)


def test_a_bundle_that_is_not_there_is_said(tmp_path: Path) -> None:
    bench = Apart(Engine(tmp_path / "absent", "onnxruntime", None, 1))
    with pytest.raises(EngineError, match=r"bundle: .*absent"):
        bench.open(SIZE)
    bench.close()


def test_a_process_that_dies_is_a_reason(bench: Apart, fake: Engine) -> None:
    bench.open(SIZE)
    bench._process.send_signal(signal.SIGSEGV)
    with pytest.raises(EngineError, match="the process died of signal 11"):
        bench.block(Case(fake, SIZE, 0), 1.0)


def test_a_process_that_ends_is_a_reason(fake: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess_bench, "PROGRAM", "raise SystemExit(3)")
    bench = Apart(fake)
    with pytest.raises(EngineError, match="the process ended with status 3"):
        bench.open(SIZE)
    bench.close()


def test_a_process_that_hangs_is_given_up(fake: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess_bench, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(subprocess_bench, "PROGRAM", "import time; time.sleep(60)")
    bench = Apart(fake)
    with pytest.raises(EngineError, match=r"no answer after 0\.2 s"):
        bench.open(SIZE)
    bench.close()
    assert bench._process.returncode == -signal.SIGKILL


def test_what_an_engine_prints_does_not_come_between(
    fake: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess_bench, "PROGRAM", PRINTING)
    bench = Apart(fake)
    bench.open(SIZE)
    bench.close()
    assert "an engine says hello" in capfd.readouterr().err


PRINTING = """
from sam_edge.profile.measure import subprocess_bench
from sam_edge.runtimes.fake import Fake
encode = Fake.encode
def loud(self, image):
    print("an engine says hello", flush=True)
    return encode(self, image)
Fake.encode = loud
subprocess_bench.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a terminal are not sent on Windows")
def test_ctrl_c_of_a_terminal_ends_both(tmp_path: Path) -> None:
    """The whole group has the signal; the report is written, and no process stays."""
    options = [
        "profile",
        "--runtime",
        "onnxruntime",
        "--sizes",
        "224x224",
        "--only",
        "timing",
        "--rounds",
        "9999",
    ]
    running = subprocess.Popen(
        [sys.executable, "-c", NOTING, *options, "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert running.stdout.read(3) == b"..."
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert b"Traceback" not in said
    assert (tmp_path / "profile.json").is_file()


NOTING = """
import os, sys
from sam_edge.cli.command_line import main
from sam_edge.profile.measure.subprocess_bench import Apart
block = Apart.block
def noted(*given):
    os.write(1, b".")
    return block(*given)
Apart.block = noted
sys.exit(main(sys.argv[1:]))
"""
