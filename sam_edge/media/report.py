"""What a run of `sam-edge track` reports: every frame, the summary, and on what it ran."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically
from sam_edge.media.environment import Environment

__all__ = ["SCHEMA", "SOURCES", "TOTAL", "Environment", "FrameRecord", "StageSummary", "TrackReport"]

SCHEMA = 1
"""Version of the JSON's schema: a reader of 1 understands every report that says 1."""
SOURCES = ("encoded", "reused", "propagated", "none")
"""Where a frame's mask came from: an encoding of this frame, an older embedding, an older mask, or no mask."""
TOTAL = "total"
"""The stage that is the whole time of a frame."""


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame of a run."""

    index: int
    """Number of the frame, from 0."""
    stem: str
    """Its name."""
    source: str
    """Where the mask shown for it came from: one of `SOURCES`; `none` when no mask was shown."""
    dropped: bool = False
    """True when the frame was passed over because it was not done in time."""
    score: float | None = None
    """Predicted IoU of the mask; None without one."""
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds of each stage that ran for it: encode, decode, propagate, gaze, ..., and `total`."""

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise InputError(
                f"source of frame {self.index} is {self.source!r}; accepted: {', '.join(SOURCES)}"
            )


@dataclass(frozen=True, slots=True)
class StageSummary:
    """Times of one stage over all frames that it ran for. Percentiles are linear between two samples."""

    frames: int
    """Frames that it ran for."""
    median_ms: float
    """Milliseconds; half of the frames took no longer."""
    p95_ms: float
    """Milliseconds; 95 % of the frames took no longer."""
    p99_ms: float
    """Milliseconds; 99 % of the frames took no longer."""
    max_ms: float
    """Milliseconds of the slowest frame."""


@dataclass(frozen=True, slots=True)
class TrackReport:
    """A run of `sam-edge track`."""

    name: str
    """Name of the video or folder."""
    size: tuple[int, int]
    """(height, width) of its frames, pixels."""
    fps: float
    """Frames a second."""
    realtime: bool
    """True when the frames were played on a clock and those not done in time were not waited for."""
    frames: Sequence[FrameRecord]
    """Every frame, in order."""
    environment: Environment
    """On what it ran."""
    peak_memory_mb: float | None = None
    """Most memory the process held, MB (10^6 bytes); None when not known."""

    @property
    def stages(self) -> dict[str, StageSummary]:
        """A summary for each stage, in the order in which they first appear, `total` last."""
        names = dict.fromkeys(name for frame in self.frames for name in frame.stages_ms if name != TOTAL)
        found = {name: _summarise(self.frames, name) for name in (*names, TOTAL)}
        return {name: summary for name, summary in found.items() if summary is not None}

    @property
    def by_source(self) -> dict[str, int]:
        """Number of frames for each of `SOURCES`."""
        counts = Counter(frame.source for frame in self.frames)
        return {source: counts[source] for source in SOURCES}

    @property
    def dropped(self) -> int:
        """Number of frames that were not done in time."""
        return sum(frame.dropped for frame in self.frames)

    @property
    def coverage(self) -> float:
        """Share of the frames, 0..1, for which a mask was shown."""
        return 1 - self.by_source["none"] / len(self.frames) if self.frames else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `json.dumps`; what is not finite or not known becomes None."""
        return {
            "schema": SCHEMA,
            "input": {
                "name": self.name,
                "width": self.size[1],
                "height": self.size[0],
                "fps": _plain(self.fps),
            },
            "realtime": self.realtime,
            "environment": asdict(self.environment),
            "summary": {
                "frames": len(self.frames),
                "dropped": self.dropped,
                "coverage": round(self.coverage, 6),
                "by_source": self.by_source,
                "stages_ms": {name: _stage_json(summary) for name, summary in self.stages.items()},
                "peak_memory_mb": _plain(self.peak_memory_mb),
            },
            "frames": [_frame_json(frame) for frame in self.frames],
        }

    def write(self, path: str | Path) -> None:
        """Write the report as JSON; raises `MediaError` when that is not possible, and leaves nothing behind."""
        text = json.dumps(self.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        with write_atomically(Path(path)) as part:
            part.write_text(text, encoding="utf-8")

    def summary_table(self) -> str:
        """Return the summary as text for a terminal, below 80 columns."""
        facts = [
            (
                "input",
                f"{self.name}, {len(self.frames)} frames of {self.size[1]}x{self.size[0]} at {self.fps:g}/s",
            ),
            ("engine", _engine_text(self.environment)),
            ("machine", f"{self.environment.cpu}, {self.environment.cores} cores"),
            ("selected", self._selected_text()),
        ]
        if self.realtime:
            facts.append(
                ("clock", f"real time: {self.dropped} of {len(self.frames)} frames not done in time")
            )
        if self.peak_memory_mb is not None and math.isfinite(self.peak_memory_mb):
            facts.append(("memory", f"{self.peak_memory_mb:.0f} MB at most"))
        lines = [f"{name:<10}{_shortened(text, _COLUMNS - 10)}" for name, text in facts]
        return "\n".join(lines + _stage_lines(self.stages))

    def _selected_text(self) -> str:
        parts = [
            f"{count} {source}" for source, count in self.by_source.items() if count and source != "none"
        ]
        shown = len(self.frames) - self.by_source["none"]
        return f"{shown} of {len(self.frames)} frames" + (f" ({', '.join(parts)})" if parts else "")


_COLUMNS = 78


def _summarise(frames: Sequence[FrameRecord], stage: str) -> StageSummary | None:
    times_ms = [frame.stages_ms[stage] for frame in frames if stage in frame.stages_ms]
    times_ms = [time_ms for time_ms in times_ms if math.isfinite(time_ms)]
    if not times_ms:
        return None
    median, p95, p99 = (float(value) for value in np.percentile(times_ms, (50, 95, 99)))
    return StageSummary(len(times_ms), median, p95, p99, max(times_ms))


def _stage_json(summary: StageSummary) -> dict[str, int | float | None]:
    names = [entry.name for entry in fields(summary)]
    return {name.removesuffix("_ms"): _plain(getattr(summary, name)) for name in names}


def _frame_json(frame: FrameRecord) -> dict[str, Any]:
    return {
        "index": frame.index,
        "stem": frame.stem,
        "source": frame.source,
        "dropped": frame.dropped,
        "score": _plain(frame.score),
        "stages_ms": {name: _plain(time_ms) for name, time_ms in frame.stages_ms.items()},
    }


def _plain(value: float | None) -> int | float | None:
    """Return a number that JSON can hold, rounded to a thousandth of its unit; None when not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, (int, np.integer)) else round(float(value), 3)


def _engine_text(environment: Environment) -> str:
    threads = "1 thread" if environment.threads == 1 else f"{environment.threads} threads"
    return f"{environment.engine}, {environment.precision}, {threads}; model {environment.model}"


def _stage_lines(stages: Mapping[str, StageSummary]) -> list[str]:
    if not stages:
        return []
    rule = "-" * 60
    lines = ["", f"{'stage':<16}{'frames':>8}{'median':>9}{'p95':>9}{'p99':>9}{'max':>9}  ms", rule]
    for name, stage in stages.items():
        if name == TOTAL and len(stages) > 1:
            lines.append(rule)
        times = "".join(f"{t:>9.1f}" for t in (stage.median_ms, stage.p95_ms, stage.p99_ms, stage.max_ms))
        lines.append(f"{_shortened(name, 15):<16}{stage.frames:>8}{times}")
    return lines


def _shortened(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 3] + "..."
