"""What a profile found, as values and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically
from sam_edge.profile.measure.cold_start import ColdRow
from sam_edge.profile.measure.environment import Machine, ModelFile
from sam_edge.profile.measure.noise import Noise
from sam_edge.profile.measure.session import SessionRow
from sam_edge.profile.measure.sustained import SustainedRow
from sam_edge.profile.measure.timing import TimedRow
from sam_edge.profile.operators.operator_table import OperatorTable
from sam_edge.profile.operators.peak import Peak
from sam_edge.stream.trace import Trace

SCHEMA = 1
"""Version of the JSON's schema: keys are only ever added to it. What is taken away or renamed makes it 2."""
KIND = "sam-edge profile"
DIGITS = 5
"""Decimal places in JSON."""


@dataclass(frozen=True, slots=True)
class Report:
    """A profile."""

    made_at: str
    """When it was begun, ISO 8601, UTC."""
    took_s: float
    """How long it took, seconds."""
    interrupted: str | None
    """The part in which it was interrupted; None where it is whole."""
    machine: Machine
    """On what it was measured."""
    models: tuple[ModelFile, ...]
    """The models, with their hashes."""
    noise: Noise | None
    """What else the machine was doing."""
    notes: tuple[str, ...]
    """What a reader should know: what could not be measured and why."""
    cold: tuple[ColdRow, ...]
    """Cold starts."""
    timed: tuple[TimedRow, ...]
    """Encoding and decoding."""
    sessions: tuple[SessionRow, ...]
    """From gaze to mask, in real sessions."""
    traces: Mapping[str, Trace]
    """What the sessions did and when, by the names of files; not part of the JSON."""
    sustained: tuple[SustainedRow, ...]
    """Encoding without a pause."""
    peaks: tuple[Peak, ...]
    """What the machine can do at best."""
    operators: tuple[OperatorTable, ...]
    """Inferences, operator by operator."""

    @property
    def complete(self) -> bool:
        """Whether everything that was planned was measured."""
        return self.interrupted is None

    @property
    def failed(self) -> tuple[str, ...]:
        """What failed, in a line each."""
        rows = [
            *((row.engine, row.failed) for row in self.cold),
            *((row.case.engine, row.failed) for row in self.timed),
            *((row.engine, row.failed) for row in self.sessions),
            *((row.engine, row.failed) for row in self.sustained),
            *((row.engine, row.failed) for row in self.operators),
        ]
        return tuple(dict.fromkeys(f"{engine.label}: {failed}" for engine, failed in rows if failed))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `json.dumps`; what is not finite becomes None."""
        values = {one.name: plain(getattr(self, one.name)) for one in fields(self) if one.name != "traces"}
        return {"schema": SCHEMA, "kind": KIND, "complete": self.complete, **values}

    def write(self, path: Path) -> None:
        """Write as JSON; raises `MediaError` when that is not possible, and leaves nothing behind."""
        with write_atomically(path) as part:
            part.write_text(json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Bring values to what JSON holds. Paths lose their folders: a report says nothing of where things lie."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value.name if isinstance(value, Path) else value


def read_report(path: Path) -> dict[str, Any]:
    """Read a profile's JSON.

    Raises:
        InputError: the file cannot be read, or is no profile of a schema known here.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"profile: {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise InputError(f"profile: {path} is no profile; give what `sam-edge profile --out` wrote")
    if content.get("schema") != SCHEMA:
        raise InputError(
            f"profile: {path} has the schema {content.get('schema')!r}; accepted: {SCHEMA}; update sam-edge"
        )
    return content
