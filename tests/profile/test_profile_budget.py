"""Recommendation within a budget, and the configuration that comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import sam_edge
from sam_edge.config import Config, read_config
from sam_edge.errors import EngineError, InputError
from sam_edge.profile.budget import ranking
from sam_edge.profile.budget.candidate import BudgetCandidate, Recommendation
from sam_edge.profile.budget.quality import MaskQuality
from sam_edge.profile.budget.ranking import MAX_ENCODE_EVERY, choose_best, encode_interval, rank_by_schedule
from sam_edge.profile.budget.search import DEFAULT_DATASET, BudgetSearch, run_search
from sam_edge.profile.measure.environment import gather_machine
from sam_edge.profile.measure.noise import MachineNoise
from sam_edge.profile.plan import EngineConfig, ProfilePlan
from sam_edge.profile.report.budget_report import (
    format_recommendation,
    recommendation_html,
    recommendation_json,
)
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import DEFAULT_BUNDLE
from sam_edge.stream.session import GazeSession


def candidate(engine: EngineConfig, side: int, ms: float, iou: float, **values: object) -> BudgetCandidate:
    quality = MaskQuality(10, iou, 0.01, iou)
    base = BudgetCandidate(
        engine, (side, side), "sequential", encode_ms=ms - 1, decode_ms=1.0, quality=quality
    )
    return replace(base, **values)  # type: ignore[arg-type]


@pytest.fixture
def recommendation(fake: EngineConfig) -> Recommendation:
    """The middle one of four keeps to the budget; the third is worse and slower than the second."""
    candidates = (
        candidate(fake, 224, 10, 0.6, step_ms=12.0, fits=True),
        candidate(fake, 448, 20, 0.7, step_ms=25.0, fits=True),
        candidate(fake, 480, 30, 0.65),
        candidate(fake, 896, 40, 0.8, step_ms=60.0, fits=False),
        candidate(fake, 512, 40, 0.8, error="broken", encode_ms=None, quality=None),
    )
    return Recommendation(33.0, 10, candidates, candidates[1])


def test_the_front_is_what_no_other_beats(recommendation: Recommendation) -> None:
    assert [candidate.size[0] for candidate in recommendation.front] == [224, 448, 896]


def test_advice_for_people(recommendation: Recommendation) -> None:
    text = format_recommendation(recommendation)
    assert "448x448, fake, 1 thread, every frame" in text
    assert "CHOSEN" in text
    assert "too slow" in text
    assert "FAILED broken" in text
    assert "IoU 0.700 on 10 images" in text
    content = recommendation_html(recommendation, gather_machine())
    assert "448x448" in content
    assert "http" not in content
    assert content.count("<circle") == 4


def test_advice_from_a_busy_machine_says_so(recommendation: Recommendation) -> None:
    busy = replace(recommendation, noise=MachineNoise(5, 0.4, 1.1, 1.0, 3.0, True))
    for text in (format_recommendation(busy), recommendation_html(busy, gather_machine())):
        assert "other processes used 40 % of the cores" in text
    assert recommendation_json(busy, gather_machine(), complete=True)["noise"]["busy"] is True
    assert "other processes used" not in format_recommendation(recommendation)


def test_advice_as_json(recommendation: Recommendation) -> None:
    content = json.loads(json.dumps(recommendation_json(recommendation, gather_machine(), complete=True)))
    assert content["chosen"]["size"] == [448, 448]
    assert [item["pareto"] for item in content["candidates"]] == [True, True, False, True, False]


def test_of_what_is_as_good_the_fastest_is_chosen(fake: EngineConfig) -> None:
    """Within a standard error (0.01) of the best."""
    best, near, far = (
        candidate(fake, side, ms, iou, step_ms=20.0, fits=True)
        for side, ms, iou in ((896, 100, 0.700), (672, 60, 0.691), (448, 30, 0.689))
    )
    assert choose_best([best, near, far]) is near
    assert choose_best([best, far]) is best
    assert choose_best([]) is None


def test_each_schedule_tries_the_fastest_of_what_is_as_good_with_it(fake: EngineConfig) -> None:
    """A close-up is another mask than the whole frame's: how good the best of those is does not matter to it."""
    best, near, far = (
        candidate(fake, side, ms, whole, quality=MaskQuality(10, whole, 0.01, closer))
        for side, ms, whole, closer in ((896, 100, 0.8, 0.7), (672, 60, 0.78, 0.695), (448, 30, 0.7, 0.6))
    )
    live_candidates = [replace(item, mode="live") for item in (best, near, far)]
    every, sparse, live = rank_by_schedule([best, near, far, *live_candidates], 33.0)
    assert every == [far]
    assert [(item.size[0], item.encode_every) for item in sparse] == [(896, 4), (672, 3), (448, 2)]
    assert live == [live_candidates[1], live_candidates[0], live_candidates[2]]


def test_what_fits_at_every_step_goes_before_what_fits_on_average(fake: EngineConfig, tmp_path: Path) -> None:
    sparse = candidate(
        fake, 896, 60, 0.9, encode_every=3, step_ms=80.0, step_mean_ms=30.0, fits=False, fits_on_average=True
    )
    steady = candidate(fake, 224, 10, 0.6, step_ms=12.0, step_mean_ms=11.0, fits=True, fits_on_average=True)
    slow = candidate(fake, 672, 50, 0.95, step_ms=70.0, step_mean_ms=50.0, fits=False, fits_on_average=False)
    assert choose_best([sparse, steady, slow]) is steady
    assert choose_best([slow]) is None
    assert choose_best([sparse, slow]) is sparse
    recommendation = Recommendation(33.0, 10, (sparse, slow), sparse)
    text = format_recommendation(recommendation)
    assert "896x896, fake, 1 thread, one frame in 3" in text
    assert "step mean 30.0 ms, within 33 ms, but p95 80.0 ms" in text
    assert recommendation.front == (slow,), "the IoU of propagated masks is not measured"
    config = recommendation.config(tmp_path)
    assert config is not None
    config.write(tmp_path / "config.json")
    assert read_config(tmp_path / "config.json").encode_every == 3
    with sam_edge.load(config=config) as model, GazeSession(model, config=config) as session:
        assert (session.encode_every, session.mode) == (3, "sequential")
    with sam_edge.load(config=config) as model, GazeSession(model, config=config, mode="live") as session:
        assert (session.encode_every, session.mode) == (1, "live")


@pytest.mark.parametrize(
    ("frame_ms", "budget_ms", "every"),
    [
        (20.0, 33.0, 1),
        (26.0, 33.0, 2),
        (75.0, 33.0, 3),
        (25.0 * MAX_ENCODE_EVERY + 1, 33.0, None),
        (1.0, 8.0, None),
    ],
)
def test_how_rarely_frames_must_be_encoded(frame_ms: float, budget_ms: float, every: int | None) -> None:
    """25 ms of every 33 are left for encoding, once 8 are gone for motion and for carrying the mask."""
    assert encode_interval(frame_ms, budget_ms) == every


def test_masks_are_judged_once_whatever_the_threads(plan: ProfilePlan, fake: EngineConfig) -> None:
    engines = [fake, replace(fake, threads=2)]
    search = BudgetSearch(engines, 1e6, sizes=[(224, 224)], limit=1, video=plan.video, gaze=plan.gaze)
    messages: list[str] = []
    recommendation, _ = run_search(search, messages.append)
    assert len({item.iou for item in recommendation.candidates if item.encodes_every_frame}) == 1
    assert sum(text.startswith("quality of 224x224: image 1") for text in messages) == 1


def test_a_frame_costs_one_prompt(plan: ProfilePlan, fake: EngineConfig) -> None:
    search = BudgetSearch(
        [fake], 33.0, sizes=[(224, 224), (448, 448)], limit=1, video=plan.video, gaze=plan.gaze
    )
    assert {case.prompts for size in search.sizes for case in search.timing_plan(size).cases()} == {0, 1}


def test_nothing_within_the_budget(recommendation: Recommendation, tmp_path: Path) -> None:
    nothing = replace(recommendation, chosen=None)
    assert "no candidate is within 33 ms" in format_recommendation(nothing)
    assert nothing.config(tmp_path) is None


def test_a_budget_on_the_fake_engine(
    plan: ProfilePlan, fake: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its masks are discs of 24 to 96 input pixels: some of them hit a thing. No machine is too slow."""
    monkeypatch.setattr(ranking, "MAX_LIVE_FRAME_MS", 1e6)
    search = BudgetSearch(
        [fake], 1e6, sizes=[(224, 224), (448, 448)], limit=2, video=plan.video, gaze=plan.gaze
    )
    messages: list[str] = []
    recommendation, complete = run_search(search, messages.append)
    assert complete
    assert len(recommendation.candidates) == 4
    assert all(item.iou is not None and 0 < item.iou < 1 for item in recommendation.candidates)
    assert recommendation.chosen is not None
    assert recommendation.chosen.fits
    fitting = [item for item in recommendation.candidates if item.fits]
    best = max(fitting, key=lambda item: item.iou or 0)
    assert best.quality is not None
    assert (best.iou or 0) - (recommendation.chosen.iou or 0) <= best.quality.iou_error
    assert {item.mode for item in fitting} == {"sequential", "live"}
    assert any("quality" in text for text in messages)


def test_ctrl_c_leaves_what_is_known(plan: ProfilePlan, fake: EngineConfig) -> None:
    search = BudgetSearch([fake], 50.0, sizes=[(224, 224)], limit=1, video=plan.video, gaze=plan.gaze)

    def say(text: str) -> None:
        if text.startswith("quality"):
            raise KeyboardInterrupt

    recommendation, complete = run_search(search, say)
    assert not complete
    assert recommendation.candidates[0].encode_ms is not None
    assert recommendation.chosen is None


def test_an_engine_that_fails_is_a_row(
    plan: ProfilePlan, fake: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EngineError("melted")

    monkeypatch.setattr(Fake, "decode", fail)
    search = BudgetSearch([fake], 50.0, sizes=[(224, 224)], limit=1, video=plan.video, gaze=plan.gaze)
    recommendation, complete = run_search(search)
    assert complete
    assert {item.error for item in recommendation.candidates} == {"melted"}
    assert recommendation.chosen is None


def test_budgets_and_sets_that_are_refused(plan: ProfilePlan, fake: EngineConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="budget: 0"):
        BudgetSearch([fake], 0, video=plan.video, gaze=plan.gaze)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="dataset"):
        BudgetSearch([fake], 33, dataset=tmp_path, video=plan.video, gaze=plan.gaze)


def test_the_set_in_the_package_is_there() -> None:
    assert (DEFAULT_DATASET / "images").is_dir()


def test_a_configuration_is_taken_by_load_and_by_a_session(
    recommendation: Recommendation, tmp_path: Path
) -> None:
    config = recommendation.config(tmp_path)
    assert config is not None
    assert config.bundle is None
    path = tmp_path / "config.json"
    config.write(path)
    assert read_config(path) == config
    for source in (config, path, str(path)):
        with sam_edge.load(config=source) as model, GazeSession(model, config=source) as session:
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
    fake: EngineConfig, recommendation: Recommendation, tmp_path: Path
) -> None:
    assert recommendation.chosen is not None
    engine = replace(fake, bundle=tmp_path / "models" / "mine")
    config = replace(recommendation, chosen=replace(recommendation.chosen, engine=engine)).config(
        tmp_path / "settings"
    )
    assert config is not None
    assert config.bundle == "../models/mine"
    path = tmp_path / "settings" / "config.json"
    config.write(path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine").symlink_to(DEFAULT_BUNDLE)
    with sam_edge.load(config=path) as model:
        assert model.bundle is not None


@pytest.mark.parametrize(
    ("content", "message"),
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
def test_configurations_that_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        sam_edge.load(config=path)
