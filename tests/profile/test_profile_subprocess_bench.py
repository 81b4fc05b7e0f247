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
from sam_edge.profile import EngineConfig, ProfilePlan, run_plan
from sam_edge.profile.measure import subprocess_bench
from sam_edge.profile.measure.subprocess_bench import SubprocessBench
from sam_edge.profile.plan import TimingCase
from sam_edge.segmenter import DEFAULT_BUNDLE

SIZE = (64, 64)


@pytest.fixture
def bench(fake: EngineConfig) -> Iterator[SubprocessBench]:
    """The fake engine, in another process."""
    bench = SubprocessBench(fake)
    yield bench
    bench.close()
    assert bench.exit_status is not None


def test_a_block_comes_from_the_other_process(bench: SubprocessBench, fake: EngineConfig) -> None:
    bench.open(SIZE)
    encoded, decoded = (bench.time_block(TimingCase(fake, SIZE, prompts), 1.0) for prompts in (0, 2))
    for block in (encoded, decoded):
        assert len(block.total_ms) == len(block.inference_ms) >= 3
        assert all(0 < own <= whole for whole, own in zip(block.total_ms, block.inference_ms, strict=True))
        assert block.usage.cpu_s > 0
    bench.close()
    assert bench.exit_status == 0


def test_every_engine_is_timed(fake: EngineConfig) -> None:
    engines = (fake, EngineConfig(DEFAULT_BUNDLE, "onnxruntime", None, 1))
    report = run_plan(
        ProfilePlan(
            engines, sizes=(SIZE,), first_size_prompts=(2,), rounds=2, block_ms=0.1, parts=("timing",)
        )
    )
    assert [(row.case.engine, row.case.prompts) for row in report.timings] == [
        (engine, prompts) for engine in engines for prompts in (0, 1, 2)
    ]
    assert all(row.error is None and set(row.rounds) == {0, 1} for row in report.timings)


def test_a_bundle_that_is_not_there_is_said(tmp_path: Path) -> None:
    bench = SubprocessBench(EngineConfig(tmp_path / "absent", "onnxruntime", None, 1))
    with pytest.raises(EngineError, match=r"bundle: .*absent"):
        bench.open(SIZE)
    bench.close()


def test_a_process_that_dies_is_a_reason(bench: SubprocessBench, fake: EngineConfig) -> None:
    bench.open(SIZE)
    os.kill(bench.pid, signal.SIGSEGV)
    with pytest.raises(EngineError, match="the process died of signal 11"):
        bench.time_block(TimingCase(fake, SIZE, 0), 1.0)


def test_a_process_that_ends_is_a_reason(fake: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess_bench, "PROGRAM", "raise SystemExit(3)")
    bench = SubprocessBench(fake)
    with pytest.raises(EngineError, match="the process ended with status 3"):
        bench.open(SIZE)
    bench.close()


def test_a_process_that_hangs_is_given_up(fake: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess_bench, "ANSWER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(subprocess_bench, "PROGRAM", "import time; time.sleep(60)")
    bench = SubprocessBench(fake)
    with pytest.raises(EngineError, match=r"no answer after 0\.2 s"):
        bench.open(SIZE)
    bench.close()
    assert bench.exit_status == -signal.SIGKILL


def test_what_an_engine_prints_does_not_come_between(
    fake: EngineConfig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess_bench, "PROGRAM", PRINTS_IN_THE_ENGINE)
    bench = SubprocessBench(fake)
    bench.open(SIZE)
    bench.close()
    assert "an engine says hello" in capfd.readouterr().err


PRINTS_IN_THE_ENGINE = """
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
        [sys.executable, "-c", PRINTS_A_DOT_PER_BLOCK, *options, "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert running.stdout.read(3) == b"..."
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert b"Traceback" not in errors
    assert (tmp_path / "profile.json").is_file()


PRINTS_A_DOT_PER_BLOCK = """
import os, sys
from sam_edge.cli.command_line import main
from sam_edge.profile.measure.subprocess_bench import SubprocessBench
time_block = SubprocessBench.time_block
def counted(*arguments):
    os.write(1, b".")
    return time_block(*arguments)
SubprocessBench.time_block = counted
sys.exit(main(sys.argv[1:]))
"""
