"""Files of recordings, wherever they lie: one listing for a local folder and for an object store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sam_edge.errors import InputError


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file in a listing."""

    path: str
    """Path below the folder that was listed, with slashes."""
    bytes: int
    """Size of the file."""
    version: str
    """Changes when the content does: the time of modification in nanoseconds, or an object store's ETag."""

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]


def is_remote(uri: str) -> bool:
    """Say whether a URI names another place than a path of this machine."""
    return "://" in uri and not uri.startswith("file://")


def local_path(uri: str) -> Path:
    """Return the path of a local URI: a path, or `file://` with one."""
    return Path(uri.removeprefix("file://"))


def list_local_files(path: Path) -> list[FileEntry]:
    """List the files below a local folder, by path; for a file, the file alone. Hidden files are left out.

    Raises:
        InputError: there is no such file or folder, or it cannot be read.
    """
    try:
        if path.is_file():
            return [_entry(path, path.name)]
        if not path.is_dir():
            raise InputError(f"recordings: {path}: no such file or folder")
        return list(_walk(path, ""))
    except OSError as error:
        raise InputError(f"recordings: {path} cannot be read ({error.strerror or error})") from error


def _walk(folder: Path, prefix: str) -> Iterator[FileEntry]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield _entry(Path(entry.path), prefix + entry.name)


def _entry(path: Path, name: str) -> FileEntry:
    stat = path.stat()
    return FileEntry(name, stat.st_size, str(stat.st_mtime_ns))
