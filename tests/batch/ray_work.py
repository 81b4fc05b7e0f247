"""Stand-ins for the work on a recording, for Ray's workers: they import this module by its name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from sam_edge.batch.outcome import Outcome
from sam_edge.batch.settings import Settings
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording


def work(recording: Recording, settings: Settings, store: Store, scratch: Path) -> Outcome:
    """Do what the recording's id begins with."""
    started = store.list(f"started/{recording.id}/")
    store.write(f"started/{recording.id}/{len(started)}", str(os.getpid()).encode())
    (scratch / "file").write_text(recording.id)
    kind = recording.id.partition("-")[0]
    if kind == "killed" or (kind == "once" and not started):
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "memory" and not started:
        return Outcome(recording.id, "failed", "memory", "too little memory")
    if kind == "slow":
        time.sleep(300)
    store.write(f"scratch/{recording.id}", str(scratch).encode())
    return Outcome(recording.id, "done", frames=settings.threads)
