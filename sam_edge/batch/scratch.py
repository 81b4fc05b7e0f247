"""The folder for temporary files of a run on one machine; what a killed run left is removed by the next one."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sam_edge.batch.outcome import StorageError

PREFIX = "sam-edge-batch"


@contextmanager
def scratch_folder(parent: str | None) -> Iterator[Path]:
    """Yield a new folder below `parent` (None: the system's), and remove it at the end of the block.

    Raises:
        StorageError: the folder cannot be made.
    """
    place = Path(parent if parent is not None else tempfile.gettempdir())
    host = socket.gethostname()
    try:
        place.mkdir(parents=True, exist_ok=True)
        _remove_left_over(place, host)
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{host}-{os.getpid()}-", dir=place))
    except OSError as error:
        raise StorageError(f"scratch: {place} cannot be written ({error.strerror or error})") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_over(place: Path, host: str) -> None:
    """Remove the folders of processes of this machine that are gone; other machines may share the place."""
    for folder in place.glob(f"{PREFIX}-{host}-*-*"):
        number = folder.name.removeprefix(f"{PREFIX}-{host}-").partition("-")[0]
        if number.isdecimal() and not _is_alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # signal 0 would end the process on Windows
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
