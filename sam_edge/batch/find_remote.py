"""Find recordings in a remote place by the names of their files: their content is read where they are processed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from sam_edge.batch.files import FileEntry
from sam_edge.batch.places import list_files
from sam_edge.batch.unit import Recording, make_id
from sam_edge.gaze_video import VIDEO_SUFFIXES


def find_remote(root: str) -> Iterator[Recording]:
    """Yield the recordings below a URL: each folder with a video that lies in no other such folder.

    Raises:
        InputError: the place cannot be listed.
    """
    root = root.rstrip("/")
    files = list_files(root)
    for folder in _recording_folders(files):
        own = [entry for entry in files if not folder or entry.path.startswith(f"{folder}/")]
        uri = f"{root}/{folder}" if folder else root
        name = posixpath.basename(uri)
        yield Recording(
            id=make_id(uri, own),
            uri=uri,
            participant=folder.partition("/")[0] or name,
            bytes=sum(entry.bytes for entry in own),
        )


def _recording_folders(files: list[FileEntry]) -> list[str]:
    """Return the folders, relative to the root, that hold a video; the outer one where one lies in another."""
    folders = {
        _owner(posixpath.dirname(entry.path))
        for entry in files
        if posixpath.splitext(entry.path)[1].lower() in VIDEO_SUFFIXES
    }
    return sorted(folder for folder in folders if not _parents(folder) & folders)


def _owner(folder: str) -> str:
    """Return the recording's folder: the recorder of Tobii Pro Glasses 2 has one for each segment in it."""
    head, _, tail = folder.rpartition("/")
    outer, _, middle = head.rpartition("/")
    return outer if middle == "segments" and tail.isdecimal() else folder


def _parents(folder: str) -> set[str]:
    parents = set()
    while folder:
        folder = posixpath.dirname(folder)
        parents.add(folder)
    return parents
