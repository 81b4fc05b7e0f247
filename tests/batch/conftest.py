"""Fixtures of the batch tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sam_edge.batch.local_store import LocalStore
from sam_edge.batch.settings import Settings
from tests.batch.archive import FAKE, write_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with three recordings."""
    return write_archive(tmp_path / "archive")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty place for the output."""
    return LocalStore(str(tmp_path / "out"))


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Resolved settings with the fake engine."""
    return FAKE.resolve()


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Interrupts arrive, also where a shell started the tests in the background, which ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
