"""One program at a time in one folder: a lock that the system releases when its holder ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sam_edge.closing import Closing
from sam_edge.errors import InputError
from sam_edge.media.atomic import write_error

NAME = ".lock"


class FolderLock(Closing):
    """Locks a folder. A context manager. The file stays behind; without the lock on it, it means nothing."""

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
            self.close()
            raise InputError(
                f"{folder}: another program annotates it{f' (process {holder})' if holder else ''}; "
                "end that one first, or give another folder"
            ) from error
        os.ftruncate(self._handle, 0)
        os.write(self._handle, str(os.getpid()).encode("ascii"))

    def close(self) -> None:
        """Release the lock. Closing twice is allowed."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


if sys.platform == "win32":
    import msvcrt

    LOCKED_BYTE = 1 << 20
    """Position of the locked byte. Windows forbids reading locked bytes, and the process number stands before it."""

    def lock(handle: int) -> None:
        """Lock an open file, or raise OSError at once."""
        os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def lock(handle: int) -> None:
        """Lock an open file, or raise OSError at once."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
