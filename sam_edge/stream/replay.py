"""Replaying a recording through a new session, and comparing the two."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import InputError
from sam_edge.masks import iou
from sam_edge.media.frames import VideoFrame
from sam_edge.segmenter import Segmenter
from sam_edge.serialization import to_json
from sam_edge.stream.recording import (
    COMMANDS,
    ModelRecord,
    RecordedCommand,
    RecordedFrame,
    RecordedGaze,
    checksum_of,
    read_session_recording,
)
from sam_edge.stream.selection import Selection
from sam_edge.stream.session import GazeSession

LONG_NUMBER = re.compile(r"\d+\.\d{4,}")
MEASURED = ("timing_ms",)
"""Fields of a selection that hold measured times: they differ from run to run."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which two selections differ."""

    field: str
    """Name of the field."""
    recorded: object
    """Its value in the recording."""
    replayed: object
    """Its value in the replay."""

    def __str__(self) -> str:
        """Return one line of text."""
        first, second = self.recorded, self.replayed
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and first.shape == second.shape:
            pixels = np.count_nonzero(first != second)
            return f"{self.field}: {pixels} pixels differ, IoU {iou(first > 0, second > 0):.4f}"
        texts = [_short(_rounded(value)) for value in (first, second)]
        if texts[0] == texts[1]:
            # They differ beyond the third digit only.
            texts = [_short(repr(value)) for value in (first, second)]
        return f"{self.field}: {texts[0]}, replayed {texts[1]}"


def replay(
    folder: str | Path,
    frames: Iterable[VideoFrame],
    model: Segmenter,
    *,
    any_model: bool = False,
    open_session: Callable[..., GazeSession] = GazeSession,
) -> Iterator[tuple[Selection, Selection]]:
    """Step a new session through a recording, frame by frame, and yield both selections of each.

    Args:
        folder: the recording.
        frames: the frames of the video, in order; those that the recording does not have are skipped.
        model: the model that the recording was made with.
        any_model: go on with another model. Selections may differ then.
        open_session: takes the model, and the recorded tuning and options as keyword arguments; gives the session to
            step.

    Raises:
        InputError: the recording is damaged, the model is another one, or a frame is missing or another one.
    """
    recording = read_session_recording(folder)
    here = ModelRecord.of(model)
    if not any_model and _identity(here) != _identity(recording.model):
        raise InputError(
            f"model: {_identity(here)}; recorded with {_identity(recording.model)}; open that one, or allow any model"
        )
    shown = iter(frames)
    with open_session(model, tuning=recording.tuning, **_arguments(recording.options)) as session:
        for entry in recording.entries():
            if isinstance(entry, RecordedGaze):
                session.feed(entry.samples)
            elif isinstance(entry, RecordedCommand):
                _call(session, entry)
            elif isinstance(entry, RecordedFrame):
                frame = _frame_of(shown, entry)
                yield entry.selection, session.step(frame.image, frame.time_ns)


def compare_selections(recorded: Selection, replayed: Selection) -> tuple[Difference, ...]:
    """Return the fields in which two selections are not the same bit for bit, without measured times."""
    names = [field.name for field in dataclasses.fields(recorded) if field.name not in MEASURED]
    pairs = [(name, getattr(recorded, name), getattr(replayed, name)) for name in names]
    return tuple(Difference(*pair) for pair in pairs if _plain_text(pair[1]) != _plain_text(pair[2]))


def _plain_text(value: object) -> str:
    return json.dumps(_without_measured(to_json(value)), sort_keys=True)


def _without_measured(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _without_measured(value) for key, value in plain.items() if key not in MEASURED}
    return [_without_measured(value) for value in plain] if isinstance(plain, list) else plain


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session's keyword arguments; JSON has made lists of their tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def _call(session: GazeSession, command: RecordedCommand) -> None:
    method = getattr(session, command.name, None) if command.name in COMMANDS else None
    if method is None:
        raise InputError(f"recording: it calls {command.name!r}, which this version's session does not have")
    method(**command.arguments)


def _frame_of(shown: Iterator[VideoFrame], entry: RecordedFrame) -> VideoFrame:
    """Return the frame of the recorded time, skipping those before it."""
    for frame in shown:
        if frame.time_ns < entry.time_ns:
            continue
        if frame.time_ns > entry.time_ns:
            raise InputError(
                f"frames: none at {entry.time_ns} ns, where the recording has one; give its video"
            )
        if frame.image.shape[:2] != entry.size:
            raise InputError(
                f"frames: {frame.image.shape[:2]} at {entry.time_ns} ns, recorded: {entry.size} (height, width)"
            )
        if entry.checksum is not None and checksum_of(frame.image) != entry.checksum:
            raise InputError(
                f"frames: other pixels at {entry.time_ns} ns than were recorded; give the same video, and decode it "
                "with the same version of OpenCV"
            )
        return frame
    raise InputError(
        f"frames: they end before {entry.time_ns} ns, where the recording has one; give its whole video"
    )


def _identity(model: ModelRecord) -> str:
    """Describe what a result depends on: the bundle, the engine and its precision."""
    bundle = "no bundle" if model.sha256 is None else f"manifest {model.sha256[:12]}"
    return f"{model.name} ({bundle}), {model.engine}, {model.precision}"


def _rounded(value: object) -> str:
    """Return a value as text, its numbers with three digits after the point."""
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}"
    return LONG_NUMBER.sub(lambda number: f"{float(number[0]):.3f}", repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
