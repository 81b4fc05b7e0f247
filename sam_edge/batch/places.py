"""Local or remote: which code lists recordings and writes the output."""

from __future__ import annotations

from sam_edge.batch.files import FileEntry, is_remote, list_local_files, local_path
from sam_edge.batch.local_store import LocalStore
from sam_edge.batch.store import Store


def list_files(uri: str) -> list[FileEntry]:
    """List the files below a folder, in order of their paths; for a file, the file alone. Hidden files are left out.

    Raises:
        InputError: there is no such file or folder, or it cannot be read.
        MissingExtraError: the URI is remote, and fsspec is not installed.
    """
    if is_remote(uri):
        from sam_edge.batch.remote import list_remote_files

        return list_remote_files(uri)
    return list_local_files(local_path(uri))


def open_store(url: str) -> Store:
    """Open the place of a run's output: a path, or a URL that fsspec knows (`s3://...`, `gs://...`, `memory://...`).

    Nothing is written.

    Raises:
        InputError: the URL is not accepted.
        MissingExtraError: the URL is remote, and fsspec or its file system is not installed.
    """
    if is_remote(url):
        from sam_edge.batch.remote_store import open_remote_store

        return open_remote_store(url)
    return LocalStore(str(local_path(url).absolute()))
