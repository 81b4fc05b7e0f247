"""The results of a profile, and their JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from sam_edge.media.atomic import write_atomically
from sam_edge.profile.measure.cold_start import ColdStartResult
from sam_edge.profile.measure.environment import Machine, ModelFile
from sam_edge.profile.measure.noise import MachineNoise
from sam_edge.profile.measure.session import SessionResult
from sam_edge.profile.measure.sustained import SustainedResult
from sam_edge.profile.measure.timing import TimingResult
from sam_edge.profile.operators.operator_table import OperatorTable
from sam_edge.profile.operators.peak import PeakPerformance
from sam_edge.profile.report.schema import KIND, SCHEMA
from sam_edge.stream.trace import Trace

DECIMALS = 5
"""Decimal places in JSON."""


@dataclass(frozen=True, slots=True)
class ProfileReport:
    """The results of a profile."""

    started_at: str
    """ISO 8601, UTC."""
    duration_s: float
    """Duration of the whole profile, seconds."""
    interrupted: str | None
    """The part that was interrupted; None when the profile is complete."""
    machine: Machine
    """Processor, cores, memory and library versions."""
    models: tuple[ModelFile, ...]
    """The models, with their hashes."""
    noise: MachineNoise | None
    """Other load on the machine."""
    notes: tuple[str, ...]
    """What could not be measured and why, and what makes the results doubtful."""
    cold_starts: tuple[ColdStartResult, ...]
    """From a new process to the first mask, one result an engine."""
    timings: tuple[TimingResult, ...]
    """Latency of encoding and decoding."""
    sessions: tuple[SessionResult, ...]
    """From gaze to mask, in real sessions."""
    traces: Mapping[str, Trace]
    """Traces of the sessions, by file name; not part of the JSON."""
    sustained: tuple[SustainedResult, ...]
    """Encoding without pause."""
    peaks: tuple[PeakPerformance, ...]
    """Peak performance of the machine."""
    operators: tuple[OperatorTable, ...]
    """Operators of one inference, by graph."""

    @property
    def complete(self) -> bool:
        """Whether the whole plan was measured."""
        return self.interrupted is None

    @property
    def errors(self) -> tuple[str, ...]:
        """One line for each failure."""
        rows = [
            *((row.engine, row.error) for row in self.cold_starts),
            *((row.case.engine, row.error) for row in self.timings),
            *((row.engine, row.error) for row in self.sessions),
            *((row.engine, row.error) for row in self.sustained),
            *((row.engine, row.error) for row in self.operators),
        ]
        return tuple(dict.fromkeys(f"{engine.label}: {error}" for engine, error in rows if error))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `json.dumps`; values that are not finite become None."""
        values = {
            field.name: to_plain(getattr(self, field.name))
            for field in fields(self)
            if field.name != "traces"
        }
        return {"schema": SCHEMA, "kind": KIND, "complete": self.complete, **values}

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all.

        Raises:
            MediaError: the file cannot be written.
        """
        with write_atomically(path) as part:
            part.write_text(json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def to_plain(value: Any) -> Any:
    """Convert a value to JSON types. Paths keep only their last part: a report discloses no folders."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, DECIMALS) if math.isfinite(value) else None
    return value.name if isinstance(value, Path) else value
