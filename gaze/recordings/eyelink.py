"""EyeLink: ASC text as SR Research's edf2asc writes it, one or two eyes, gaze positions in display pixels.

Time 0 is the first recorded sample; the tracker's own milliseconds stay in `device_time_ns`. Where both eyes are
seen the sample is their mean. `RES` of the END lines gives pixels a degree. Source: EyeLink user manual, "ASC file
format".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.files import lines, ns_from_seconds, open_binary, read_head
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation, number_fixations
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.recordings.two_eyes import mean_of_eyes
from sam_edge.gaze.samples import GazeSample

FORMAT = "eyelink-asc"
SUMMARY = "EyeLink: ASC text of edf2asc (samples with gaze positions)"
MIN_CONFIDENCE = 0.0


@dataclass(slots=True)
class _State:
    """Header fields of the lines read so far, which apply to the following samples."""

    eyes: tuple[str, ...] = ()
    inside: bool = False
    size: tuple[int, int] | None = None
    resolutions: list[float] = field(default_factory=list)
    start_ns: int | None = None
    fixations: dict[str, list[RecordedFixation]] = field(default_factory=dict)
    """Fixations of each eye (EFIX lines), on the tracker's clock."""


def recognise(path: Path) -> bool:
    """Return True for ASC text."""
    first = read_head(path)
    return b"** CONVERTED FROM" in first[:200] or (b"\nSAMPLES\t" in first and b"\nSTART\t" in first)


def read(path: Path) -> GazeRecording:
    """Read an ASC file. Raises `GazeDataError` when it is damaged or holds no gaze positions."""
    state = _State()
    with open_binary(path) as handle:
        samples = list(_samples(path, lines(path, handle, encoding="latin-1"), state))
    notes = ["positions are display pixels"]
    if state.inside:
        notes.append("the last recording block has no END line; the file may be cut off")
    px_per_deg = sum(state.resolutions) / len(state.resolutions) if state.resolutions else None
    return make_recording(
        samples,
        path=path,
        format=FORMAT,
        frame_size=state.size,
        px_per_deg=px_per_deg,
        notes=notes,
        fixations=_fixations(state, notes),
    )


def _fixations(state: _State, notes: list[str]) -> tuple[RecordedFixation, ...]:
    """Return the fixations of one eye: the one that has more."""
    if not state.fixations:
        return ()
    eye = max(state.fixations, key=lambda name: len(state.fixations[name]))
    if len(state.fixations) > 1:
        notes.append(f"the fixations are those of the {'left' if eye == 'L' else 'right'} eye")
    return number_fixations(fixation.shifted(-(state.start_ns or 0)) for fixation in state.fixations[eye])


def _samples(path: Path, text: Iterator[str], state: _State) -> Iterator[GazeSample]:
    count = 0
    for number, line in enumerate(text, 1):
        if line[:1].isdigit():
            if not state.inside:
                continue
            count += 1
            if count > MAX_SAMPLES:
                raise GazeDataError(f"{path}: more than {MAX_SAMPLES} samples; split the recording")
            try:
                yield _sample(line.split(), state)
            except ValueError as error:
                raise GazeDataError(
                    f"{path}, line {number}: {line.strip()[:60]!r} ({error}); accepted: time, then x, y and pupil "
                    f"of {' and '.join(state.eyes) or 'an eye'}, '.' where missing"
                ) from error
        else:
            _note(path, number, line, state)


def _note(path: Path, number: int, line: str, state: _State) -> None:
    """Update the state from a line that is not a sample."""
    words = line.split()
    if not words:
        return
    if words[0] == "START":
        state.inside = True
    elif words[0] == "END":
        state.inside = False
        if "RES" in words:
            both = [_positive(word) for word in words[words.index("RES") + 1 :][:2]]
            if len(both) == 2 and all(both):
                state.resolutions.append(sum(both) / 2)
    elif words[0] == "EFIX":
        _note_fixation(path, number, words, state)
    elif words[0] == "SAMPLES":
        if "GAZE" not in words[:3]:
            raise GazeDataError(
                f"{path}, line {number}: samples are {' '.join(words[1:3])!r}; accepted: GAZE. "
                "Convert the EDF again with gaze positions (edf2asc -t, without -r or -h)"
            )
        state.eyes = tuple(word.lower() for word in words if word in ("LEFT", "RIGHT"))
    elif words[0] == "MSG" and len(words) >= 7 and words[2] in ("GAZE_COORDS", "DISPLAY_COORDS"):
        corners = [_number(word) for word in words[3:7]]
        width, height = corners[2] - corners[0] + 1, corners[3] - corners[1] + 1
        if 1 < width < 1e5 and 1 < height < 1e5:
            state.size = (round(height), round(width))


def _note_fixation(path: Path, number: int, words: list[str], state: _State) -> None:
    """Keep the fixation of an EFIX line: eye, beginning, end, duration, ..."""
    try:
        onset_ns, end_ns = (ns_from_seconds(word) // 1000 for word in words[2:4])
    except ValueError as error:
        raise GazeDataError(
            f"{path}, line {number}: {' '.join(words)[:60]!r}; accepted: EFIX, eye, beginning and end in ms"
        ) from error
    state.fixations.setdefault(words[1], []).append(RecordedFixation(0, onset_ns, end_ns))


def _sample(words: list[str], state: _State) -> GazeSample:
    if not state.eyes:
        raise ValueError("no SAMPLES line before it")
    if len(words) < 1 + 3 * len(state.eyes):
        raise ValueError(f"{len(words)} values, the line may be cut off")
    device_ns = ns_from_seconds(words[0]) // 1000
    state.start_ns = device_ns if state.start_ns is None else state.start_ns
    seen: dict[str, tuple[float, float] | None] = {}
    for at, eye in enumerate(state.eyes):
        x, y, pupil = (math.nan if word == "." else float(word) for word in words[1 + 3 * at : 4 + 3 * at])
        if math.isinf(x) or math.isinf(y):
            raise ValueError("infinite")
        seen[eye] = None if math.isnan(x) or math.isnan(y) or pupil == 0.0 else (x, y)
    return mean_of_eyes(device_ns - state.start_ns, device_ns, seen)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _positive(word: str) -> float:
    value = _number(word)
    return value if 0.0 < value < 1e5 else 0.0
