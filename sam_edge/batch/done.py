"""`done.json`: the commit of a recording. It names the files that count, and is written last and only if absent."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from sam_edge.batch.store import Store
from sam_edge.bundle import FileEntry

FILE_NAME = "done.json"


@dataclass(frozen=True, slots=True)
class Figures:
    """What stands in a recording's line of the summary."""

    frames: int = 0
    """Frames of the video that were processed."""
    duration_s: float | None = None
    """When the last frame ends, or the last sample where no video is read, seconds."""
    samples: int | None = None
    """Gaze samples."""
    valid_gaze: float | None = None
    """Share of the samples that are valid, 0..1."""
    fixations: int | None = None
    """Fixations."""
    objects: int | None = None
    """Objects that were followed."""
    coverage: float | None = None
    """Share of the frames for which a mask was shown, 0..1."""
    warnings: tuple[str, ...] = ()
    """What is doubtful about the recording."""
    engine: str = ""
    """The inference engine; empty where none ran."""
    precision: str = ""
    """Precision that it computed in."""


@dataclass(frozen=True, slots=True)
class Done:
    """A recording that is finished: which files count, and how they were made."""

    id: str
    """The recording's id."""
    fingerprint: str
    """`Settings.fingerprint` of what the results were made with."""
    attempt: str
    """Path in the output of the folder that holds the files."""
    files: tuple[FileEntry, ...]
    """Every file, with its path below the attempt's folder, hash and size."""
    figures: Figures
    """What stands in the summary."""
    host: str
    """Name of the machine that made them."""
    cpu: str
    """Its processor."""
    threads: int
    """Threads of one inference."""
    seconds: float
    """Time that it took."""
    peak_memory_mb: float | None
    """Highest memory use of the worker's process so far, MB (10^6 bytes)."""
    finished: str
    """When it was committed, ISO 8601 in UTC."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What a later version may have added."""

    def has(self, name: str) -> bool:
        """Say whether there is a file of that name."""
        return any(entry.path == name for entry in self.files)

    def path_of(self, name: str) -> str:
        """Return the path in the output of one of the files."""
        return f"{self.attempt}/{name}"

    def to_bytes(self) -> bytes:
        """Return the content of `done.json`."""
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Done:
        """Parse the content of `done.json`.

        Raises:
            ValueError, KeyError, TypeError: it is damaged.
        """
        values = json.loads(content)
        values["files"] = tuple(FileEntry(**entry) for entry in values["files"])
        figures = values["figures"]
        values["figures"] = Figures(**{**figures, "warnings": tuple(figures["warnings"])})
        return cls(**values)


def done_path(recording_id: str) -> str:
    """Return the path of a recording's `done.json` in the output."""
    return f"recordings/{recording_id}/{FILE_NAME}"


def read_done(store: Store, recording_id: str) -> Done | None:
    """Return what is known about a finished recording; None when it is not finished, or its file is damaged."""
    content = store.read(done_path(recording_id))
    if content is None:
        return None
    try:
        return Done.from_bytes(content)
    except (ValueError, KeyError, TypeError):
        return None


def commit(store: Store, done: Done) -> bool:
    """Make an attempt's files the recording's results, unless others with the same fingerprint are; say whether.

    Results with another fingerprint are replaced. The files of an attempt that came too late are removed.
    """
    path = done_path(done.id)
    while not store.create_if_absent(path, done.to_bytes()):
        first = read_done(store, done.id)
        if first is not None and first.fingerprint == done.fingerprint:
            if first.attempt != done.attempt:
                store.remove(done.attempt)
            return False
        store.remove(path)
    return True
