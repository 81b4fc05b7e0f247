"""Process one recording: fetch it, compute in a temporary folder, upload, and commit `done.json` last."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
import traceback
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import cv2

from sam_edge.batch.done import Done, Figures, commit
from sam_edge.batch.files import is_remote
from sam_edge.batch.outcome import Outcome, StorageError, classify
from sam_edge.batch.results import make_results
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording
from sam_edge.bundle import FileEntry, hash_file
from sam_edge.media.environment import cpu_name, peak_memory_mb

SPARE_BYTES = 100_000_000
"""Free space that the temporary folder must have besides a recording that is fetched into it."""


def process(recording: Recording, settings: Settings, store: Store, scratch: Path) -> Outcome:
    """Process one recording. Errors are in the outcome and in the log: nothing is raised but what ends the process.

    Args:
        recording: what to process.
        settings: resolved settings (`Settings.resolve`).
        store: where the results go.
        scratch: folder for temporary files; it is made, and what is put into it is removed again.
    """
    started = time.monotonic()
    folder = scratch / uuid.uuid4().hex
    outcome = Outcome(recording.id, "done", host=socket.gethostname(), log=log_path(recording.id))
    notes: list[str] = []
    try:
        folder.mkdir(parents=True)
        store.write(start_path(recording.id), _describe_start())
        figures = _compute(recording, settings, store, folder, notes)
        seconds = time.monotonic() - started
        done = _upload(recording, settings, store, folder / "results", figures, seconds)
        won = commit(store, done)
        outcome = replace(outcome, seconds=seconds, frames=figures.frames if won else 0)
    except Exception as error:
        outcome = replace(
            outcome,
            state="failed",
            error_class=classify(error),
            message=describe_error(error, folder),
            seconds=time.monotonic() - started,
        )
        notes.append("".join(traceback.format_exception(error)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    outcome = replace(outcome, peak_memory_mb=peak_memory_mb())
    with suppress(StorageError):
        store.write(outcome.log, _log(recording, settings, outcome, notes).encode())
    return outcome


def log_path(recording_id: str) -> str:
    """Return the path of a recording's log in the output."""
    return f"logs/{recording_id}.txt"


def start_path(recording_id: str) -> str:
    """Return the path of the file that says who began a recording, and when."""
    return f"recordings/{recording_id}/started.json"


def describe_error(error: BaseException, scratch: Path) -> str:
    """Return an error in one line, without the name of the temporary folder."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.replace(f"{scratch / 'input'}{os.sep}", "").replace(f"{scratch}{os.sep}", "")
    return text if classify(error) != "bug" else f"{type(error).__name__}: {text}"


def _compute(
    recording: Recording, settings: Settings, store: Store, folder: Path, notes: list[str]
) -> Figures:
    """Fetch the recording, write its files to `folder/results`, and append the warnings to `notes`."""
    uris = [recording.uri] + ([recording.gaze] if recording.gaze is not None else [])
    if any(map(is_remote, uris)):
        _check_space(folder, recording)
    source, *others = [store.fetch(uri, folder / "input" / str(index)) for index, uri in enumerate(uris)]
    with _limited_threads(settings.threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            figures = make_results(source, next(iter(others), None), recording, settings, folder / "results")
        finally:
            notes += [f"warning: {warning.message}" for warning in caught]
    return replace(figures, warnings=tuple(dict.fromkeys(note.removeprefix("warning: ") for note in notes)))


def _upload(
    recording: Recording, settings: Settings, store: Store, local: Path, figures: Figures, seconds: float
) -> Done:
    """Put the files under a new name in the output, and return what `done.json` is going to say."""
    files = [
        FileEntry(path.relative_to(local).as_posix(), hash_file(path), path.stat().st_size)
        for path in sorted(local.rglob("*"))
        if path.is_file()
    ]
    attempt = f"{recording.folder}/attempts/{uuid.uuid4().hex[:12]}"
    store.upload(local, attempt)
    return Done(
        id=recording.id,
        fingerprint=settings.fingerprint(),
        attempt=attempt,
        files=tuple(files),
        figures=figures,
        host=socket.gethostname(),
        cpu=cpu_name(),
        threads=settings.threads,
        seconds=round(seconds, 3),
        peak_memory_mb=peak_memory_mb(),
        finished=_now(),
    )


def _check_space(folder: Path, recording: Recording) -> None:
    free = shutil.disk_usage(folder).free
    if free < recording.bytes + SPARE_BYTES:
        raise StorageError(
            f"scratch: {folder.parent} has {free / 1e6:.0f} MB free, and the recording takes "
            f"{recording.bytes / 1e6:.0f} MB; free some, or give another folder with --scratch"
        )


@contextmanager
def _limited_threads(count: int) -> Iterator[None]:
    """Let OpenCV use as many threads as the inference."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _describe_start() -> bytes:
    return json.dumps({"host": socket.gethostname(), "process": os.getpid(), "started": _now()}).encode()


def _log(recording: Recording, settings: Settings, outcome: Outcome, notes: list[str]) -> str:
    facts = [
        f"recording {recording.uri} {recording.recording_name}".rstrip(),
        f"time      {_now()} on {outcome.host}, {cpu_name()}, {settings.threads} threads",
        f"state     {outcome.state} after {outcome.seconds:.1f} s",
        *([f"error     {outcome.error_class}: {outcome.message}"] if outcome.message else []),
        f"settings  {json.dumps(settings.to_json(), ensure_ascii=False)}",
    ]
    return "\n".join([*facts, "", *notes]) + "\n"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
