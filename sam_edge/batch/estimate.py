"""How long a run will take: from what is done in its place, else from a few seconds of work."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_edge._track import track
from sam_edge.batch.files import local_path
from sam_edge.batch.results import gaze_beside_frames
from sam_edge.batch.settings import Settings
from sam_edge.batch.states import RecordingState
from sam_edge.batch.store import Store
from sam_edge.batch.unit import Recording

PROBE_S = 5.0
"""Time that a measurement takes at most, seconds, without opening the model."""
WARM_UP_FRAMES = 3
LEAST_FRAMES = 5
"""Frames that are measured at least, however long they take."""
DEFAULT_RATE = 30.0
"""Frames a second of a recording whose frames are not known."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Frames a second of one worker."""

    frames_per_s: float
    source: str
    """Where the figure is from, for people."""


def known_speed(states: Sequence[RecordingState]) -> Speed | None:
    """Return the speed of the recordings that are done; None without any."""
    finished = [state.done for state in states if state.done is not None]
    frames, seconds = sum(done.figures.frames for done in finished), sum(done.seconds for done in finished)
    if not frames or not seconds:
        return None
    return Speed(frames / seconds, f"the {len(finished)} recordings that are done")


def measure_speed(recording: Recording, settings: Settings, store: Store) -> Speed | None:
    """Process the beginning of a recording, keep nothing of it, and return the speed; None where it is too short.

    Raises:
        SamEdgeError: the recording cannot be processed.
    """
    with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
        source = store.fetch(recording.uri, Path(folder, "input"))
        gaze = gaze_beside_frames(source)
        if recording.gaze is not None:
            gaze = store.fetch(recording.gaze, Path(folder, "gaze"))
        frames, began_s = 0, 0.0
        with (
            settings.open_model() as model,
            track(
                source, gaze, model=model, size=settings.size, format=settings.format, stream=True
            ) as stream,
        ):
            for frame in stream:
                if frame.index == WARM_UP_FRAMES:
                    began_s = time.monotonic()
                frames = frame.index - WARM_UP_FRAMES
                if frames >= LEAST_FRAMES and time.monotonic() - began_s > PROBE_S:
                    break
        took_s = time.monotonic() - began_s
    if frames <= 0:
        return None
    return Speed(
        frames / took_s, f"the first {frames} frames of {local_path(recording.uri).name}, measured here"
    )


def time_needed_s(recordings: Sequence[Recording], speed: Speed, workers: int) -> float:
    """Return how long recordings take with some workers: no less than the longest one alone."""
    seconds = [frames_of(recording) / speed.frames_per_s for recording in recordings]
    return max(sum(seconds) / max(1, workers), max(seconds, default=0.0))


def frames_of(recording: Recording) -> float:
    """Return the frames of a recording, or an estimate."""
    return recording.frames if recording.frames is not None else DEFAULT_RATE * recording.cost
