"""The report of `sam_edge.track`: every frame, a summary of the times, and the environment."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically
from sam_edge.media.environment import Environment
from sam_edge.stream.selection import State

Mode: TypeAlias = Literal["sequential", "live"]
"""A schedule: see `sam_edge.track`."""
SCHEMA = 3
"""Version of the JSON's schema. Schema 2 had no times, states, objects, labels and boxes of frames; schema 1 had
`source` and `by_source` for `origin` and `by_origin`."""
ORIGINS = ("encoded", "reused", "followed", "propagated", "none")
"""Origins of a frame's mask: an encoding of this frame, an older embedding, an older mask, or no mask."""
TOTAL = "total"
"""The stage that is the whole time of a frame."""
BACKGROUND_STAGES = ("encode", "attend", "identify")
"""Stages that run in the background in the live schedule: no frame waits for them, and no total contains them."""
_TABLE_COLUMNS = 78


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame in the report."""

    index: int
    """Number of the frame, from 0."""
    stem: str
    """Name of the frame."""
    origin: str
    """How the mask that was shown was made: one of `ORIGINS`; `none` when no mask was shown."""
    dropped: bool = False
    """True when the frame's own result came too late, or the frame was skipped (live schedule only)."""
    score: float | None = None
    """Predicted IoU of the mask; None without a mask."""
    age_ms: float | None = None
    """How much older than the frame the frame is that the shown mask was made on, milliseconds; None without one."""
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds of each stage that ran for the frame: encode, decode, motion, gaze, ..., and `total`."""
    time_ns: int = 0
    """Time at which the frame is first shown, nanoseconds after the first frame."""
    state: str = State.NONE.value
    """State of the selection that was shown: none, hover, focused, held or lost."""
    object_id: int | None = None
    """Number of the object whose mask was shown, as it is known after the last frame; None without a mask."""
    label: str | None = None
    """Label of that object; None without one."""
    box: tuple[float, float, float, float] | None = None
    """Box x0, y0, x1, y1 of the mask, frame pixels; None without a mask."""

    def __post_init__(self) -> None:
        if self.origin not in ORIGINS:
            raise InputError(
                f"origin of frame {self.index} is {self.origin!r}; accepted: {', '.join(ORIGINS)}"
            )


@dataclass(frozen=True, slots=True)
class StageSummary:
    """Times of one stage, in milliseconds, over the frames that it ran for. Percentiles are interpolated linearly."""

    frames: int
    """Number of frames that the stage ran for."""
    median_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class TrackReport:
    """What `sam_edge.track` did: every frame, the times of the stages, and the environment."""

    name: str
    """Name of the video or folder."""
    size: tuple[int, int]
    """(height, width) of its frames, pixels."""
    fps: float
    """Frames a second."""
    mode: Mode
    """The schedule: `sequential` waits for every frame; `live` plays the frames on a clock and waits for none."""
    frames: Sequence[FrameRecord]
    """Every frame, in order."""
    environment: Environment
    """The engine, the versions and the machine."""
    warnings: Sequence[str] = ()
    """What did not fit between the gaze and the video, and what was done about it."""
    peak_memory_mb: float | None = None
    """Highest memory use of the process, MB (10^6 bytes); None when unknown."""

    @property
    def stages(self) -> dict[str, StageSummary]:
        """A summary for each stage, in the order in which they first appear, `total` last."""
        names = dict.fromkeys(name for frame in self.frames for name in frame.stages_ms if name != TOTAL)
        summaries = {name: _summarise(_times_ms(self.frames, name)) for name in (*names, TOTAL)}
        return {name: summary for name, summary in summaries.items() if summary is not None}

    @property
    def by_origin(self) -> dict[str, int]:
        """Number of frames for each of `ORIGINS`."""
        counts = Counter(frame.origin for frame in self.frames)
        return {origin: counts[origin] for origin in ORIGINS}

    @property
    def mask_age(self) -> StageSummary | None:
        """How old the shown masks were, over the frames with one; None where no mask was shown."""
        return _summarise([frame.age_ms for frame in self.frames if frame.age_ms is not None])

    @property
    def dropped(self) -> int:
        """Number of frames whose own result came too late, or that were skipped."""
        return sum(frame.dropped for frame in self.frames)

    @property
    def coverage(self) -> float:
        """Share of the frames, 0..1, for which a mask was shown."""
        return 1 - self.by_origin["none"] / len(self.frames) if self.frames else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values for `json.dumps`. Values that are unknown or not finite become None."""
        return {
            "schema": SCHEMA,
            "input": {
                "name": self.name,
                "width": self.size[1],
                "height": self.size[0],
                "fps": _json_number(self.fps),
            },
            "realtime": self.mode == "live",
            "environment": asdict(self.environment),
            "warnings": list(self.warnings),
            "summary": {
                "frames": len(self.frames),
                "dropped": self.dropped,
                "coverage": round(self.coverage, 6),
                "by_origin": self.by_origin,
                "age_ms": None if self.mask_age is None else _stage_json(self.mask_age),
                "stages_ms": {name: _stage_json(summary) for name, summary in self.stages.items()},
                "peak_memory_mb": _json_number(self.peak_memory_mb),
            },
            "frames": [_frame_json(frame) for frame in self.frames],
        }

    def write(self, path: str | Path) -> None:
        """Write the report as a JSON file. Missing folders are made.

        Raises:
            MediaError: the file cannot be written; no partly written file is left.
        """
        text = json.dumps(self.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        with write_atomically(Path(path)) as part:
            part.write_text(text, encoding="utf-8")

    def summary_table(self) -> str:
        """Return the summary as text for a terminal, at most 78 columns wide."""
        facts = [
            (
                "input",
                f"{self.name}, {len(self.frames)} frames of {self.size[1]}x{self.size[0]} at {self.fps:g}/s",
            ),
            ("engine", _engine_text(self.environment)),
            ("machine", f"{self.environment.cpu}, {self.environment.cores} cores"),
            ("selected", self._selected_text()),
            *self._timing_facts(),
        ]
        if self.warnings:
            facts.append(("warnings", f"{len(self.warnings)}: {self.warnings[0]}"))
        if self.peak_memory_mb is not None and math.isfinite(self.peak_memory_mb):
            facts.append(("memory", f"{self.peak_memory_mb:.0f} MB at most"))
        lines = [f"{name:<10}{_shorten(text, _TABLE_COLUMNS - 10)}" for name, text in facts]
        return "\n".join(lines + _stage_lines(self.stages, BACKGROUND_STAGES if self.mode == "live" else ()))

    def _timing_facts(self) -> list[tuple[str, str]]:
        """Return what was live and what waited, and how old the masks were."""
        total, age = self.stages.get(TOTAL), self.mask_age
        if self.mode == "live":
            clock = f"live, in real time: {self.dropped} of {len(self.frames)} frames not done in time"
        else:
            clock = "not live: every frame waited for its own result"
            clock += f", {total.median_ms:.0f} ms (median)" if total else ""
        if age is None:
            return [("clock", clock)]
        ages = f"made {age.median_ms:.0f} ms before their frame (median; p95 {age.p95_ms:.0f} ms)"
        return [("clock", clock), ("masks", ages)]

    def _selected_text(self) -> str:
        parts = [
            f"{count} {origin}" for origin, count in self.by_origin.items() if count and origin != "none"
        ]
        shown = len(self.frames) - self.by_origin["none"]
        return f"{shown} of {len(self.frames)} frames" + (f" ({', '.join(parts)})" if parts else "")


def _times_ms(frames: Sequence[FrameRecord], stage: str) -> list[float]:
    return [frame.stages_ms[stage] for frame in frames if stage in frame.stages_ms]


def _summarise(values_ms: Sequence[float]) -> StageSummary | None:
    times_ms = [time_ms for time_ms in values_ms if math.isfinite(time_ms)]
    if not times_ms:
        return None
    median, p95, p99 = (float(value) for value in np.percentile(times_ms, (50, 95, 99)))
    return StageSummary(len(times_ms), median, p95, p99, max(times_ms))


def _stage_json(summary: StageSummary) -> dict[str, int | float | None]:
    names = [entry.name for entry in fields(summary)]
    return {name.removesuffix("_ms"): _json_number(getattr(summary, name)) for name in names}


def _frame_json(frame: FrameRecord) -> dict[str, Any]:
    return {
        "index": frame.index,
        "stem": frame.stem,
        "time_s": frame.time_ns / 1e9,
        "state": frame.state,
        "object": frame.object_id,
        "label": frame.label,
        "box": None if frame.box is None else [_json_number(side) for side in frame.box],
        "origin": frame.origin,
        "dropped": frame.dropped,
        "score": _json_number(frame.score),
        "age_ms": _json_number(frame.age_ms),
        "stages_ms": {name: _json_number(time_ms) for name, time_ms in frame.stages_ms.items()},
    }


def _json_number(value: float | None) -> int | float | None:
    """Return a number that JSON can hold, rounded to a thousandth of its unit; None when not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, (int, np.integer)) else round(float(value), 3)


def _engine_text(environment: Environment) -> str:
    threads = "1 thread" if environment.threads == 1 else f"{environment.threads} threads"
    return f"{environment.engine}, {environment.precision}, {threads}; model {environment.model}"


def _stage_lines(stages: Mapping[str, StageSummary], background: Sequence[str]) -> list[str]:
    if not stages:
        return []
    rule = "-" * 60
    lines = ["", f"{'stage':<16}{'frames':>8}{'median':>9}{'p95':>9}{'p99':>9}{'max':>9}  ms", rule]
    for name, stage in stages.items():
        if name == TOTAL and len(stages) > 1:
            lines.append(rule)
        times = "".join(f"{t:>9.1f}" for t in (stage.median_ms, stage.p95_ms, stage.p99_ms, stage.max_ms))
        label = f"{name} *" if name in background else name
        lines.append(f"{_shorten(label, 15):<16}{stage.frames:>8}{times}")
    if any(name in background for name in stages):
        lines.append("* in the background: frames do not wait for it, and the total is without it")
    return lines


def _shorten(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 3] + "..."
