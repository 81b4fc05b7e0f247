"""Candidate configurations of a model on this machine, and the recommendation among them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sam_edge.config import Config, Mode
from sam_edge.profile.budget.quality import MaskQuality
from sam_edge.profile.measure.noise import MachineNoise
from sam_edge.profile.measure.session import LIVE, SEQUENTIAL
from sam_edge.profile.plan import EngineConfig
from sam_edge.segmenter import DEFAULT_BUNDLE

CandidateKey = tuple[EngineConfig, tuple[int, int], Mode, int]
"""Identifies a candidate: engine, size, mode, and `encode_every`."""


@dataclass(frozen=True, slots=True)
class BudgetCandidate:
    """An engine at an input size with a schedule."""

    engine: EngineConfig
    size: tuple[int, int]
    """Encoder input (height, width) for whole frames."""
    mode: Mode
    """Session mode: `sequential` or `live`."""
    encode_every: int = 1
    """In sequential mode, every n-th frame is encoded and the mask is propagated in between."""
    encode_ms: float | None = None
    """Median latency of encoding a frame, milliseconds."""
    decode_ms: float | None = None
    """Median latency of decoding one prompt, milliseconds."""
    quality: MaskQuality | None = None
    """IoU with the ground truth."""
    step_ms: float | None = None
    """95th percentile of a step in a real session, milliseconds; None when no session was played."""
    step_mean_ms: float | None = None
    """Mean of a step in that session, milliseconds."""
    fits: bool | None = None
    """Whether the 95th percentile of a step is within the budget; None when no session was played."""
    fits_on_average: bool | None = None
    """Whether the mean of a step is within the budget, which suffices if waiting frames are queued."""
    error: str | None = None
    """Why it was not measured; None on success."""

    @property
    def key(self) -> CandidateKey:
        """Identifies the candidate."""
        return self.engine, self.size, self.mode, self.encode_every

    @property
    def frame_ms(self) -> float | None:
        """Latency from a frame to its mask: one encoding and one decoding, milliseconds."""
        return None if self.encode_ms is None or self.decode_ms is None else self.encode_ms + self.decode_ms

    @property
    def iou(self) -> float | None:
        """Mean IoU of the masks that this schedule shows: of close-ups in live mode, else of whole frames."""
        if self.quality is None:
            return None
        return self.quality.closeup_iou if self.mode == LIVE else self.quality.iou

    @property
    def iou_error(self) -> float:
        """Standard error of the mean IoU; 0 when it is unknown."""
        return self.quality.iou_error if self.quality is not None else 0.0

    @property
    def schedule(self) -> str:
        """Display name of the schedule."""
        if self.mode == LIVE:
            return "live"
        return "every frame" if self.encode_every == 1 else f"one frame in {self.encode_every}"

    @property
    def encodes_every_frame(self) -> bool:
        """Whether every step waits for the encoding of its own frame."""
        return self.mode == SEQUENTIAL and self.encode_every == 1

    @property
    def label(self) -> str:
        """Display name."""
        return f"{self.size[1]}x{self.size[0]}, {self.engine.label}, {self.schedule}"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Result of a budget search."""

    budget_ms: float
    """Latency budget of a step, milliseconds."""
    images: int
    """Images of the labelled dataset."""
    candidates: tuple[BudgetCandidate, ...]
    """All candidates."""
    chosen: BudgetCandidate | None
    """The best candidate within the budget at the 95th percentile, else on average; None when none is."""
    noise: MachineNoise | None = None
    """Other load on the machine."""

    @property
    def front(self) -> tuple[BudgetCandidate, ...]:
        """The Pareto front of latency and quality among candidates that encode every frame, the fastest first."""
        known = [
            candidate
            for candidate in self.candidates
            if candidate.encodes_every_frame and candidate.frame_ms is not None and candidate.iou is not None
        ]
        front: list[BudgetCandidate] = []
        for candidate in sorted(known, key=lambda item: (item.frame_ms or 0.0, -(item.iou or 0.0))):
            if not front or (candidate.iou or 0.0) > (front[-1].iou or 0.0):
                front.append(candidate)
        return tuple(front)

    def config(self, folder: Path) -> Config | None:
        """Build the configuration of the chosen candidate, for a file in `folder`; None when there is none."""
        if self.chosen is None:
            return None
        engine = self.chosen.engine
        return Config(
            bundle=None if engine.bundle == DEFAULT_BUNDLE else os.path.relpath(engine.bundle, folder),
            runtime=engine.runtime,
            precision=engine.precision,
            threads=engine.threads,
            size=self.chosen.size,
            mode=self.chosen.mode,
            encode_every=self.chosen.encode_every,
            measured={
                "budget_ms": self.budget_ms,
                "step_p95_ms": round_known(self.chosen.step_ms),
                "step_mean_ms": round_known(self.chosen.step_mean_ms),
                "encode_ms": round_known(self.chosen.encode_ms),
                "decode_ms": round_known(self.chosen.decode_ms),
                "iou": round_known(self.chosen.iou, 4),
                "images": self.images,
            },
            folder=folder,
        )


def round_known(value: float | None, digits: int = 2) -> float | None:
    """Round a figure; None stays None."""
    return None if value is None else round(value, digits)
