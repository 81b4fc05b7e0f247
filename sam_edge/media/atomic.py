"""Nothing half-written ever stands under a final name."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam_edge.errors import MediaError


def partial_path(path: Path) -> Path:
    """Return a new hidden name beside `path`, with the same ending, to write to until the result is whole."""
    return path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(3)}.part{path.suffix}")


def make_parent(path: Path) -> None:
    """Make the folder that `path` lies in; raise `MediaError` when that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> MediaError:
    """Return the error that says that `path` cannot be written, and why."""
    return MediaError(f"{path}: cannot be written ({error.strerror or error})")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; it takes the place of `path` when the block ends without error.

    Makes missing parent folders. Raises `MediaError` when something cannot be written or `path` is a folder.
    """
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; give the name of a file")
    make_parent(path)
    part = partial_path(path)
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        part.unlink(missing_ok=True)
