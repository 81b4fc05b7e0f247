"""A run's output in a place that fsspec reaches. Object stores have no rename: what `done.json` names counts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_edge.batch.files import is_remote, local_path
from sam_edge.batch.outcome import StorageError
from sam_edge.batch.remote import fetch_remote, open_filesystem, storage_errors


@dataclass(frozen=True)
class RemoteStore:
    """Files below a URL. An object is replaced as a whole; there are no parts of one to be seen.

    `create_if_absent` is atomic on S3 (`If-None-Match: *`) and on Google Cloud Storage (`ifGenerationMatch=0`). A file
    system without such a condition is asked first and written then: of two workers at the same moment the later one
    wins. One file is left in either case, and it names the results of one attempt, all of them.
    """

    url: str
    """The root, with its protocol and without a slash at its end."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file; None when there is none."""
        filesystem, place = self._place(path)
        with storage_errors(f"{self.url}/{path}"):
            try:
                content: bytes = filesystem.cat_file(place)
            except FileNotFoundError:
                return None
        return content

    def write(self, path: str, content: bytes) -> None:
        """Write a file, or replace it."""
        filesystem, place = self._place(path)
        with storage_errors(f"{self.url}/{path}"):
            filesystem.pipe_file(place, content)

    def create_if_absent(self, path: str, content: bytes) -> bool:
        """Write a file unless there is one; return whether it was written."""
        filesystem, place = self._place(path)
        with storage_errors(f"{self.url}/{path}"):
            try:
                filesystem.pipe_file(place, content, mode="create")
            except FileExistsError:
                return False
            except OSError:
                # Two conditional requests at the same moment: S3 may answer one of them with a conflict (409).
                if self.exists(path):
                    return False
                raise
        return True

    def exists(self, path: str) -> bool:
        """Say whether there is such a file."""
        filesystem, place = self._place(path)
        with storage_errors(f"{self.url}/{path}"):
            try:
                return bool(filesystem.info(place)["type"] == "file")
            except FileNotFoundError:
                return False

    def list(self, prefix: str) -> list[str]:
        """Return the paths of all files below a folder, sorted."""
        filesystem, place = self._place(prefix.rstrip("/"))
        _, root = open_filesystem(self.url)
        with storage_errors(f"{self.url}/{prefix}"):
            return sorted(name.removeprefix(f"{root}/") for name in filesystem.find(place))

    def upload(self, local: Path, path: str) -> None:
        """Copy a file, or a folder with everything in it, to `path`."""
        filesystem, place = self._place(path)
        files = sorted(each for each in local.rglob("*") if each.is_file()) if local.is_dir() else [local]
        for file in files:
            target = place if file == local else f"{place}/{file.relative_to(local).as_posix()}"
            with storage_errors(f"{self.url}/{path}"):
                filesystem.put_file(str(file), target)

    def fetch(self, uri: str, folder: Path) -> Path:
        """Bring a recording to this machine: copied into `folder` when it is remote."""
        return fetch_remote(uri, folder) if is_remote(uri) else local_path(uri)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with everything in it."""
        filesystem, place = self._place(path)
        with storage_errors(f"{self.url}/{path}"):
            for name in filesystem.find(place):
                with suppress(FileNotFoundError):
                    filesystem.rm_file(name)

    def free_bytes(self) -> int | None:
        """Return None: an object store has no limit that can be asked for."""
        return None

    def __getstate__(self) -> dict[str, str]:
        """Return what another process needs. Memory is not among it.

        Raises:
            StorageError: the place is in the memory of this process.
        """
        if self.url.startswith("memory://"):
            raise StorageError(
                f"{self.url}: other processes do not see this process's memory; give a path or another URL"
            )
        return {"url": self.url}

    def _place(self, path: str) -> tuple[Any, str]:
        filesystem, root = open_filesystem(self.url)
        return filesystem, f"{root}/{path}" if path else root


def open_remote_store(url: str) -> RemoteStore:
    """Open a remote place for a run's output. Nothing is written.

    Raises:
        InputError: the protocol is not known.
        MissingExtraError: fsspec or its file system is not installed.
    """
    open_filesystem(url)
    return RemoteStore(url.rstrip("/"))
