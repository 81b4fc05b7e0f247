"""Write files and folders atomically: a final name never holds something that is partly written."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sam_edge.errors import MediaError


def partial_path(path: Path) -> Path:
    """Return a new hidden path in the folder of `path`, with the same ending, for the file while it is written."""
    return path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(3)}.part{path.suffix}")


def is_device(path: Path) -> bool:
    """Say whether `path` is a pipe or a device such as `/dev/stdout`: it is written to, and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_error(path: Path, error: OSError) -> MediaError:
    """Return an error that names the path that cannot be written, and the reason."""
    return MediaError(f"{path}: cannot be written ({error.strerror or error})")


def missing_parents(path: Path) -> list[Path]:
    """Return the folders above `path` that do not exist, the innermost first."""
    return [folder for folder in path.parents if not os.path.lexists(folder)]


def make_parent(path: Path) -> list[Path]:
    """Make the folder that holds `path`, and its parents.

    Returns:
        The folders that were made, the innermost first; `remove_empty` removes them again.

    Raises:
        MediaError: a folder cannot be made.
    """
    missing = missing_parents(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remove_empty(missing)
        if missing and missing[-1].parent.is_file():
            raise MediaError(f"{path}: cannot be written ({missing[-1].parent} is a file)") from error
        if path.parent.is_file():
            raise MediaError(f"{path}: cannot be written ({path.parent} is a file)") from error
        raise write_error(path, error) from error
    return missing


def remove_empty(folders: list[Path]) -> None:
    """Remove those of some folders, the innermost first, that are empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def parent_folder(path: Path) -> Iterator[None]:
    """Make the folder that holds `path`, and its parents; at the end of the block remove those that are still empty.

    Raises:
        MediaError: a folder cannot be made.
    """
    missing = missing_parents(path)
    try:
        make_parent(path)
        yield
    finally:
        remove_empty(missing)


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and move that file to `path` when the block ends without an error.

    Missing parent folders are made, and removed again after an error. A pipe or device is yielded as it is.

    Example:
        >>> with write_atomically(Path("report.json")) as part:
        ...     part.write_text("{}")

    Raises:
        MediaError: `path` is a folder, or something cannot be written.
    """
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; give the name of a file")
    with parent_folder(path):
        part = path if is_device(path) else partial_path(path)
        try:
            yield part
            if part is not path:
                part.replace(path)
        except OSError as error:
            raise write_error(path, error) from error
        finally:
            if part is not path:
                part.unlink(missing_ok=True)


@contextmanager
def write_folder_atomically(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder, and move its files to `folder` when the block ends without an error.

    A missing `folder` is made. In one that exists, files of the same names are replaced, and others stay.

    Raises:
        MediaError: `folder` is a file, or something cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise MediaError(f"{folder}: is a file; give the name of a folder")
    with parent_folder(folder):
        part = folder / partial_path(folder).name if folder.exists() else partial_path(folder)
        try:
            part.mkdir()
            yield part
            _move_files(part, folder)
        except OSError as error:
            raise write_error(folder, error) from error
        except MediaError as error:
            raise MediaError(str(error).replace(str(part), str(folder))) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


def replace_folder(part: Path, folder: Path) -> None:
    """Move the folder `part` to the name `folder`; what stood there is removed, or restored after an error.

    Raises:
        OSError: the folder cannot be moved.
    """
    if not folder.exists():
        part.replace(folder)
        return
    old = partial_path(folder)
    folder.replace(old)
    try:
        part.replace(folder)
    except BaseException:
        if not folder.exists():
            old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _move_files(part: Path, folder: Path) -> None:
    if not folder.exists():
        part.replace(folder)
        return
    for path in sorted(part.iterdir()):
        path.replace(folder / path.name)
