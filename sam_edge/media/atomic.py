"""Write files atomically: a final name never holds a partly written file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam_edge.errors import MediaError


def partial_path(path: Path) -> Path:
    """Return a new hidden path in the folder of `path`, with the same ending, for the file while it is written."""
    return path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(3)}.part{path.suffix}")


def make_parent(path: Path) -> None:
    """Make the folder that holds `path`, and its parents.

    Raises:
        MediaError: a folder cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> MediaError:
    """Return an error that names the path that cannot be written, and the reason."""
    return MediaError(f"{path}: cannot be written ({error.strerror or error})")


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and move that file to `path` when the block ends without an error.

    Missing parent folders are made.

    Example:
        >>> with write_atomically(Path("report.json")) as part:
        ...     part.write_text("{}")

    Raises:
        MediaError: `path` is a folder, or something cannot be written.
    """
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; give the name of a file")
    make_parent(path)
    part = partial_path(path)
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)
