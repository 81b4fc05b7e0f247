"""Advice within a budget, and the configuration that comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import sam_edge
from sam_edge.config import Config, read_config
from sam_edge.errors import EngineError, InputError
from sam_edge.profile.budget import search
from sam_edge.profile.budget.quality import Quality
from sam_edge.profile.budget.search import (
    LABELLED,
    RAREST,
    Advice,
    Advisor,
    Candidate,
    advise,
    best_of,
    by_schedule,
    spacing,
)
from sam_edge.profile.measure.environment import gather_machine
from sam_edge.profile.measure.noise import Noise
from sam_edge.profile.plan import Engine, Plan
from sam_edge.profile.report.budget_report import advice_json, advice_page, advice_table
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import DEFAULT_BUNDLE
from sam_edge.stream.session import GazeSession


def candidate(engine: Engine, side: int, ms: float, iou: float, **values: object) -> Candidate:
    quality = Quality(10, iou, 0.01, iou)
    made = Candidate(engine, (side, side), False, encode_ms=ms - 1, decode_ms=1.0, quality=quality)
    return replace(made, **values)  # type: ignore[arg-type]


@pytest.fixture
def advice(fake: Engine) -> Advice:
    """The middle one of four keeps to the budget; the third is worse and slower than the second."""
    candidates = (
        candidate(fake, 224, 10, 0.6, step_ms=12.0, fits=True),
        candidate(fake, 448, 20, 0.7, step_ms=25.0, fits=True),
        candidate(fake, 480, 30, 0.65),
        candidate(fake, 896, 40, 0.8, step_ms=60.0, fits=False),
        candidate(fake, 512, 40, 0.8, failed="broken", encode_ms=None, quality=None),
    )
    return Advice(33.0, 10, candidates, candidates[1])


def test_the_front_is_what_no_other_beats(advice: Advice) -> None:
    assert [one.size[0] for one in advice.front] == [224, 448, 896]


def test_advice_for_people(advice: Advice) -> None:
    text = advice_table(advice)
    assert "448x448, fake, 1 thread, every frame" in text
    assert "CHOSEN" in text
    assert "too slow" in text
    assert "FAILED broken" in text
    assert "IoU 0.700 on 10 pictures" in text
    content = advice_page(advice, gather_machine())
    assert "448x448" in content
    assert "http" not in content
    assert content.count("<circle") == 4


def test_advice_from_a_busy_machine_says_so(advice: Advice) -> None:
    busy = replace(advice, noise=Noise(5, 0.4, 1.1, 1.0, 3.0, True))
    for text in (advice_table(busy), advice_page(busy, gather_machine())):
        assert "others had 40 % of the cores" in text
    assert advice_json(busy, gather_machine(), complete=True)["noise"]["busy"] is True
    assert "others had" not in advice_table(advice)


def test_advice_as_json(advice: Advice) -> None:
    content = json.loads(json.dumps(advice_json(advice, gather_machine(), complete=True)))
    assert content["chosen"]["size"] == [448, 448]
    assert [one["front"] for one in content["candidates"]] == [True, True, False, True, False]


def test_of_what_is_as_good_the_fastest_is_chosen(fake: Engine) -> None:
    """Within a standard error (0.01) of the best."""
    best, near, far = (
        candidate(fake, side, ms, iou, step_ms=20.0, fits=True)
        for side, ms, iou in ((896, 100, 0.700), (672, 60, 0.691), (448, 30, 0.689))
    )
    assert best_of([best, near, far]) is near
    assert best_of([best, far]) is best
    assert best_of([]) is None


def test_each_schedule_tries_the_fastest_of_what_is_as_good_with_it(fake: Engine) -> None:
    """A close-up is another mask than the whole frame's: how good the best of those is does not matter to it."""
    best, near, far = (
        candidate(fake, side, ms, whole, quality=Quality(10, whole, 0.01, closer))
        for side, ms, whole, closer in ((896, 100, 0.8, 0.7), (672, 60, 0.78, 0.695), (448, 30, 0.7, 0.6))
    )
    threaded = [replace(one, in_thread=True) for one in (best, near, far)]
    every, sparse, beside = by_schedule([best, near, far, *threaded], 33.0)
    assert every == [far]
    assert [(one.size[0], one.encode_every) for one in sparse] == [(896, 4), (672, 3), (448, 2)]
    assert beside == [threaded[1], threaded[0], threaded[2]]


def test_what_fits_at_every_step_goes_before_what_fits_on_average(fake: Engine, tmp_path: Path) -> None:
    sparse = candidate(
        fake, 896, 60, 0.9, encode_every=3, step_ms=80.0, step_mean_ms=30.0, fits=False, fits_on_average=True
    )
    steady = candidate(fake, 224, 10, 0.6, step_ms=12.0, step_mean_ms=11.0, fits=True, fits_on_average=True)
    slow = candidate(fake, 672, 50, 0.95, step_ms=70.0, step_mean_ms=50.0, fits=False, fits_on_average=False)
    assert best_of([sparse, steady, slow]) is steady
    assert best_of([slow]) is None
    assert best_of([sparse, slow]) is sparse
    advice = Advice(33.0, 10, (sparse, slow), sparse)
    text = advice_table(advice)
    assert "896x896, fake, 1 thread, one frame in 3" in text
    assert "30.0 ms a step on average within 33 ms, though a step that encodes takes 80.0 ms" in text
    assert advice.front == (slow,), "what is carried is no quality of its own"
    config = advice.config(tmp_path)
    assert config is not None
    config.write(tmp_path / "config.json")
    assert read_config(tmp_path / "config.json").encode_every == 3
    with sam_edge.load(config=config) as model, GazeSession(model, config=config) as session:
        assert (session.encode_every, session.mode) == (3, "sequential")
    with sam_edge.load(config=config) as model, GazeSession(model, config=config, mode="live") as session:
        assert (session.encode_every, session.mode) == (1, "live")


@pytest.mark.parametrize(
    ("frame_ms", "budget_ms", "every"),
    [(20.0, 33.0, 1), (26.0, 33.0, 2), (75.0, 33.0, 3), (25.0 * RAREST + 1, 33.0, None), (1.0, 8.0, None)],
)
def test_how_rarely_frames_must_be_encoded(frame_ms: float, budget_ms: float, every: int | None) -> None:
    """25 ms of every 33 are left for encoding, once 8 are gone for motion and for carrying the mask."""
    assert spacing(frame_ms, budget_ms) == every


def test_masks_are_judged_once_whatever_the_threads(plan: Plan, fake: Engine) -> None:
    engines = [fake, replace(fake, threads=2)]
    advisor = Advisor(engines, 1e6, sizes=[(224, 224)], pictures=1, video=plan.video, gaze=plan.gaze)
    said: list[str] = []
    advice, _ = advise(advisor, said.append)
    assert len({one.iou for one in advice.candidates if one.waits}) == 1
    assert sum(text.startswith("quality of 224x224: picture 1") for text in said) == 1


def test_a_frame_costs_one_prompt(plan: Plan, fake: Engine) -> None:
    advisor = Advisor(
        [fake], 33.0, sizes=[(224, 224), (448, 448)], pictures=1, video=plan.video, gaze=plan.gaze
    )
    assert {case.prompts for size in advisor.sizes for case in advisor.timed(size).cases()} == {0, 1}


def test_nothing_within_the_budget(advice: Advice, tmp_path: Path) -> None:
    nothing = replace(advice, chosen=None)
    assert "nothing keeps to 33 ms" in advice_table(nothing)
    assert nothing.config(tmp_path) is None


def test_a_budget_on_the_fake_engine(plan: Plan, fake: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its masks are discs of 24 to 96 input pixels: some of them hit a thing. No machine is too slow."""
    monkeypatch.setattr(search, "REFRESH_MS", 1e6)
    advisor = Advisor(
        [fake], 1e6, sizes=[(224, 224), (448, 448)], pictures=2, video=plan.video, gaze=plan.gaze
    )
    said: list[str] = []
    advice, complete = advise(advisor, said.append)
    assert complete
    assert len(advice.candidates) == 4
    assert all(one.iou is not None and 0 < one.iou < 1 for one in advice.candidates)
    assert advice.chosen is not None
    assert advice.chosen.fits
    fitting = [one for one in advice.candidates if one.fits]
    best = max(fitting, key=lambda one: one.iou or 0)
    assert best.quality is not None
    assert (best.iou or 0) - (advice.chosen.iou or 0) <= best.quality.iou_error
    assert {one.in_thread for one in fitting} == {True, False}
    assert any("quality" in text for text in said)


def test_ctrl_c_leaves_what_is_known(plan: Plan, fake: Engine) -> None:
    advisor = Advisor([fake], 50.0, sizes=[(224, 224)], pictures=1, video=plan.video, gaze=plan.gaze)

    def say(text: str) -> None:
        if text.startswith("quality"):
            raise KeyboardInterrupt

    advice, complete = advise(advisor, say)
    assert not complete
    assert advice.candidates[0].encode_ms is not None
    assert advice.chosen is None


def test_an_engine_that_fails_is_a_row(plan: Plan, fake: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise EngineError("melted")

    monkeypatch.setattr(Fake, "decode", fail)
    advisor = Advisor([fake], 50.0, sizes=[(224, 224)], pictures=1, video=plan.video, gaze=plan.gaze)
    advice, complete = advise(advisor)
    assert complete
    assert {one.failed for one in advice.candidates} == {"melted"}
    assert advice.chosen is None


def test_budgets_and_sets_that_are_refused(plan: Plan, fake: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="budget: 0"):
        Advisor([fake], 0, video=plan.video, gaze=plan.gaze)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="labelled"):
        Advisor([fake], 33, labelled=tmp_path, video=plan.video, gaze=plan.gaze)


def test_the_set_in_the_package_is_there() -> None:
    assert (LABELLED / "images").is_dir()


def test_a_configuration_is_taken_by_load_and_by_a_session(advice: Advice, tmp_path: Path) -> None:
    config = advice.config(tmp_path)
    assert config is not None
    assert config.bundle is None
    path = tmp_path / "config.json"
    config.write(path)
    assert read_config(path) == config
    for given in (config, path, str(path)):
        with sam_edge.load(config=given) as model, GazeSession(model, config=given) as session:
            assert model.runtime.name == "fake"
            assert session.size == (448, 448)
            assert session.mode == "sequential"


def test_what_is_given_goes_before_the_configuration(tmp_path: Path) -> None:
    config = Config(runtime="onnxruntime", precision="fp32", threads=1, size=(224, 224), mode="live")
    with sam_edge.load(config=config) as model:
        assert (model.runtime.name, model.runtime.threads) == ("onnxruntime", 1)
    with sam_edge.load(runtime="fake", config=config) as model:
        assert model.runtime.name == "fake"
        with GazeSession(model, size=(64, 64), config=config) as session:
            assert session.size == (64, 64)
            assert session.mode == "live"


def test_a_bundle_is_found_from_the_configurations_folder(
    fake: Engine, advice: Advice, tmp_path: Path
) -> None:
    assert advice.chosen is not None
    engine = replace(fake, bundle=tmp_path / "models" / "mine")
    config = replace(advice, chosen=replace(advice.chosen, engine=engine)).config(tmp_path / "settings")
    assert config is not None
    assert config.bundle == "../models/mine"
    path = tmp_path / "settings" / "config.json"
    config.write(path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine").symlink_to(DEFAULT_BUNDLE)
    with sam_edge.load(config=path) as model:
        assert model.bundle is not None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "no configuration"),
        ('{"kind": "sam-edge config", "schema": 3}', "schema 3"),
        ('{"kind": "sam-edge config", "schema": 1, "speed": 1}', "holds speed"),
        ('{"kind": "sam-edge config", "schema": 1, "threads": 0}', "threads is 0"),
        ('{"kind": "sam-edge config", "schema": 1, "size": [448]}', "size is"),
        ('{"kind": "sam-edge config", "schema": 1, "runtime": 3}', "runtime is 3"),
        ('{"kind": "sam-edge config", "schema": 1, "in_thread": "yes"}', "in_thread is"),
        (
            '{"kind": "sam-edge config", "schema": 2, "mode": "threaded"}',
            "mode is 'threaded'; accepted: sequential or live",
        ),
        ('{"kind": "sam-edge config", "schema": 2, "in_thread": true}', "holds in_thread"),
        ('{"kind": "sam-edge config", "schema": 1, "encode_every": null}', "encode_every is"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        sam_edge.load(config=path)
