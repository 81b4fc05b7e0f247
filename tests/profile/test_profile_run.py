"""Whole profiles on the fake engine: what fails is a row, ctrl-C leaves what there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sam_edge.errors import EngineError, InputError
from sam_edge.profile import EngineConfig, ProfilePlan, choose_engines, run_plan
from sam_edge.profile.plan import MIN_ROUNDS
from sam_edge.profile.report.report import ProfileReport
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import DEFAULT_BUNDLE

pytestmark = pytest.mark.slow


def written(report: ProfileReport, folder: Path) -> dict[str, object]:
    path = folder / "profile.json"
    report.write(path)
    content: dict[str, object] = json.loads(path.read_text())
    return content


def test_everything_is_measured(plan: ProfilePlan) -> None:
    messages: list[str] = []
    report = run_plan(plan, messages.append)
    assert report.complete
    assert not report.errors
    assert {row.case.prompts for row in report.timings} == {0, 1, 2}
    assert all(row.total is not None and row.inference is not None for row in report.timings)
    assert all(
        row.total.median_ms >= row.inference.median_ms
        for row in report.timings
        if row.total and row.inference
    )
    assert report.cold_starts[0].stages_ms["import"] > 0
    assert report.cold_starts[0].memory_mb["peak"] >= report.cold_starts[0].memory_mb["import"] > 0
    assert [row.mode for row in report.sessions] == ["sequential", "live"]
    assert all("total" in row.stages for row in report.sessions)
    assert set(report.traces) == {"trace_sequential.json", "trace_live.json"}
    assert sum(second.calls for second in report.sustained[0].seconds) > 0
    assert report.peaks[0].gb_s
    assert messages
    assert [text.split(":")[0] for text in messages] == sorted(
        (text.split(":")[0] for text in messages), key=list(plan.parts).index
    )


def test_every_round_has_a_turn_of_everything(plan: ProfilePlan) -> None:
    report = run_plan(replace(plan, parts=("timing",), rounds=3))
    assert all(set(row.rounds) == {0, 1, 2} for row in report.timings)
    assert all(list(row.rounds) == sorted(row.rounds) for row in report.timings)


def test_many_prompts_are_timed_at_the_first_size(plan: ProfilePlan) -> None:
    cases = replace(plan, sizes=((64, 64), (96, 64)), prompts=(1,), first_size_prompts=(16, 32)).cases()
    assert [(case.size, case.prompts) for case in cases] == [
        *(((64, 64), prompts) for prompts in (0, 1, 16, 32)),
        *(((96, 64), prompts) for prompts in (0, 1)),
    ]


def test_a_slow_machine_has_fewer_rounds_and_a_note(plan: ProfilePlan) -> None:
    report = run_plan(replace(plan, parts=("timing",), rounds=9, max_rounds_s=0.0))
    assert all(set(row.rounds) == set(range(MIN_ROUNDS)) for row in report.timings)
    assert any(note.startswith(f"timing: {MIN_ROUNDS} of 9 rounds") for note in report.notes)


def test_only_what_is_asked_for(plan: ProfilePlan) -> None:
    report = run_plan(replace(plan, parts=("timing",)))
    assert report.timings
    assert (report.cold_starts, report.sessions, report.sustained, report.peaks, report.operators) == (
        (),
    ) * 5


def test_a_missing_bundle_is_a_row_and_the_rest_goes_on(
    plan: ProfilePlan, fake: EngineConfig, tmp_path: Path
) -> None:
    absent = replace(fake, bundle=tmp_path / "absent")
    report = run_plan(replace(plan, engines=(absent, fake), parts=("cold", "timing", "session")))
    cold = {row.engine: row.error for row in report.cold_starts}
    assert "absent" in str(cold[absent])
    assert cold[fake] is None
    assert all(row.error == cold[absent] for row in report.timings if row.case.engine == absent)
    assert all(row.total is not None for row in report.timings if row.case.engine == fake)
    assert {row.engine for row in report.sessions} == {fake}
    assert "absent" in str(report.models[0].error)
    assert written(report, tmp_path)["complete"] is True


def test_an_engine_that_fails_while_it_is_timed(
    plan: ProfilePlan, fake: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails in the decoder only: encoding stays a row with figures."""

    def fail(*_: object) -> None:
        raise EngineError("the decoder melted")

    monkeypatch.setattr(Fake, "decode", fail)
    report = run_plan(replace(plan, parts=("timing", "session", "sustained")))
    by_prompts = {row.case.prompts: row for row in report.timings}
    assert by_prompts[0].total is not None
    assert by_prompts[1].error == by_prompts[2].error == "the decoder melted"
    assert report.errors == ("fake, 1 thread: the decoder melted",)


def test_an_engine_that_raises_what_it_should_not(plan: ProfilePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("somebody else's\n  fault")

    monkeypatch.setattr(Fake, "encode", fail)
    report = run_plan(replace(plan, parts=("timing", "session", "sustained")))
    assert {row.error for row in report.timings} == {"ZeroDivisionError: somebody else's fault"}
    assert report.complete


def test_a_process_that_dies_is_not_tried_here(
    plan: ProfilePlan, fake: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sam_edge.profile.measure.cold_start.PROGRAM",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    )
    report = run_plan(replace(plan, parts=("cold", "timing")))
    assert report.cold_starts[0].error == "the process died of signal 11"
    assert {row.error for row in report.timings} == {report.cold_starts[0].error}


@pytest.mark.parametrize("part", ["cold", "timing", "session", "sustained", "peak", "operators"])
def test_ctrl_c_leaves_a_valid_partial_report(plan: ProfilePlan, part: str, tmp_path: Path) -> None:
    def say(text: str) -> None:
        if text.startswith(part):
            raise KeyboardInterrupt

    engines = (*plan.engines, EngineConfig(DEFAULT_BUNDLE, "onnxruntime", None, 1))
    wanted = replace(plan, parts=(part,) if part != "sustained" else ("timing", "sustained"))
    report = run_plan(replace(wanted, engines=engines if part == "operators" else plan.engines), say)
    assert report.interrupted == part
    content = written(report, tmp_path)
    assert content["complete"] is False
    if part == "sustained":
        assert report.timings[0].total is not None
        assert len(report.sustained) == 1


def test_ctrl_c_in_the_middle_of_a_call(plan: ProfilePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = Fake.encode
    calls = []

    def interrupted(self: Fake, image: object) -> object:
        calls.append(1)
        if len(calls) == 60:
            raise KeyboardInterrupt
        return encode(self, image)  # type: ignore[arg-type]

    monkeypatch.setattr(Fake, "encode", interrupted)
    report = run_plan(replace(plan, parts=("timing",), rounds=50))
    assert report.interrupted == "timing"
    assert any(row.total is not None for row in report.timings)
    assert all(len(row.samples_ms) == len(row.rounds) for row in report.timings)


def test_no_leave_to_read_energy_is_a_note(plan: ProfilePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sam_edge.profile.run.open_energy", lambda: (None, ["energy: may be read by the administrator alone"])
    )
    report = run_plan(replace(plan, parts=("timing",)))
    assert "energy: may be read by the administrator alone" in report.notes
    assert report.timings[0].usage.joules is None
    assert not report.errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engines": ()}, "engines"),
        ({"sizes": ((100, 100),)}, "size"),
        ({"prompts": (0,)}, "prompts"),
        ({"rounds": 0}, "rounds"),
        ({"first_size_prompts": (0,)}, "first_size_prompts"),
        ({"sustained_s": float("nan")}, "sustained"),
        ({"parts": ("timing", "dancing")}, "dancing"),
    ],
)
def test_impossible_plans_are_refused(plan: ProfilePlan, change: dict[str, object], message: str) -> None:
    build: Callable[..., ProfilePlan] = replace
    with pytest.raises(InputError, match=message):
        build(plan, **change)


def test_engines_that_are_chosen_where_none_are_asked_for() -> None:
    engines = choose_engines()
    assert {engine.runtime for engine in engines} >= {"onnxruntime"}
    assert not {engine.runtime for engine in engines} & {"fake", "torch"}
    assert len(engines) == len(set(engines))


def test_engines_that_are_asked_for(tmp_path: Path) -> None:
    engines = choose_engines(
        [tmp_path, DEFAULT_BUNDLE], runtimes=["fake"], precisions=["fp32", "bf16"], threads=[1, 2]
    )
    assert len(engines) == 8
    assert {engine.threads for engine in engines} == {1, 2}
    with pytest.raises(InputError, match=r"accepted: .*onnxruntime"):
        choose_engines(runtimes=["abacus"])
    with pytest.raises(InputError, match="threads: 0"):
        choose_engines(threads=[0])


def test_several_bundles_are_told_apart(tmp_path: Path) -> None:
    def labels(*bundles: str) -> list[str]:
        paths = [tmp_path / bundle for bundle in bundles]
        return [engine.label for engine in choose_engines(paths, runtimes=["fake"], threads=[1])]

    assert labels("mine") == ["fake, 1 thread"]
    assert labels("mine", "yours") == ["mine, fake, 1 thread", "yours, fake, 1 thread"]
    assert labels("old/mine", "new/mine") == ["old/mine, fake, 1 thread", "new/mine, fake, 1 thread"]
    assert labels("mine", "mine") == ["fake, 1 thread"]
