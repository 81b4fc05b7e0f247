"""A small archive of recordings for the fake engine, and works for the pool that end as they are told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from sam_edge.batch import Outcome, Recording, Settings, Store, process
from sam_edge.batch.executor import OnOutcome
from sam_edge.gaze.recordings import write_csv
from sam_edge.gaze.samples import GazeSample

SIZE = (96, 128)
FPS = 24.0
FAKE = Settings(runtime="fake")
"""Settings that need no model."""


def write_recording(folder: Path, *, frames: int = 6, speed_px: int = 2) -> Path:
    """Write a folder of frames with `gaze.csv`: a bright disc that moves to the right, and gaze at 200 Hz on it."""
    folder.mkdir(parents=True)
    for index in range(frames):
        image = np.full((*SIZE, 3), 40, np.uint8)
        cv2.circle(image, (40 + speed_px * index, 48), 20, (60, 200, 220), -1)
        cv2.imwrite(str(folder / f"{index:05d}.png"), image)
    times_s = [index / 200 for index in range(int(200 * frames / FPS))]
    samples = [
        GazeSample(round(time_s * 1e9), 40 + speed_px * FPS * time_s, 48.0, confidence=1.0)
        for time_s in times_s
    ]
    write_csv(folder / "gaze.csv", samples)
    return folder


def write_archive(root: Path, count: int = 3) -> Path:
    """Write some recordings of different lengths: `root/P1/walk`, `root/P2/walk`, ..."""
    for number in range(1, count + 1):
        write_recording(root / f"P{number}" / "walk", frames=4 + 2 * number, speed_px=number)
    return root


class Inline:
    """An executor that works in this process, one recording after the other."""

    workers = 1

    def __init__(self, scratch: Path, work: Callable[..., Outcome] = process) -> None:
        self.scratch = scratch
        self.work = work
        self.processed: list[str] = []

    def run(
        self, recordings: Sequence[Recording], settings: Settings, store: Store, on_outcome: OnOutcome
    ) -> None:
        for recording in recordings:
            self.processed.append(recording.id)
            on_outcome(self.work(recording, settings, store, self.scratch))


def results_of(store: Store, recording_id: str, names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of some of the files that a recording's `done.json` names."""
    from sam_edge.batch.done import read_done

    done = read_done(store, recording_id)
    assert done is not None
    contents = {name: store.read(done.path_of(name)) for name in names}
    assert None not in contents.values()
    return {name: content for name, content in contents.items() if content is not None}


# Works for the pool. Recordings tell by their participant what is to happen.


def obey(recording: Recording, settings: Settings, store: Store, scratch: Path) -> Outcome:
    """Do what the recording's participant says: `kill`, `kill once`, `memory once`, `sleep`, or nothing."""
    word, _, once = recording.participant.partition(" ")
    first = store.create_if_absent(f"tried/{recording.id}", b"")
    attempts = store.read(f"count/{recording.id}") or b""
    store.write(f"count/{recording.id}", attempts + b"x")
    if not once or first:
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "memory":
            return Outcome(recording.id, "failed", "memory", "no memory")
        if word == "sleep":
            (scratch / "file").write_text("half")
            store.write(f"sleeping/{recording.id}", str(os.getpid()).encode())
            while True:
                time.sleep(0.01)
    return Outcome(recording.id, "done", frames=1)


def die_at_start(recording: Recording, settings: Settings, store: Store, scratch: Path) -> Outcome:
    """Never called: unpickling its settings ends the process."""
    raise AssertionError


def named(name: str, participant: str = "", **values: float) -> Recording:
    """Return a recording without files."""
    return replace(Recording(name, f"/nowhere/{name}", participant=participant), **values)  # type: ignore[arg-type]
