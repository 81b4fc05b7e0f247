"""Recording a session to a folder, and reading it back.

`session.json` says what the session was: versions, model, options. `log.jsonl` holds what happened, one JSON object a
line, in order: `gaze` (samples), `command` (a method that was called), `frame` (its time, its size and the selection,
masks as COCO run lengths), and `end`. Each line is handed to the operating system at once, so that
everything up to a crash of the program can be read.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sam_edge.bundle import MANIFEST, hash_file
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.atomic import write_atomically, write_error
from sam_edge.precision import current_name
from sam_edge.segmenter import Segmenter
from sam_edge.serialization import from_json, to_json
from sam_edge.stream.recording_schema import (
    READABLE,
    SCHEMA,
    read_tuning,
    upgrade_entry,
    upgrade_options,
)
from sam_edge.stream.selection import Selection
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning
from sam_edge.version import __version__

HEADER, LOG = "session.json", "log.jsonl"
COMMANDS = ("pin", "unpin", "rename", "merge", "forget")
"""Methods of a session that a recording may call."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model that a session ran on."""

    name: str
    """The bundle's name; `checkpoint` without one."""
    sha256: str | None
    """Hash of the bundle's manifest, which holds the hashes of all its files; None without a bundle."""
    engine: str
    """Name of the engine."""
    precision: str
    """Precision that it computed in."""
    threads: int
    """Threads that it used."""

    @classmethod
    def of(cls, model: Segmenter) -> ModelRecord:
        """Describe a model."""
        runtime, bundle = model.runtime, model.bundle
        return cls(
            name=bundle.manifest.name if bundle else "checkpoint",
            sha256=hash_file(bundle.folder / MANIFEST) if bundle else None,
            engine=runtime.name,
            precision=runtime.precision,
            threads=runtime.threads,
        )


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One frame of a recording."""

    time_ns: int
    """When the frame was shown."""
    size: tuple[int, int]
    """(height, width), pixels."""
    selection: Selection
    """What the session returned for it."""
    checksum: int | None = None
    """CRC-32 of its pixels; None where the recorder got no image."""


@dataclass(frozen=True, slots=True)
class RecordedCommand:
    """A call of one of the session's methods."""

    name: str
    """The method."""
    arguments: Mapping[str, Any]
    """Its keyword arguments."""


@dataclass(frozen=True, slots=True)
class RecordedGaze:
    """Samples of one call of `GazeSession.feed`."""

    samples: tuple[GazeSample, ...]
    """In order of time."""


Entry = RecordedFrame | RecordedCommand | RecordedGaze
_KINDS: dict[str, type[Entry]] = {
    "frame": RecordedFrame,
    "command": RecordedCommand,
    "gaze": RecordedGaze,
}


class SessionRecorder:
    """Writes what happens to a session. A context manager; several threads may call it.

    Example:
        >>> with SessionRecorder("out/run", model=model, options={"px_per_deg": 15}) as recorder:
        ...     recorder.gaze(samples)
        ...     session.feed(samples)
        ...     recorder.frame(time_ns, image.shape[:2], session.step(image, time_ns), image=image)
    """

    def __init__(
        self, folder: str | Path, *, model: Segmenter, options: Mapping[str, object] | None = None
    ) -> None:
        """Open a recording.

        Args:
            folder: a new or empty folder; made when it is not there.
            model: what the session runs on.
            options: keyword arguments that the session was opened with, and a replay opens one with; its `tuning`
                is recorded whole, and is the default one where it is left out.

        Raises:
            InputError: the folder holds something, or an option cannot be recorded.
            MediaError: the folder cannot be written.
        """
        self._folder = Path(folder)
        self._frames = 0
        self._writing = threading.Lock()
        recorded = dict(options or {})
        header = {
            "schema": SCHEMA,
            "sam_edge": __version__,
            "model": to_json(ModelRecord.of(model)),
            "tuning": to_json(recorded.pop("tuning", DEFAULT_TUNING)),
            "options": to_json(recorded),
        }
        self._log = self._open(header)

    def gaze(self, samples: Iterable[GazeSample]) -> None:
        """Record the samples of one call of `GazeSession.feed`."""
        self._write("gaze", RecordedGaze(tuple(samples)))

    def command(self, name: str, arguments: Mapping[str, object] | None = None) -> None:
        """Record a call of one of the session's methods (`COMMANDS`), with its keyword arguments.

        Raises:
            InputError: the method is none of them.
        """
        if name not in COMMANDS:
            raise InputError(f"command: {name!r} is not accepted; accepted: {', '.join(COMMANDS)}")
        self._write("command", RecordedCommand(name, dict(arguments or {})))

    def frame(
        self,
        time_ns: int,
        size: tuple[int, int],
        selection: Selection,
        *,
        image: NDArray[np.uint8] | None = None,
    ) -> None:
        """Record a frame and what is selected on it.

        Args:
            time_ns: when it was shown.
            size: (height, width), pixels.
            selection: what `step` returned.
            image: the frame; a replay then refuses other pixels. Only a checksum is recorded.
        """
        checksum = None if image is None else checksum_of(image)
        self._write("frame", RecordedFrame(time_ns, (size[0], size[1]), selection, checksum))
        self._frames += 1

    def close(self) -> None:
        """End the recording. Closing twice is allowed."""
        if not self._log.closed:
            try:
                self._put({"kind": "end", "frames": self._frames})
            finally:
                self._log.close()

    def __enter__(self) -> SessionRecorder:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _open(self, header: Mapping[str, object]) -> BinaryIO:
        check_new_recording(self._folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with write_atomically(self._folder / HEADER) as part:
                part.write_text(json.dumps(header, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            # Without a buffer: what is written is with the operating system when `write` returns.
            return (self._folder / LOG).open("xb", buffering=0)
        except OSError as error:
            raise write_error(self._folder, error) from error

    def _write(self, kind: str, entry: Entry) -> None:
        if self._log.closed:
            raise SessionError(f"recording {self._folder}: it is closed; begin a new one in another folder")
        self._put({"kind": kind, **to_json(entry)})

    def _put(self, entry: Mapping[str, object]) -> None:
        line = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            with self._writing:
                while line:
                    line = line[self._log.write(line) :]
        except OSError as error:
            raise write_error(self._folder / LOG, error) from error


@dataclass(frozen=True, slots=True)
class SessionRecording:
    """A recording on disk. Its entries are read from the file at each call."""

    folder: Path
    """The recording's folder."""
    version: str
    """The version of sam-edge that made it."""
    model: ModelRecord
    """The model that the session ran on."""
    options: Mapping[str, Any]
    """Keyword arguments that the session was opened with, with today's names, but for `tuning`."""
    tuning: SelectionTuning
    """The constants that the session selected with."""
    schema: int = SCHEMA
    """Version of the layout that its files have."""

    @property
    def complete(self) -> bool:
        """Whether the recording was closed; False after a crash."""
        return any(content["kind"] == "end" for _, content in self._lines())

    @property
    def frames(self) -> Iterator[RecordedFrame]:
        """Its frames, in order."""
        return (entry for entry in self.entries() if isinstance(entry, RecordedFrame))

    def entries(self) -> Iterator[Entry]:
        """Yield everything that happened, in order, up to the end or a crash.

        Raises:
            InputError: a line before the last one is damaged.
        """
        for number, content in self._lines():
            kind = content.pop("kind")
            if kind in _KINDS:
                try:
                    yield from_json(_KINDS[kind], content)
                except InputError as error:
                    raise InputError(f"{self.folder / LOG}: line {number}: {error}") from error
            elif kind != "end":
                raise InputError(f"{self.folder / LOG}: line {number}: kind {kind!r}; accepted: {[*_KINDS]}")

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield number and content of every whole line."""
        path = self.folder / LOG
        try:
            with path.open("rb") as handle:
                for number, line in enumerate(handle, 1):
                    if not line.endswith(b"\n"):
                        return  # the program ended while it wrote this line
                    content = upgrade_entry(_content(path, number, line), self.schema)
                    if content is not None:
                        yield number, content
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def check_new_recording(folder: Path) -> None:
    """Check that a recording may begin in a folder: that it is new or empty.

    Raises:
        InputError: it holds something.
        MediaError: it is no folder, or cannot be read.
    """
    try:
        inside = next(folder.iterdir(), None) if folder.exists() else None
    except OSError as error:
        raise write_error(folder, error) from error
    if inside is not None:
        raise InputError(f"{folder}: holds {inside.name}; give a new or an empty folder")


def read_session_recording(folder: str | Path) -> SessionRecording:
    """Open a recording.

    Raises:
        InputError: there is none, it is damaged, or its layout is newer.
    """
    path = Path(folder) / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); give a recording's folder"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); the recording is damaged") from error
    schema = header.get("schema") if isinstance(header, dict) else None
    if not isinstance(header, dict) or schema not in READABLE:
        raise InputError(
            f"{path}: schema {schema!r}; accepted: {', '.join(map(str, READABLE))}; "
            "read it with the version that wrote it"
        )
    options = header.get("options")
    if not isinstance(options, dict):
        raise InputError(f"{path}: options is {options!r}; accepted: an object")
    model = from_json(ModelRecord, header.get("model"))
    return SessionRecording(
        folder=Path(folder),
        version=str(header.get("sam_edge")),
        model=replace(model, precision=current_name(model.precision)),
        options=upgrade_options(options, schema),
        tuning=read_tuning(header.get("tuning")),
        schema=schema,
    )


def checksum_of(image: NDArray[np.uint8]) -> int:
    """Return the CRC-32 of a frame's pixels."""
    return zlib.crc32(np.ascontiguousarray(image).data)


def _content(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: line {number} is damaged ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
        raise InputError(f"{path}: line {number} is no entry of a recording")
    return content
