"""How to run a model on a device: what `sam-edge profile --budget-ms` found, as a small JSON file.

`sam_edge.load(config=...)` takes model, engine, precision and threads from it, `GazeSession(..., config=...)` the size
and the schedule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from sam_edge.errors import InputError
from sam_edge.media.atomic import write_atomically
from sam_edge.precision import replace_former_name
from sam_edge.serialization import from_json

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

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: one is below 1.
        """
        for name, value in (("threads", self.threads), ("encode_every", self.encode_every)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; accepted: 1 or more")
        if self.size is not None and min(self.size) < 1:
            raise InputError(f"size is {self.size}; accepted: (height, width), 1 or more each")

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
    names = {item.name for item in fields(Config)} - {"folder"}
    values = {key: value for key, value in content.items() if key not in ("kind", "schema")}
    unknown = sorted(values.keys() - names)
    if unknown:
        raise InputError(f"config: {path} holds {', '.join(unknown)}; accepted: {', '.join(sorted(names))}")
    try:
        config = from_json(Config, values, name="")
    except InputError as error:
        raise InputError(f"config: {path}: {error}") from error
    precision = config.precision
    if precision is not None:
        precision = replace_former_name(precision, argument=f"config: {path}: precision")
    return replace(config, precision=precision, folder=path.parent)


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
