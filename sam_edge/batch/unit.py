"""One unit of work: a recording. Its identity, its size, and what the check before the work found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from sam_edge.batch.files import FileEntry
from sam_edge.batch.outcome import ErrorClass

ID_DIGITS = 16
"""Hexadecimal digits of an id: two of a million recordings share one with a probability of 3e-8."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording: one unit of work. Small and picklable; it holds no pixels and no gaze."""

    id: str
    """Short hash of the URI, and of the sizes and the versions of its files: a changed recording has another id."""
    uri: str
    """Folder of the recording, or a video or gaze file: an absolute path, or a URL such as `s3://bucket/folder`."""
    gaze: str | None = None
    """URI of the gaze, where `uri` does not hold it."""
    recording_name: str = ""
    """Which recording of a file that holds several, as the manifest states it; empty: not stated."""
    participant: str = ""
    """Whose recording it is; tables are joined over it."""
    format: str = ""
    """Name of the gaze's format, as in `recordings.formats()`; empty where it is not known before the work."""
    duration_s: float | None = None
    """Length of the scene video, seconds; None where it is not known."""
    frames: int | None = None
    """Frames of the scene video; None where it is not known."""
    bytes: int = 0
    """Size of all its files."""
    px_per_deg: float | None = None
    """Frame pixels in a degree, as the manifest states it; None: the recording's, else the default."""
    problem_class: ErrorClass = ""
    """Class of the problem; empty where there is none."""
    problem: str = ""
    """Why the recording cannot be processed, as the check before the work found; empty when it can."""

    @property
    def name(self) -> str:
        """Last part of the URI."""
        return self.uri.rstrip("/").replace("\\", "/").rpartition("/")[2]

    @property
    def cost(self) -> float:
        """Estimate of the work, in seconds of video; a recording of unknown length counts a second a megabyte."""
        return self.duration_s if self.duration_s is not None else self.bytes / 1e6

    @property
    def folder(self) -> str:
        """Path in the output below which everything of this recording lies."""
        return f"recordings/{self.id}"


def make_id(
    uri: str,
    files: Iterable[FileEntry],
    *,
    gaze: str | None = None,
    recording_name: str = "",
    px_per_deg: float | None = None,
) -> str:
    """Return the id of a recording: a hash of its URI, its files' names, sizes and versions, its name and scale."""
    digest = hashlib.sha256(f"{uri}\0{gaze or ''}".encode())
    for entry in sorted(files, key=lambda entry: entry.path):
        digest.update(f"\0{entry.path}\0{entry.bytes}\0{entry.version}".encode())
    if recording_name:
        digest.update(f"\0recording_name={recording_name}".encode())
    if px_per_deg is not None:
        digest.update(f"\0px_per_deg={px_per_deg!r}".encode())
    return digest.hexdigest()[:ID_DIGITS]


def longest_first(recordings: Iterable[Recording]) -> list[Recording]:
    """Sort recordings so that no long one is left for the end; the order does not depend on that of the input."""
    return sorted(recordings, key=lambda recording: (-recording.cost, recording.id))
