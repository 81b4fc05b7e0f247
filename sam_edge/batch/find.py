"""Find recordings below folders. A folder that is a recording is one unit; folders in it are part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sam_edge.batch.check import check_recording
from sam_edge.batch.files import FileEntry, is_remote, list_local_files, local_path
from sam_edge.batch.find_remote import find_remote
from sam_edge.batch.places import list_files
from sam_edge.batch.unit import Recording, longest_first, make_id
from sam_edge.errors import GazeDataError, InputError
from sam_edge.gaze import recordings as gaze_formats
from sam_edge.gaze_video import VIDEO_SUFFIXES, find_scene_video, recognise_gaze

OnFound = Callable[[int], None]
"""Receives the number of recordings so far."""


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds and checks recordings."""

    needs_video: bool = True
    """Whether a recording needs a scene video."""
    skip: str | None = None
    """Folder that is not searched: the run's own output."""
    known: dict[str, Recording] | None = None
    """Recordings by id that an earlier run has checked; they are not checked again."""
    on_found: OnFound | None = None

    def find(self, roots: Sequence[str]) -> list[Recording]:
        """Return every recording below some folders, the longest first, each once; those with a problem as well.

        Raises:
            InputError: a root is missing, or holds no recording.
        """
        found: dict[str, Recording] = {}
        for root in roots:
            before = len(found)
            for recording in self._find_below(root):
                found.setdefault(recording.uri, self.check(recording))
                if self.on_found is not None:
                    self.on_found(len(found))
            if len(found) == before and not any(uri.startswith(_absolute(root)) for uri in found):
                raise InputError(
                    f"recordings: {root}: holds no recording; accepted: folders with a scene video and gaze (see "
                    "docs/how-to/recordings.md), a folder with a video and gaze.csv, or --manifest"
                )
        return longest_first(found.values())

    def check(self, recording: Recording) -> Recording:
        """Return the recording as the check finds it."""
        known = (self.known or {}).get(recording.id)
        if known is not None and not known.problem:
            return replace(
                recording,
                format=recording.format or known.format,
                duration_s=known.duration_s,
                frames=known.frames,
            )
        if recording.problem:
            return recording
        return check_recording(recording, needs_video=self.needs_video)

    def _find_below(self, root: str) -> Iterator[Recording]:
        if is_remote(root):
            yield from find_remote(root)
            return
        path = local_path(root).absolute()
        if not path.exists():
            raise InputError(f"recordings: {root}: no such file or folder")
        if path.is_file():
            yield self._make(path, path.parent, _files_of(path))
            return
        yield from self._search(path, path, seen=set())

    def _search(self, folder: Path, root: Path, seen: set[Path]) -> Iterator[Recording]:
        """Yield the recordings in a folder; links to folders are followed, each folder once."""
        real = folder.resolve()
        if real in seen or (self.skip is not None and real == Path(self.skip).resolve()):
            return
        seen.add(real)
        try:
            children = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            yield _refused(folder, root, f"cannot be read ({error.strerror or error})")
            return
        if _holds_gaze(folder):
            yield self._make(folder, root, _files_of(folder))
            return
        found = False
        for child in children:
            if child.is_dir():
                for recording in self._search(child, root, seen):
                    found = True
                    yield recording
            elif not self.needs_video and _is_gaze_file(child):
                found = True
                yield self._make(child, root, _files_of(child))
        if not found and any(child.suffix.lower() in VIDEO_SUFFIXES for child in children):
            yield _refused(folder, root, "holds a video, and no gaze of a known format")

    def _make(self, path: Path, root: Path, files: Sequence[FileEntry]) -> Recording:
        uri = str(path)
        return Recording(
            id=make_id(uri, files),
            uri=uri,
            participant=participant_of(path, root),
            bytes=sum(entry.bytes for entry in files),
        )


def participant_of(path: Path, root: Path) -> str:
    """Return the name of the first folder below the root; for a recording right below it, the recording's own."""
    parts = path.relative_to(root).parts
    return parts[0] if parts else path.name


def identify(uri: str, gaze: str | None, *, recording_name: str, px_per_deg: float | None) -> tuple[str, int]:
    """Return the id and the size, in bytes, of a recording that a manifest names. Raises `InputError`."""
    files: list[FileEntry] = []
    for place in (uri, gaze):
        if place is not None:
            files += list_files(place) if is_remote(place) else _files_of(local_path(place))
    identity = make_id(uri, files, gaze=gaze, recording_name=recording_name, px_per_deg=px_per_deg)
    return identity, sum(entry.bytes for entry in files)


def _files_of(path: Path) -> list[FileEntry]:
    """Return a recording's files; for an export, the scene video in the recording around it as well."""
    files = list_local_files(path)
    if path.is_dir() and path.parent.name == "exports":
        try:
            video = find_scene_video(path)
        except InputError:
            return files
        if not video.is_relative_to(path):
            files += list_local_files(video)
    return files


def _holds_gaze(folder: Path) -> bool:
    try:
        return recognise_gaze(folder) is not None
    except (InputError, OSError):
        # Several exports: each is a recording of its own.
        return False


def _is_gaze_file(path: Path) -> bool:
    try:
        gaze_formats.recognise(path)
    except (GazeDataError, OSError):
        return False
    return True


def _refused(folder: Path, root: Path, problem: str) -> Recording:
    uri = str(folder)
    return Recording(
        id=make_id(uri, ()),
        uri=uri,
        participant=participant_of(folder, root),
        problem_class="input",
        problem=problem,
    )


def _absolute(root: str) -> str:
    return root if is_remote(root) else str(local_path(root).absolute())
