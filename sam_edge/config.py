"""How to run a model on a device: what `sam-edge profile --budget-ms` found, as a small JSON file.

`sam_edge.load(config=...)` takes model, engine, precision and threads from it, `GazeSession(..., config=...)` the size
and the schedule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically
from sam_edge.precision import replace_former_name

KIND, SCHEMA = "sam-edge config", 2

Mode = Literal["sequential", "live"]
"""A session's schedule: every step waits for its own encoding, or a thread encodes and no step waits."""
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class Config:
    """How to run a model."""

    bundle: str | None = None
    """The bundle's folder, seen from the file's own folder; None is the model in the package."""
    runtime: str = "auto"
    """The engine, as `sam_edge.load` takes it."""
    precision: str | None = None
    """As `sam_edge.load` takes it."""
    threads: int | None = None
    """As `sam_edge.load` takes it."""
    size: tuple[int, int] | None = None
    """The encoder's input (height, width) for whole frames; None picks one that suits the frame."""
    mode: Mode = "sequential"
    """The schedule of sessions, as `GazeSession` takes it."""
    encode_every: int = 1
    """In the sequential mode: every n-th frame is encoded, and the mask carried by motion in between."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    """What it was chosen by: figures and machine, for people."""
    folder: Path | None = None
    """Where the file lies; None where there is none. Not written."""

    @property
    def bundle_path(self) -> Path | None:
        """Where the bundle lies; None is the model in the package."""
        return None if self.bundle is None else (self.folder or Path()) / self.bundle

    def write(self, path: str | Path) -> None:
        """Write to a file; raises `MediaError` when that is not possible."""
        values = {key: value for key, value in asdict(self).items() if key != "folder"}
        text = json.dumps({"kind": KIND, "schema": SCHEMA, **values}, indent=1) + "\n"
        with write_atomically(Path(path)) as part:
            part.write_text(text, encoding="utf-8")


def read_config(path: str | Path) -> Config:
    """Read a file that `Config.write` wrote.

    Raises:
        InputError: it cannot be read, is no such file, or holds a value that is not accepted.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"config: {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise InputError(
            f"config: {path} is no configuration; give what `sam-edge profile --budget-ms` wrote"
        )
    schema = content.get("schema")
    if schema not in (1, SCHEMA):
        raise InputError(f"config: {path} has the schema {schema!r}; accepted: 1, {SCHEMA}")
    if schema == 1:
        content = upgrade(content, path)
    names = {one.name for one in fields(Config)} - {"folder"}
    values = {key: value for key, value in content.items() if key not in ("kind", "schema")}
    unknown = sorted(values.keys() - names)
    if unknown:
        raise InputError(f"config: {path} holds {', '.join(unknown)}; accepted: {', '.join(sorted(names))}")
    for key, value in values.items():
        if not ACCEPTED[key][0](value):
            raise InputError(f"config: {path}: {key} is {value!r}; accepted: {ACCEPTED[key][1]}")
    if values.get("precision") is not None:
        values["precision"] = replace_former_name(values["precision"], argument=f"config: {path}: precision")
    if values.get("size") is not None:
        values["size"] = tuple(values["size"])
    return Config(**values, folder=path.parent)


def upgrade(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the content of a file of schema 1 with today's names.

    Raises:
        InputError: its `in_thread` is neither true nor false.
    """
    upgraded = dict(content)
    in_thread = upgraded.pop("in_thread", False)
    if not isinstance(in_thread, bool):
        raise InputError(f"config: {path}: in_thread is {in_thread!r}; accepted: true or false")
    return {**upgraded, "mode": "live" if in_thread else "sequential"}


def is_text(value: object) -> bool:
    """Say whether a value is a text or left open."""
    return value is None or isinstance(value, str)


def is_count(value: object) -> bool:
    """Say whether a value is a whole number of 1 or more, or left open."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)


def is_size(value: object) -> bool:
    """Say whether a value is a size, or left open."""
    return value is None or (
        isinstance(value, list) and len(value) == 2 and all(is_count(side) and side for side in value)
    )


ACCEPTED = {
    "bundle": (is_text, "a folder, or null"),
    "runtime": (lambda value: isinstance(value, str), "the name of an engine"),
    "precision": (is_text, "fp32, bf16, ..., or null"),
    "threads": (is_count, "1 or more, or null"),
    "size": (is_size, "[height, width], or null"),
    "mode": (lambda value: value in MODES, " or ".join(MODES)),
    "encode_every": (lambda value: is_count(value) and value is not None, "1 or more"),
    "measured": (lambda value: isinstance(value, dict), "an object"),
}
"""What each value may be: how to tell, and how to say it."""
