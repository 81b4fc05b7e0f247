"""Recordings in places that fsspec reaches: `s3://`, `gs://`, `memory://`, ..."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from sam_edge.batch.files import FileEntry
from sam_edge.batch.outcome import StorageError
from sam_edge.errors import InputError, MissingExtraError, SamEdgeError

SPARE_BYTES = 100_000_000
"""Free space that must be left after a recording was fetched."""
SIDECAR = ".json"
"""A file with gaze may have a second one next to it with this added to its name (`recordings.plain`)."""
PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
"""Packages of protocols that no extra brings."""
UNREACHABLE = (
    "ConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectorError",
    "ConnectorDNSError",
)
"""Ends of the names of errors that botocore and aiohttp raise when a host does not answer."""
VERSIONS = ("ETag", "etag", "generation", "mtime", "LastModified", "created")
"""Facts of a file that change with its content, in order of preference; file systems name them differently."""


def list_remote_files(uri: str) -> list[FileEntry]:
    """List the files below a folder of a remote place, as `places.list_files` does.

    Raises:
        StorageError: the place cannot be reached or read, or there is nothing.
        MissingExtraError: fsspec or its file system is not installed.
    """
    return [
        FileEntry(name, int(info["size"] or 0), _version_of(info))
        for name, info in _find(uri).items()
        if not any(part.startswith(".") for part in name.split("/"))
    ]


def fetch_remote(uri: str, folder: Path) -> Path:
    """Copy a recording's file or folder into a local folder, and return its path there.

    Raises:
        StorageError: the place cannot be reached or read, there is nothing, or the folder has too little space.
        MissingExtraError: fsspec or its file system is not installed.
    """
    files, needed = _find(uri), 0
    filesystem, root = open_filesystem(uri)
    for name, info in files.items():
        if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
            raise StorageError(f"{uri}: the name {name!r} leads out of the recording; rename it")
        needed += int(info["size"] or 0)
    folder.mkdir(parents=True, exist_ok=True)
    _check_space(folder, needed, uri)
    target = folder / PurePosixPath(root).name
    sources = {info["name"]: target / name for name, info in files.items()}
    with storage_errors(uri):
        if set(sources) == {root}:
            sources = {root: target}
            if filesystem.exists(f"{root}{SIDECAR}"):
                sources[f"{root}{SIDECAR}"] = folder / f"{target.name}{SIDECAR}"
        for source, path in sources.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            filesystem.get_file(source, str(path))
    return target


def open_filesystem(url: str) -> tuple[Any, str]:
    """Open the file system of a URL, and return it with the path in it. fsspec keeps one for each process.

    Raises:
        InputError: the protocol is not known.
        MissingExtraError: fsspec or s3fs is not installed.
    """
    protocol = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError("fsspec", extra="cloud", purpose=f"{protocol}://") from error
    try:
        filesystem, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        if package := PACKAGES.get(protocol):
            raise InputError(
                f"{url}: {protocol}:// needs {package}, which is not installed. Install it: pip install {package}"
            ) from error
        library = "s3fs" if protocol in ("s3", "s3a") else f"the file system of {protocol}:// for fsspec"
        raise MissingExtraError(library, extra="cloud", purpose=f"{protocol}://") from error
    except ValueError as error:
        raise InputError(
            f"{url}: fsspec knows no {protocol}://; accepted: a path, s3://, gs:// ({error})"
        ) from error
    return filesystem, path.rstrip("/")


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn every error of the block into a `StorageError` that names the place, the reason and what to do.

    `FileExistsError` is passed on, for those who create a file.
    """
    try:
        yield
    except (SamEdgeError, FileExistsError):
        raise
    except Exception as error:  # the libraries below fsspec share no base class but this one
        raise StorageError(f"{url}: {_describe(error)}") from error


def _describe(error: Exception) -> str:
    text, kind = " ".join(str(error).split()), type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"there is no such bucket, file or folder ({text}); check the name, or create the bucket"
    if isinstance(error, PermissionError):
        return f"access is refused ({text}); check the credentials and the permissions of the bucket"
    if "Credential" in kind or kind in ("RefreshError", "DefaultCredentialsError"):
        return f"no credentials can be used ({text}); set them as the storage's own tools expect them"
    if isinstance(error, (ConnectionError, TimeoutError)) or kind.endswith(UNREACHABLE):
        return f"the host cannot be reached ({text}); check the network and the endpoint"
    return f"{kind}: {text}"


def _find(uri: str) -> dict[str, Any]:
    """Return what is known about each file, by its path below `uri`; of a single file, by its name."""
    filesystem, root = open_filesystem(uri)
    with storage_errors(uri):
        found = {
            info["name"]: info
            for info in filesystem.find(root, detail=True).values()
            if info["type"] == "file" and not info["name"].endswith("/")
        }
    if not found:
        raise StorageError(f"{uri}: there is no such file or folder; check the name")
    return {
        name.removeprefix(f"{root}/") if name != root else PurePosixPath(root).name: info
        for name, info in sorted(found.items())
    }


def _check_space(folder: Path, needed: int, uri: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise StorageError(
            f"scratch: {folder} has {free / 1e6:.0f} MB free, and {uri} takes {needed / 1e6:.0f} MB; free some, or "
            "give another folder with --scratch"
        )


def _version_of(info: dict[str, Any]) -> str:
    return next((str(info[name]) for name in VERSIONS if info.get(name) is not None), "")
