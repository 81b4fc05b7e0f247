"""Where a run writes: a folder of this machine, or a place that fsspec reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """A place for files below one root. Picklable: workers get it. Paths are relative, with slashes.

    Every method but `exists` raises `StorageError` when the place cannot be reached, read or written.
    """

    @property
    def url(self) -> str:
        """The root, as `places.open_store` accepts it."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return the content of a file; None when there is none."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Write a file, or replace it; readers see the old content or the new one, never a part."""
        ...

    def create_if_absent(self, path: str, content: bytes) -> bool:
        """Write a file unless there is one; of several that try at once one succeeds. Return whether this one did."""
        ...

    def exists(self, path: str) -> bool:
        """Say whether there is such a file. Raises `StorageError` as the others do."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Return the paths of all files whose path begins with `prefix`, a folder's path with a slash; sorted."""
        ...

    def upload(self, local: Path, path: str) -> None:
        """Put a local file, or a folder with everything in it, at `path`. A local file may be moved, not copied."""
        ...

    def fetch(self, uri: str, folder: Path) -> Path:
        """Bring a recording's file or folder to this machine: into `folder`, unless it is here; return its path.

        `uri` is that of a recording, not a path of the store.
        """
        ...

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with everything in it; nothing happens where there is none."""
        ...

    def free_bytes(self) -> int | None:
        """Return the free space; None where it is not limited or not known."""
        ...
