"""EyeLink: ASC text as SR Research's edf2asc writes it, one or two eyes, gaze positions in display pixels.

Time 0 is the first recorded sample; the tracker's own milliseconds stay in `device_time_ns`. Where both eyes are
seen the sample is their mean. `RES` of the END lines gives pixels a degree, `RATE` of the SAMPLES lines the rate: at
2000 Hz each whole millisecond stands twice. A message may hold line breaks; its further lines are left out. Files of
samples alone are read, too (`eyelink_bare`). Source: EyeLink user manual, "ASC file format".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.encodings import decode_head
from sam_edge.gaze.recordings.eyelink_bare import NOTE, eyes_of, is_bare
from sam_edge.gaze.recordings.files import lines, ns_from_seconds, open_binary, read_head
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation, number_fixations
from sam_edge.gaze.recordings.recording import MAX_SAMPLES, GazeRecording, make_recording
from sam_edge.gaze.recordings.two_eyes import mean_of_eyes
from sam_edge.gaze.samples import GazeSample

FORMAT = "eyelink-asc"
SUMMARY = "EyeLink: ASC text of edf2asc (samples with gaze positions)"
MIN_CONFIDENCE = 0.0
MISSING_PUPIL = 0.0
MISSING_POSITION = -32768.0
"""What the tracker itself writes for a lost position; `MAX_POSITION` and more stand for 1e8 of the EDF file."""
MAX_POSITION = 1e7
MAX_PAUSE_NS = 1_000_000_000
"""A line after a message whose time is farther than this from the last sample is the message's, nanoseconds."""
_KEYWORDS = frozenset(
    {"**", "START", "END", "SAMPLES", "EVENTS", "PRESCALER", "VPRESCALER", "PUPIL", "MSG", "INPUT", "BUTTON"}
    | {"SFIX", "EFIX", "SSACC", "ESACC", "SBLINK", "EBLINK"}
)
"""First words of lines that edf2asc writes, besides samples."""


@dataclass(slots=True)
class _State:
    """Header fields of the lines read so far, which apply to the following samples."""

    eyes: tuple[str, ...] = ()
    inside: bool = False
    begun: bool = False
    """Whether a START line was read."""
    bare: bool = False
    """Whether samples came without a START line."""
    size: tuple[int, int] | None = None
    rate_hz: float | None = None
    """Samples per second, as the last SAMPLES line states it."""
    resolutions: list[float] = field(default_factory=list)
    start_ns: int | None = None
    last_ns: int | None = None
    """Time of the last sample, or of the block's start, on the tracker's clock."""
    words: int = 0
    """Number of words of a sample in this block; 0 before its first one."""
    tabs: bool = False
    """Whether samples in this block have tabs between their words."""
    in_message: bool = False
    """Whether the line before was a message, or one of its further lines."""
    continued: int = 0
    """Number of further lines of messages."""
    fixations: dict[str, list[RecordedFixation]] = field(default_factory=dict)
    """Fixations of each eye (EFIX lines), on the tracker's clock."""


def recognise(path: Path) -> bool:
    """Return True for ASC text."""
    first = decode_head(read_head(path))
    described = "** CONVERTED FROM" in first[:200] or ("\nSAMPLES\t" in first and "\nSTART\t" in first)
    return described or is_bare(path, first)


def read(path: Path) -> GazeRecording:
    """Read an ASC file. Raises `GazeDataError` when it is damaged or holds no gaze positions."""
    state = _State()
    with open_binary(path) as handle:
        samples = list(_samples(path, lines(path, handle), state))
    notes = [NOTE if state.bare else "positions are display pixels"]
    if state.inside and not state.bare:
        notes.append("the last recording block has no END line; the file may be cut off")
    if state.continued:
        notes.append(f"{state.continued} lines go on with the text of a message, and were left out")
    px_per_deg = sum(state.resolutions) / len(state.resolutions) if state.resolutions else None
    return make_recording(
        samples,
        path=path,
        format=FORMAT,
        frame_size=state.size,
        px_per_deg=px_per_deg,
        notes=notes,
        fixations=_fixations(state, notes),
        stated_rate_hz=state.rate_hz,
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
        if not line[:1].isdigit():
            _note(path, number, line, state)
            continue
        if not state.inside and not _begins_without_start(line, state):
            continue
        if state.in_message and not _is_sample(line, state):
            state.continued += 1
            continue
        state.in_message = False
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
        state.words, state.tabs = len(line.split()), "\t" in line


def _begins_without_start(line: str, state: _State) -> bool:
    """Return whether a line is the first sample of a file without START lines, and keep which eyes it holds."""
    eyes = () if state.begun or state.in_message else eyes_of(line.split())
    if eyes:
        state.eyes = state.eyes or eyes
        state.inside = state.bare = True
    return bool(eyes)


def _is_sample(line: str, state: _State) -> bool:
    """Return whether a line after a message that begins with a digit is a sample, and not the message's text."""
    words = line.split()
    values = words[1 : 1 + 3 * len(state.eyes)]
    if state.words and (len(words) != state.words or ("\t" in line) != state.tabs):
        return False
    if len(values) < 3 * len(state.eyes) or not all(map(_is_value, values)):
        return False
    if not math.isfinite(_number(words[0])):
        return False
    time_ns = ns_from_seconds(words[0]) // 1000
    return state.last_ns is None or 0 <= time_ns - state.last_ns <= MAX_PAUSE_NS


def _is_value(word: str) -> bool:
    return word == "." or math.isfinite(_number(word))


def _note(path: Path, number: int, line: str, state: _State) -> None:
    """Update the state from a line that is not a sample."""
    words = line.split()
    if not words:
        return
    begun = words[0] in ("START", "END") and len(words) > 1 and math.isfinite(_number(words[1]))
    if begun and words[0] == "START":
        state.inside, state.begun, state.words = True, True, 0
        state.last_ns = ns_from_seconds(words[1]) // 1000
    elif begun:
        state.inside = False
        if "RES" in words:
            both = [_positive(word) for word in words[words.index("RES") + 1 :][:2]]
            if len(both) == 2 and all(both):
                state.resolutions.append(sum(both) / 2)
    elif words[0] == "EFIX" and not (state.in_message and not _is_fixation(words)):
        _note_fixation(path, number, words, state)
    elif words[0] == "SAMPLES" and not (state.in_message and "GAZE" not in words[:3]):
        _note_samples(path, number, words, state)
    elif words[0] == "MSG":
        state.in_message = True
        _note_size(words, state)
        return
    elif state.in_message and words[0] not in _KEYWORDS:
        state.continued += 1
        return
    state.in_message = False


def _note_samples(path: Path, number: int, words: list[str], state: _State) -> None:
    """Keep what a SAMPLES line says of the samples after it."""
    if "GAZE" not in words[:3]:
        raise GazeDataError(
            f"{path}, line {number}: samples are {' '.join(words[1:3])!r}; accepted: GAZE. "
            "Convert the EDF again with gaze positions (edf2asc -t, without -r or -h)"
        )
    state.eyes = tuple(word.lower() for word in words if word in ("LEFT", "RIGHT"))
    state.words = 0
    if "RATE" in words[:-1]:
        state.rate_hz = _positive(words[words.index("RATE") + 1]) or None


def _note_size(words: list[str], state: _State) -> None:
    if len(words) >= 7 and words[2] in ("GAZE_COORDS", "DISPLAY_COORDS"):
        corners = [_number(word) for word in words[3:7]]
        width, height = corners[2] - corners[0] + 1, corners[3] - corners[1] + 1
        if 1 < width < 1e5 and 1 < height < 1e5:
            state.size = (round(height), round(width))


def _is_fixation(words: list[str]) -> bool:
    return len(words) >= 4 and all(math.isfinite(_number(word)) for word in words[2:4])


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
    state.last_ns = device_ns
    seen: dict[str, tuple[float, float] | None] = {}
    for at, eye in enumerate(state.eyes):
        x, y, pupil = (math.nan if word == "." else float(word) for word in words[1 + 3 * at : 4 + 3 * at])
        if math.isinf(x) or math.isinf(y):
            raise ValueError("infinite")
        seen[eye] = None if pupil == MISSING_PUPIL or _is_lost(x) or _is_lost(y) else (x, y)
    return mean_of_eyes(device_ns - state.start_ns, device_ns, seen)


def _is_lost(position: float) -> bool:
    return math.isnan(position) or position == MISSING_POSITION or abs(position) >= MAX_POSITION


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _positive(word: str) -> float:
    value = _number(word)
    return value if 0.0 < value < 1e5 else 0.0
