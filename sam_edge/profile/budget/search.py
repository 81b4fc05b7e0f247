"""The best engine, precision, size and schedule on this machine within a time a frame, by measured quality."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from sam_edge.config import Config
from sam_edge.errors import InputError
from sam_edge.exporters.pictures import LabelledPicture, labelled_pictures
from sam_edge.profile.budget.quality import Quality, measure_quality
from sam_edge.profile.measure.failures import reason
from sam_edge.profile.measure.noise import Noise, NoiseMeter
from sam_edge.profile.measure.session import (
    ON_A_CLOCK,
    WAITING,
    Schedule,
    measure_session,
    on_a_clock,
    waiting,
)
from sam_edge.profile.measure.timed_runtime import open_engine
from sam_edge.profile.measure.timing import TimedRow, Timing
from sam_edge.profile.plan import ASSETS, Engine, Plan
from sam_edge.segmenter import DEFAULT_BUNDLE

LABELLED = ASSETS / "labelled"
"""The set in the package."""
SIZES_TRIED = ((224, 224), (224, 448), (448, 448), (448, 672), (672, 672), (672, 896), (896, 896))
"""Input sizes (height, width): multiples of 224, which pad no windows."""
REFRESH_MS = 150.0
"""In a thread, a whole frame has to be encoded this often for a session to notice what else is meant."""
RAREST = 8
"""Encoded once in so many frames at least: a mask that is carried for longer has little to do with the picture."""
CARRY_MS = 8.0
"""About what a frame costs that is not encoded: motion, and the mask carried. A session then measures it."""
TRIED = 3
"""Sessions that are played for each schedule, the best candidate's first, until one keeps to the budget."""
ROUNDS = 4
"""Rounds of timing: what decides is measured again in a session."""


Key = tuple[Engine, tuple[int, int], bool, int]
"""What tells candidates apart: engine, size, whether in a thread, and how rarely without one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model on an engine at a size, with a schedule."""

    engine: Engine
    """The model and its engine."""
    size: tuple[int, int]
    """The encoder's input (height, width) for whole frames."""
    in_thread: bool
    """The schedule: whether frames are encoded beside the camera, or every step waits for its own."""
    encode_every: int = 1
    """The schedule without a thread: one frame in so many is encoded, and the mask carried in between."""
    encode_ms: float | None = None
    """Median of encoding a frame."""
    decode_ms: float | None = None
    """Median of decoding one prompt."""
    quality: Quality | None = None
    """IoU with the truth."""
    step_ms: float | None = None
    """95th percentile of a step of a real session; None where none was played."""
    step_mean_ms: float | None = None
    """Mean of a step of that session."""
    fits: bool | None = None
    """Whether the step keeps to the budget; None where it was not looked at."""
    fits_on_average: bool | None = None
    """Whether the mean of a step does, which is enough where a queue takes up the frames that wait."""
    failed: str | None = None
    """Why there is nothing."""

    @property
    def frame_ms(self) -> float | None:
        """Time from a frame to its mask without anything else: encoding and one decoding."""
        return None if self.encode_ms is None or self.decode_ms is None else self.encode_ms + self.decode_ms

    @property
    def iou(self) -> float | None:
        """The quality of what a person sees with this schedule."""
        if self.quality is None:
            return None
        return self.quality.closeup_iou if self.in_thread else self.quality.iou

    @property
    def schedule(self) -> str:
        """Name the schedule."""
        if self.in_thread:
            return "in a thread"
        return "every frame" if self.encode_every == 1 else f"one frame in {self.encode_every}"

    @property
    def waits(self) -> bool:
        """Whether every step waits for its own frame's encoding."""
        return not self.in_thread and self.encode_every == 1

    @property
    def label(self) -> str:
        """Name it for people."""
        return f"{self.size[1]}x{self.size[0]}, {self.engine.label}, {self.schedule}"


@dataclass(frozen=True, slots=True)
class Advice:
    """What was found."""

    budget_ms: float
    """The time that a step may take."""
    pictures: int
    """Pictures of the labelled set."""
    candidates: tuple[Candidate, ...]
    """Everything that was looked at."""
    chosen: Candidate | None
    """The best of those whose steps keep to the budget, else of those that do on average; None when none does."""
    noise: Noise | None = None
    """What else the machine was doing."""

    @property
    def front(self) -> tuple[Candidate, ...]:
        """Candidates that wait, and that no other one beats in both time and quality, the fastest first (Pareto)."""
        known = [
            one for one in self.candidates if one.waits and one.frame_ms is not None and one.iou is not None
        ]
        found: list[Candidate] = []
        for one in sorted(known, key=lambda one: (one.frame_ms or 0.0, -(one.iou or 0.0))):
            if not found or (one.iou or 0.0) > (found[-1].iou or 0.0):
                found.append(one)
        return tuple(found)

    def config(self, folder: Path) -> Config | None:
        """Build the configuration of what was chosen, for a file in `folder`; None when nothing was."""
        if self.chosen is None:
            return None
        engine = self.chosen.engine
        return Config(
            bundle=None if engine.bundle == DEFAULT_BUNDLE else os.path.relpath(engine.bundle, folder),
            runtime=engine.runtime,
            precision=engine.precision,
            threads=engine.threads,
            size=self.chosen.size,
            mode="live" if self.chosen.in_thread else "sequential",
            encode_every=self.chosen.encode_every,
            measured={
                "budget_ms": self.budget_ms,
                "step_p95_ms": rounded(self.chosen.step_ms),
                "step_mean_ms": rounded(self.chosen.step_mean_ms),
                "encode_ms": rounded(self.chosen.encode_ms),
                "decode_ms": rounded(self.chosen.decode_ms),
                "iou": rounded(self.chosen.iou, 4),
                "pictures": self.pictures,
            },
            folder=folder,
        )


def rounded(value: float | None, digits: int = 2) -> float | None:
    """Round a figure, if it is known."""
    return None if value is None else round(value, digits)


class Advisor:
    """Looks for the best within a budget. Results can be asked for at any moment."""

    def __init__(
        self,
        engines: Sequence[Engine],
        budget_ms: float,
        *,
        sizes: Sequence[tuple[int, int]] = SIZES_TRIED,
        labelled: Path = LABELLED,
        pictures: int | None = None,
        video: Path,
        gaze: Path,
    ) -> None:
        """Read the labelled set.

        Args:
            engines: models on engines.
            budget_ms: the time that a step of a session may take, milliseconds.
            sizes: the encoder's inputs (height, width).
            labelled: a folder with `images/NAME.jpg` and `labels/NAME.txt`.
            pictures: how many of them at most; None takes all.
            video: what the sessions see.
            gaze: where the person looks in it.

        Raises:
            InputError: the budget is not positive, or the set holds nothing.
        """
        if not budget_ms > 0:
            raise InputError(
                f"budget: {budget_ms} ms is not accepted; give a positive number, for example 33"
            )
        self._pictures: list[LabelledPicture] = list(labelled_pictures(labelled, at_most=pictures))
        if not self._pictures:
            raise InputError(f"labelled: {labelled} holds no picture with a thing of 400 pixels or more")
        self._budget_ms = budget_ms
        self._plan = Plan(
            tuple(engines), sizes=tuple(sizes), prompts=(1,), many=(), rounds=ROUNDS, video=video, gaze=gaze
        )
        self._noise = NoiseMeter()
        self._found: dict[Key, Candidate] = {
            (engine, size, in_thread, 1): Candidate(engine, size, in_thread)
            for size in self._plan.sizes
            for engine in self._plan.engines
            for in_thread in (False, True)
        }

    def run(self) -> Generator[str]:
        """Measure; says what comes next before each step."""
        for size in self._plan.sizes:
            with closing(self._time(size)) as steps:
                yield from steps
        for engine in self._plan.engines:
            for size in self._plan.sizes:
                yield from self._judge(engine, size)
        for candidates in by_schedule(tuple(self._found.values()), self._budget_ms):
            yield from self._play(candidates)

    def advice(self) -> Advice:
        """Say what was found so far."""
        candidates = tuple(self._found.values())
        return Advice(
            self._budget_ms, len(self._pictures), candidates, best_of(candidates), self._noise.noise()
        )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """The encoder's inputs (height, width) that are tried."""
        return self._plan.sizes

    def timed(self, size: tuple[int, int]) -> Plan:
        """Say what is timed of a size: a frame costs one encoding and one prompt."""
        return replace(self._plan, sizes=(size,))

    def _time(self, size: tuple[int, int]) -> Generator[str]:
        """Time one size on all engines."""
        timing = Timing(self.timed(size), broken={}, energy=None, noise=self._noise)
        yield from timing.run()
        for row in timing.rows():
            self._note(row)

    def _note(self, row: TimedRow) -> None:
        median_ms = row.total.median_ms if row.total is not None else None
        for in_thread in (False, True):
            key = (row.case.engine, row.case.size, in_thread, 1)
            one = self._found[key]
            if row.failed:
                one = replace(one, failed=row.failed)
            elif row.case.prompts:
                one = replace(one, decode_ms=median_ms)
            else:
                one = replace(one, encode_ms=median_ms)
            self._found[key] = one

    def _judge(self, engine: Engine, size: tuple[int, int]) -> Generator[str]:
        """Measure the quality of a size on an engine, unless no schedule could be fast enough with it."""
        keys = [(engine, size, in_thread, 1) for in_thread in (False, True)]
        one = self._found[keys[0]]
        limit_ms = max(REFRESH_MS, RAREST * self._budget_ms)
        if one.failed or one.frame_ms is None or one.frame_ms > limit_ms:
            return
        quality, failed = self._judged_already(engine, size), None
        try:
            if quality is None:
                with open_engine(engine) as model:
                    yield f"quality of {size[1]}x{size[0]}, {engine.label}"
                    quality = yield from measure_quality(model, self._pictures, size)
        except Exception as error:  # an engine may raise anything; the others are to go on
            failed = reason(error)
        for key in keys:
            self._found[key] = replace(self._found[key], quality=quality, failed=failed)

    def _judged_already(self, engine: Engine, size: tuple[int, int]) -> Quality | None:
        """Return what is known of the same engine with another number of threads: masks do not depend on it."""
        alike = (
            one.quality
            for one in self._found.values()
            if one.size == size and replace(one.engine, threads=engine.threads) == engine
        )
        return next((quality for quality in alike if quality is not None), None)

    def _play(self, candidates: Sequence[Candidate]) -> Generator[str]:
        """Play sessions of what promises most, until one keeps to the budget."""
        for one in candidates[:TRIED]:
            yield f"session, {one.label}"
            played = self._played(one)
            self._found[one.engine, one.size, one.in_thread, one.encode_every] = played
            if played.fits or (played.encode_every > 1 and played.fits_on_average):
                return

    def _played(self, one: Candidate) -> Candidate:
        mode, play = (ON_A_CLOCK, on_a_clock) if one.in_thread else (WAITING, waiting)
        schedule = Schedule(mode, one.size, one.encode_every)
        try:
            row, _ = measure_session(one.engine, self._plan.video, self._plan.gaze, schedule, play)
        except Exception as error:  # as above
            return replace(one, failed=reason(error), fits=False, fits_on_average=False)
        total = row.stages.get("total")
        if total is None:
            return replace(one, failed="no step was timed: the video is too short", fits=False)
        return replace(
            one,
            step_ms=total.p95_ms,
            step_mean_ms=total.mean_ms,
            fits=total.p95_ms <= self._budget_ms,
            fits_on_average=total.mean_ms <= self._budget_ms,
        )


def best_of(candidates: Sequence[Candidate]) -> Candidate | None:
    """Choose the best masks of those that keep to the budget, else of those that do on average; None when none does."""
    fitting = [one for one in candidates if one.fits] or [one for one in candidates if one.fits_on_average]
    return next(iter(by_promise(fitting)), None)


def by_schedule(candidates: Sequence[Candidate], budget_ms: float) -> tuple[list[Candidate], ...]:
    """List what may do with each schedule, the most promising first: every frame, one frame in some, in a thread."""
    known = [(one, one.frame_ms) for one in candidates if one.frame_ms is not None and one.iou is not None]
    waiting = [one for one, frame_ms in known if one.waits and frame_ms <= budget_ms]
    threaded = [one for one, frame_ms in known if one.in_thread and frame_ms <= REFRESH_MS]
    sparse = [
        replace(one, encode_every=every)
        for one, frame_ms in known
        if one.waits and (every := spacing(frame_ms, budget_ms)) is not None and every > 1
    ]
    return by_promise(waiting), by_promise(sparse), by_promise(threaded)


def by_promise(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort by quality, the best first. What is within a standard error of the best is as good: of those the fastest."""
    best = max(candidates, key=lambda one: one.iou or 0.0, default=None)
    if best is None:
        return []
    most, error = best.iou or 0.0, best.quality.iou_error if best.quality is not None else 0.0

    def order(one: Candidate) -> tuple[float, float]:
        behind = most - (one.iou or 0.0)
        return behind if behind > error else 0.0, one.frame_ms or 0.0

    return sorted(candidates, key=order)


def spacing(frame_ms: float, budget_ms: float) -> int | None:
    """Return how rarely frames must be encoded so that a step's mean keeps to the budget; None for too rarely."""
    if budget_ms <= CARRY_MS:
        return None
    every = max(1, math.ceil(frame_ms / (budget_ms - CARRY_MS)))
    return every if every <= RAREST else None


def advise(advisor: Advisor, say: Callable[[str], None] | None = None) -> tuple[Advice, bool]:
    """Run an advisor.

    Returns:
        What it found, and whether it came to its end: ctrl-C ends the measuring, not the advice.
    """
    complete = True
    try:
        with closing(advisor.run()) as steps:
            for text in steps:
                if say is not None:
                    say(text)
    except KeyboardInterrupt:
        complete = False
    return advisor.advice(), complete
