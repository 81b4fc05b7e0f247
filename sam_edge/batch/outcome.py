"""What became of a recording: exceptions are returned as data, so that one recording's failure ends no other's work."""

from __future__ import annotations

import errno
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from sam_edge.errors import GazeDataError, InputError, MediaError

State: TypeAlias = Literal["done", "failed"]
ErrorClass: TypeAlias = Literal["", "input", "media", "memory", "lost", "timeout", "storage", "bug"]
"""Empty: none. `input`: gaze or arguments that are not accepted; `media`: a video that cannot be read; `memory`: not
enough of it; `lost`: the worker's process or node is gone; `timeout`: it took too long; `storage`: the input could not
be fetched, or the output could not be written; `bug`: everything else."""
RETRIED: tuple[ErrorClass, ...] = ("memory", "lost")
"""Classes that are tried again within a run."""
FINAL: tuple[ErrorClass, ...] = ("input", "media", "bug")
"""Classes that a later run does not try again by itself: the same input would fail again."""
MAX_ATTEMPTS = 3
"""A recording whose worker is lost or out of memory is tried at most this often."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recording."""

    id: str
    """The recording's id."""
    state: State
    """What became of the recording, for example `done` or `failed`."""
    error_class: ErrorClass = ""
    """The kind of error, as in the column `class` of `failed.csv`; empty when done."""
    message: str = ""
    """The error in one line; empty when done."""
    attempts: int = 1
    """How often it was tried in this run; 0: the check before the work refused it."""
    host: str = ""
    """Name of the machine that did the last attempt."""
    seconds: float = 0.0
    """Time of the last attempt."""
    frames: int = 0
    """Frames that were processed; 0 when failed, and when another worker had been first."""
    peak_memory_mb: float | None = None
    """Highest memory use of the worker's process so far, MB (10^6 bytes)."""
    log: str = ""
    """Path of the log in the output; empty without one."""

    @property
    def may_retry(self) -> bool:
        """Whether it should be tried again in this run."""
        return self.error_class in RETRIED and self.attempts < MAX_ATTEMPTS

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Outcome:
        """Return the outcome that `to_json` described.

        Raises:
            KeyError, TypeError, ValueError: the values are others.
        """
        outcome = cls(**values)
        check_error_class(outcome.error_class)
        if outcome.state not in get_args(State):
            raise ValueError(f"state {outcome.state!r}")
        return outcome


class StorageError(InputError):
    """The recordings or the output cannot be reached, read or written: a full disk, refused credentials, no network."""


def classify(error: BaseException) -> ErrorClass:
    """Return the class of an error that processing a recording raised."""
    if isinstance(error, StorageError):
        return "storage"
    if isinstance(error, MemoryError) or "bad_alloc" in str(error):
        return "memory"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            return "storage"
        cause = cause.__cause__
    if isinstance(error, MediaError):
        return "media"
    if isinstance(error, (GazeDataError, InputError)):
        return "input"
    return "bug"


def check_error_class(text: str) -> ErrorClass:
    """Return a class of errors by its name. Raises `ValueError` for another text."""
    for name in get_args(ErrorClass):
        if text == name:
            known: ErrorClass = name
            return known
    raise ValueError(f"class of errors {text!r}")
