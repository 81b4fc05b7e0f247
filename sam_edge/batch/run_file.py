"""`run.json`: what a place of output was made with. A run with other settings is refused there."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sam_edge.batch.files import is_remote
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.errors import InputError

FILE_NAME = "run.json"
KIND, SCHEMA = "sam-edge batch", 1


@dataclass(frozen=True, slots=True)
class RunFile:
    """What the results in a place were made with."""

    fingerprint: str
    """`Settings.fingerprint`."""
    facts: dict[str, Any]
    """`Settings.facts`: everything that changes results."""
    created: str
    """When the place was first written to, ISO 8601 in UTC."""

    @classmethod
    def of(cls, settings: Settings) -> RunFile:
        """Describe settings."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return cls(settings.fingerprint(), settings.facts, now)

    def to_bytes(self) -> bytes:
        """Return the content of `run.json`."""
        values = {
            "kind": KIND,
            "schema": SCHEMA,
            "fingerprint": self.fingerprint,
            "created": self.created,
            "settings": self.facts,
        }
        return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()

    def differences(self, other: RunFile) -> list[str]:
        """Return how the settings of `other` differ, a text a setting."""
        names = sorted(self.facts.keys() | other.facts.keys())
        return [
            f"{name} {_short(self.facts.get(name))}, now {_short(other.facts.get(name))}"
            for name in names
            if self.facts.get(name) != other.facts.get(name)
        ]


def read_run_file(store: Store) -> RunFile | None:
    """Return what a place was made with; None where there is no run.

    Raises:
        InputError: the file is damaged, or another program's.
        StorageError: the place cannot be reached.
    """
    content = store.read(FILE_NAME)
    if content is None:
        return None
    try:
        values = json.loads(content)
        if values["kind"] != KIND or values["schema"] != SCHEMA:
            raise ValueError(f"kind {values['kind']!r}, schema {values['schema']!r}")
        return RunFile(str(values["fingerprint"]), dict(values["settings"]), str(values["created"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"out: {store.url}/{FILE_NAME} is damaged, or of another program ({error!r}); give another place"
        ) from error


def require_run(store: Store) -> RunFile:
    """Return what a place was made with. Raises `InputError` where there is no run."""
    run = read_run_file(store)
    if run is None:
        raise InputError(f"out: {store.url} holds no {FILE_NAME}; give what `sam-edge batch run --out` wrote")
    return run


def check_place(store: Store, settings: Settings, *, force: bool) -> RunFile | None:
    """Check that results with these settings may go to a place, without writing anything; return what is there.

    Raises:
        InputError: it holds results with other settings and not `force`, or files of something else.
        StorageError: it cannot be reached.
    """
    now, there = RunFile.of(settings), read_run_file(store)
    if there is None and not _is_empty(store):
        # Another shard may have begun in between.
        there = read_run_file(store)
        if there is None:
            raise InputError(f"out: {store.url} holds files, and no {FILE_NAME}; give a new or empty place")
    if there is not None and there.fingerprint != now.fingerprint and not force:
        raise InputError(
            f"out: {store.url} holds results that were made with other settings ({'; '.join(there.differences(now))}); "
            "give the same settings, another place, or --force to make all results again"
        )
    return there


def claim_place(store: Store, settings: Settings, *, force: bool) -> None:
    """Make a place one of results with these settings, as `check_place` allows; this shows that it can be written."""
    now, there = RunFile.of(settings), check_place(store, settings, force=force)
    if there is None:
        if not store.create_if_absent(FILE_NAME, now.to_bytes()):
            # Another shard was first.
            claim_place(store, settings, force=force)
    elif there.fingerprint != now.fingerprint:
        store.write(FILE_NAME, now.to_bytes())


def _is_empty(store: Store) -> bool:
    if is_remote(store.url):
        return not store.list("")
    folder = Path(store.url)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out: {folder} is a file; give a folder")
    if not folder.exists():
        return True
    # A hidden file may be what another shard is writing.
    return all(name.startswith(".") for name in os.listdir(folder))


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
