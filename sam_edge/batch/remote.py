"""Recordings and output in places that fsspec reaches: `s3://`, `gs://`, `memory://`, ..."""

from __future__ import annotations

from pathlib import Path

from sam_edge.batch.files import FileEntry
from sam_edge.batch.store import Store
from sam_edge.errors import InputError


def list_remote_files(uri: str) -> list[FileEntry]:
    """List the files below a folder of a remote place, as `places.list_files` does."""
    raise InputError(f"recordings: {uri}: only local recordings are read; give a path")


def fetch_remote(uri: str, folder: Path) -> Path:
    """Copy a recording's file or folder into a local folder, and return its path there."""
    raise InputError(f"{uri}: only local recordings are read; give a path")


def open_remote_store(url: str) -> Store:
    """Open a remote place for a run's output."""
    raise InputError(f"out: {url}: only local folders are written; give a path")
