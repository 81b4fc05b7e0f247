"""One program at a time in one folder: a lock that the system lets go of when its holder ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType

from sam_edge.errors import InputError
from sam_edge.media.atomic import write_error

NAME = ".lock"


class FolderLock:
    """Holds a folder. A context manager. Its file stays behind, and means nothing without the lock on it."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            InputError: another program holds it, or this one does.
            MediaError: the file cannot be written.
        """
        path = folder / NAME
        try:
            self._handle: int | None = os.open(
                path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644
            )
        except OSError as error:
            raise write_error(path, error) from error
        try:
            lock(self._handle)
        except OSError as error:
            holder = os.pread(self._handle, 20, 0).decode("ascii", "replace") if hasattr(os, "pread") else ""
            self.release()
            raise InputError(
                f"{folder}: another program annotates it{f' (process {holder})' if holder else ''}; "
                "end that one first, or give another folder"
            ) from error
        os.ftruncate(self._handle, 0)
        os.write(self._handle, str(os.getpid()).encode("ascii"))

    def release(self) -> None:
        """Let go. Twice is allowed."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> FolderLock:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        self.release()


if sys.platform == "win32":
    import msvcrt

    FAR = 1 << 20
    """Windows lets nobody read what is locked; the process's number stands before it."""

    def lock(handle: int) -> None:
        """Lock an open file, or raise OSError at once."""
        os.lseek(handle, FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def lock(handle: int) -> None:
        """Lock an open file, or raise OSError at once."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
