"""Searches for the best engine, precision, size and schedule within a latency budget, by measured mask quality."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sam_edge.errors import InputError
from sam_edge.exporters.image_sets import LabelledImage, read_labelled_images
from sam_edge.profile.budget import ranking
from sam_edge.profile.budget.candidate import BudgetCandidate, CandidateKey, Recommendation
from sam_edge.profile.budget.quality import MaskQuality, measure_quality
from sam_edge.profile.measure.failures import describe_error
from sam_edge.profile.measure.noise import NoiseMeter
from sam_edge.profile.measure.session import (
    LIVE,
    SEQUENTIAL,
    SessionSchedule,
    measure_session,
    play_live,
    play_sequential,
)
from sam_edge.profile.measure.timed_runtime import open_engine
from sam_edge.profile.measure.timing import InterleavedTiming, TimingResult
from sam_edge.profile.plan import ASSETS, EngineConfig, ProfilePlan

DEFAULT_DATASET = ASSETS / "labelled"
"""The labelled images in the package."""
BUDGET_SIZES = ((224, 224), (224, 448), (448, 448), (448, 672), (672, 672), (672, 896), (896, 896))
"""Default encoder inputs (height, width): multiples of 224, which need no padding of attention windows."""
MAX_SESSIONS = 3
"""Sessions that are played for each schedule, best candidate first, until one fits the budget."""
ROUNDS = 4
"""Timing rounds; the latency that decides is measured in a session."""


class BudgetSearch:
    """Searches for the best candidate within a latency budget. Results are available at any moment."""

    def __init__(
        self,
        engines: Sequence[EngineConfig],
        budget_ms: float,
        *,
        sizes: Sequence[tuple[int, int]] = BUDGET_SIZES,
        dataset: Path = DEFAULT_DATASET,
        limit: int | None = None,
        video: Path,
        gaze: Path | None,
        fps: float | None = None,
    ) -> None:
        """Read the labelled images.

        Args:
            engines: models on engines.
            budget_ms: latency budget of a step, milliseconds.
            sizes: encoder inputs (height, width).
            dataset: a folder with `images/NAME.jpg` and `labels/NAME.txt`.
            limit: maximum number of images; None uses all.
            video: video of the sessions, or the folder of a recording that holds gaze as well.
            gaze: gaze recording of the sessions; None: `video` is a recording's folder.
            fps: frames a second of the video; None: the times that the recording or the video states.

        Raises:
            InputError: the budget is not positive, or the dataset has no usable image.
        """
        if not budget_ms > 0:
            raise InputError(
                f"budget: {budget_ms} ms is not accepted; give a positive number, for example 33"
            )
        self._images: list[LabelledImage] = list(read_labelled_images(dataset, at_most=limit))
        if not self._images:
            raise InputError(
                f"dataset: {dataset} has no image with a labelled object of 400 pixels or more; "
                "give a folder with images/ and labels/"
            )
        self._budget_ms = budget_ms
        self._plan = ProfilePlan(
            tuple(engines),
            sizes=tuple(sizes),
            prompts=(1,),
            first_size_prompts=(),
            rounds=ROUNDS,
            video=video,
            gaze=gaze,
            fps=fps,
        )
        self._noise = NoiseMeter()
        self._candidates: dict[CandidateKey, BudgetCandidate] = {
            (engine, size, mode, 1): BudgetCandidate(engine, size, mode)
            for size in self._plan.sizes
            for engine in self._plan.engines
            for mode in (SEQUENTIAL, LIVE)
        }

    def run(self) -> Generator[str]:
        """Measure; yields the next step before it runs."""
        for size in self._plan.sizes:
            with closing(self._time(size)) as steps:
                yield from steps
        for engine in self._plan.engines:
            for size in self._plan.sizes:
                yield from self._measure_quality(engine, size)
        for candidates in ranking.rank_by_schedule(tuple(self._candidates.values()), self._budget_ms):
            yield from self._play_sessions(candidates)

    def recommendation(self) -> Recommendation:
        """Return the results so far."""
        candidates = tuple(self._candidates.values())
        return Recommendation(
            self._budget_ms,
            len(self._images),
            candidates,
            ranking.choose_best(candidates),
            self._noise.noise(),
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Encoder inputs (height, width) of the candidates."""
        return self._plan.sizes

    def timing_plan(self, size: tuple[int, int]) -> ProfilePlan:
        """Return the timing plan of one size: encoding, and decoding of one prompt."""
        return replace(self._plan, sizes=(size,))

    def _time(self, size: tuple[int, int]) -> Generator[str]:
        """Time one size on all engines."""
        timing = InterleavedTiming(self.timing_plan(size), broken={}, energy=None, noise=self._noise)
        yield from timing.run()
        for result in timing.results():
            self._add_timing(result)

    def _add_timing(self, result: TimingResult) -> None:
        median_ms = result.total.median_ms if result.total is not None else None
        for mode in (SEQUENTIAL, LIVE):
            key = (result.case.engine, result.case.size, mode, 1)
            candidate = self._candidates[key]
            if result.error:
                candidate = replace(candidate, error=result.error)
            elif result.case.prompts:
                candidate = replace(candidate, decode_ms=median_ms)
            else:
                candidate = replace(candidate, encode_ms=median_ms)
            self._candidates[key] = candidate

    def _measure_quality(self, engine: EngineConfig, size: tuple[int, int]) -> Generator[str]:
        """Measure the mask quality of a size on an engine, unless it is too slow for every schedule."""
        keys = [(engine, size, mode, 1) for mode in (SEQUENTIAL, LIVE)]
        candidate = self._candidates[keys[0]]
        limit_ms = max(ranking.MAX_LIVE_FRAME_MS, ranking.MAX_ENCODE_EVERY * self._budget_ms)
        if candidate.error or candidate.frame_ms is None or candidate.frame_ms > limit_ms:
            return
        quality, failure = self._known_quality(engine, size), None
        try:
            if quality is None:
                with open_engine(engine) as model:
                    yield f"quality of {size[1]}x{size[0]}, {engine.label}"
                    quality = yield from measure_quality(model, self._images, size)
        except Exception as error:  # an engine may raise anything; the others still run
            failure = describe_error(error)
        for key in keys:
            self._candidates[key] = replace(self._candidates[key], quality=quality, error=failure)

    def _known_quality(self, engine: EngineConfig, size: tuple[int, int]) -> MaskQuality | None:
        """Return the quality of the same engine with another number of threads, on which masks do not depend."""
        qualities = (
            candidate.quality
            for candidate in self._candidates.values()
            if candidate.size == size and replace(candidate.engine, threads=engine.threads) == engine
        )
        return next((quality for quality in qualities if quality is not None), None)

    def _play_sessions(self, candidates: Sequence[BudgetCandidate]) -> Generator[str]:
        """Play sessions of the best candidates until one fits the budget."""
        for candidate in candidates[:MAX_SESSIONS]:
            yield f"session, {candidate.label}"
            measured = self._play_session(candidate)
            self._candidates[candidate.key] = measured
            if measured.fits or (measured.encode_every > 1 and measured.fits_on_average):
                return

    def _play_session(self, candidate: BudgetCandidate) -> BudgetCandidate:
        play = play_live if candidate.mode == LIVE else play_sequential
        schedule = SessionSchedule(candidate.mode, candidate.size, candidate.encode_every)
        try:
            result, _ = measure_session(candidate.engine, self._plan.open_clip(), schedule, play)
        except Exception as error:  # as above
            return replace(candidate, error=describe_error(error), fits=False, fits_on_average=False)
        total = result.stages.get("total")
        if total is None:
            return replace(candidate, error="no step was timed: the video is too short", fits=False)
        return replace(
            candidate,
            step_ms=total.p95_ms,
            step_mean_ms=total.mean_ms,
            fits=total.p95_ms <= self._budget_ms,
            fits_on_average=total.mean_ms <= self._budget_ms,
        )


def run_search(
    search: BudgetSearch, on_progress: Callable[[str], None] | None = None
) -> tuple[Recommendation, bool]:
    """Run a search. Ctrl-C ends the measurement; the results until then are returned.

    Args:
        search: the search.
        on_progress: receives a short text before each step.

    Returns:
        The recommendation, and whether the search was completed.
    """
    complete = True
    try:
        with closing(search.run()) as steps:
            for text in steps:
                if on_progress is not None:
                    on_progress(text)
    except KeyboardInterrupt:
        complete = False
    return search.recommendation(), complete
