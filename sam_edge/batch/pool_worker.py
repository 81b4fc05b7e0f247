"""What a worker process of the local pool does: it waits for recordings, and returns outcomes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType

from sam_edge.batch.executor import Work
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording

READY = "ready"
"""Sent when the process has started and can work."""


def run_worker(connection: Connection, work: Work, settings: Settings, store: Store, scratch: Path) -> None:
    """Process the recordings that come through `connection` until it is closed or sends None.

    Ctrl+C goes to every process of a terminal: the pool alone handles it, and ends its workers with SIGTERM.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    threading.Thread(target=_end_with_parent, args=(scratch,), name="end-with-parent", daemon=True).start()
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        connection.send(READY)
        while True:
            recording: Recording | None = connection.recv()
            if recording is None:
                return
            connection.send(work(recording, settings, store, scratch))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _end_with_parent(scratch: Path) -> None:
    """End this process, also in the middle of its work, when the one that started it is gone."""
    parent = parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)
