"""`sam-edge profile` on the fake engine."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import sam_edge
from sam_edge.errors import EngineError
from sam_edge.profile.measure.engine_bench import EngineBench
from sam_edge.runtimes.fake import Fake

Run = Callable[..., tuple[int, str, str]]
SHORT = ("--runtime", "fake", "--sizes", "64x64", "--rounds", 1, "--prompts", "1,2")
"""Left alone, a sustained load of a minute would follow."""
QUICK = (*SHORT, "--sustained", 0)


def test_writes_report_page_sheet_and_traces(
    run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    status, printed, _ = run_cli("profile", *QUICK, "--video", clip, "--gaze", gaze_csv, "--out", out)
    assert status == 0
    assert "cold start, ms" in printed
    assert "session, live, fake" in printed
    assert {path.name for path in out.iterdir()} == {
        *("profile.json", "profile.html", "profile.csv"),
        *("trace_sequential.json", "trace_live.json"),
    }
    content = json.loads((out / "profile.json").read_text())
    assert content["complete"] is True
    assert [row["case"]["prompts"] for row in content["timings"]] == [0, 1, 2]
    assert [row["case"]["size"] for row in content["timings"]] == [[64, 64]] * 3


def test_json_instead_of_tables(run_cli: Run) -> None:
    status, printed, _ = run_cli("profile", *QUICK, "--only", "timing", "--json")
    assert status == 0
    assert json.loads(printed)["kind"] == "sam-edge profile"


def test_parts_can_be_left_out(run_cli: Run) -> None:
    parts = "cold,session,sustained,peak,operators"
    _, printed, _ = run_cli("profile", *QUICK, "--skip", parts)
    assert "encode 64x64, fake" in printed
    assert "cold start" not in printed
    assert run_cli("profile", *QUICK, "--only", "timing", "--quiet")[1] == ""


def test_a_bundle_that_fails_is_a_row_and_status_1(run_cli: Run, tmp_path: Path) -> None:
    model = Path(sam_edge.__file__).parent / "assets" / "mobile_sam"
    status, printed, _ = run_cli("profile", tmp_path / "absent", model, *QUICK, "--only", "timing")
    assert status == 1
    assert "FAILED bundle:" in printed
    assert "fake, 1 thread, none" in printed or "fake, 2 threads, none" in printed


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time engines in this process, where a test can change them."""
    monkeypatch.setattr("sam_edge.profile.measure.timing.SubprocessBench", EngineBench)


@pytest.mark.alone
@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_writes_what_there_is(
    run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    decode, before = Fake.decode, signal.getsignal(number)
    calls = []

    def interrupted(self: Fake, *given: object) -> object:
        calls.append(1)
        if len(calls) > 3:
            signal.raise_signal(number)
        return decode(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Fake, "decode", interrupted)
    status, printed, _ = run_cli("profile", *QUICK, "--only", "timing,session", "--out", tmp_path)
    assert status == 130
    assert "INTERRUPTED during timing" in printed
    content = json.loads((tmp_path / "profile.json").read_text())
    assert (content["complete"], content["interrupted"]) == (False, "timing")
    assert (tmp_path / "profile.html").is_file()
    assert signal.getsignal(number) == before


def test_two_profiles_compared(run_cli: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run_cli("profile", *QUICK, "--only", "timing", "--out", tmp_path / name, "--quiet")[0] == 0
    a, b = (tmp_path / name / "profile.json" for name in ("a", "b"))
    status, printed, _ = run_cli("profile", "--compare", a, b, "--regression", 1000)
    assert status == 0
    assert "encode 64x64" in printed
    content = json.loads(b.read_text())
    for row in content["timings"]:
        row["samples_ms"] = [100 * value for value in row["samples_ms"]]
    b.write_text(json.dumps(content))
    status, printed, _ = run_cli("profile", "--compare", a, b)
    assert status == 1
    assert "REGRESSED" in printed
    assert run_cli("profile", "--compare", a, tmp_path / "absent.json")[0] == 2


def test_budget_writes_a_configuration(run_cli: Run, clip: Path, gaze_csv: Path, tmp_path: Path) -> None:
    asked = ("--runtime", "fake", "--sizes", "224x224", "--limit", 1, "--video", clip, "--gaze", gaze_csv)
    status, printed, _ = run_cli("profile", "--budget-ms", 10_000, *asked, "--out", tmp_path)
    assert status == 0
    assert "best within the budget: 224x224, fake" in printed
    assert {path.name for path in tmp_path.glob("*.*")} >= {"budget.json", "budget.html", "config.json"}
    with sam_edge.load(config=tmp_path / "config.json") as model:
        assert model.runtime.name == "fake"
    elsewhere = tmp_path / "other" / "mine.json"
    assert run_cli("profile", "--budget-ms", 10_000, *asked, "--config", elsewhere, "--json")[0] == 0
    assert elsewhere.is_file()


def test_nothing_within_the_budget_is_status_1(run_cli: Run, tmp_path: Path) -> None:
    asked = ("--runtime", "fake", "--sizes", "224x224", "--limit", 1)
    status, printed, _ = run_cli("profile", "--budget-ms", 0.0001, *asked, "--out", tmp_path)
    assert status == 1
    assert "no candidate is within" in printed
    assert not (tmp_path / "config.json").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--runtime", "abacus"), "--runtime: 'abacus'"),
        (("--threads", "two"), "--threads: 'two'"),
        (("--sizes", "640x480,big"), "--sizes: 'big'"),
        (("--sizes", "100x100"), "--sizes: 100x100"),
        (("--only", "dancing"), "--only: dancing"),
        (("--video", "clip.mp4"), "--video: clip.mp4 holds no gaze; give it with --gaze"),
        (("--gaze", "gaze.csv"), "--gaze: set without --video"),
        (("--rounds", "0"), "--rounds"),
        (("--budget-ms", "-1"), "--budget-ms: -1"),
        (("--budget-ms", "33", "--dataset", "/absent"), "/absent"),
    ],
)
def test_bad_options_are_named(run_cli: Run, options: tuple[str, ...], said: str) -> None:
    status, _, complained = run_cli("profile", *options)
    assert status == 2
    assert said in complained


def test_a_gaze_file_that_fails_is_a_row(run_cli: Run, clip: Path, tmp_path: Path) -> None:
    status, printed, _ = run_cli(
        "profile", *QUICK, "--only", "session", "--video", clip, "--gaze", tmp_path / "absent.csv"
    )
    assert status == 1
    assert "session, sequential, fake" in printed
    assert "FAILED" in printed


@pytest.mark.usefixtures("in_process")
def test_an_engine_that_breaks_down(run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise EngineError("out of coal")

    monkeypatch.setattr(Fake, "encode", fail)
    status, printed, _ = run_cli("profile", *SHORT, "--only", "timing,sustained", "--sustained", 1)
    assert status == 1
    assert "out of coal" in printed
