"""A run's output in a folder of this machine, or of a network drive that many machines share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sam_edge.batch.files import is_remote, local_path
from sam_edge.batch.outcome import StorageError
from sam_edge.media.atomic import partial_path


@dataclass(frozen=True, slots=True)
class LocalStore:
    """Files below a folder. What is being written has a hidden name; a file that is there is whole."""

    url: str
    """The folder, an absolute path."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file; None when there is none."""
        try:
            with self._naming(path):
                return self._place(path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Write a file, or replace it."""
        with self._naming(path), self._part(path) as part:
            part.write_bytes(content)
            part.replace(self._place(path))

    def create_if_absent(self, path: str, content: bytes) -> bool:
        """Write a file unless there is one: a link to a whole file, which only one of several can make."""
        with self._naming(path), self._part(path) as part:
            _write_through(part, content)
            try:
                os.link(part, self._place(path))
            except FileExistsError:
                return False
            except OSError:
                # Some network and memory-card file systems have no links.
                return self._create_exclusively(path, content)
            return True

    def exists(self, path: str) -> bool:
        """Say whether there is such a file."""
        return self._place(path).is_file()

    def list(self, prefix: str) -> list[str]:
        """Return the paths of all files below a folder; names that begin with a dot are left out."""
        top = self._place(prefix)
        found: list[str] = []
        with self._naming(prefix):
            for folder, folders, names in os.walk(top):
                folders[:] = [name for name in folders if not name.startswith(".")]
                place = Path(folder).relative_to(self.url)
                found += [(place / name).as_posix() for name in names if not name.startswith(".")]
        return sorted(found)

    def upload(self, local: Path, path: str) -> None:
        """Move a file or folder to `path`; between two file systems it is copied."""
        with self._naming(path), self._part(path) as part:
            try:
                local.replace(part)
            except OSError:
                _copy(local, part)
            part.replace(self._place(path))

    def fetch(self, uri: str, folder: Path) -> Path:
        """Return the path of a recording; one that lies elsewhere is copied into `folder`."""
        if is_remote(uri):
            from sam_edge.batch.remote import fetch_remote

            return fetch_remote(uri, folder)
        return local_path(uri)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with everything in it."""
        place = self._place(path)
        with self._naming(path):
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    def free_bytes(self) -> int | None:
        """Return the free space of the file system."""
        folder = Path(self.url)
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            return None

    def _place(self, path: str) -> Path:
        return Path(self.url, path)

    @contextmanager
    def _part(self, path: str) -> Iterator[Path]:
        """Yield a hidden path next to `path`; what is left there is removed."""
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = partial_path(place)
        try:
            yield part
        finally:
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                with suppress(OSError):
                    part.unlink(missing_ok=True)

    def _create_exclusively(self, path: str, content: bytes) -> bool:
        place = self._place(path)
        try:
            handle = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        return True

    @contextmanager
    def _naming(self, path: str) -> Iterator[None]:
        """Name the place and the reason in errors of the block."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"{self._place(path)}: {error.strerror or error}") from error


def _copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder with everything in it; the first error ends it."""
    if not source.is_dir():
        shutil.copyfile(source, target)
        return
    target.mkdir()
    for path in sorted(source.iterdir()):
        _copy(path, target / path.name)


def _write_through(path: Path, content: bytes) -> None:
    """Write a file to the disk: a name must not survive a power cut that its content does not."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
