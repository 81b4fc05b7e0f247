"""SMI: the sample text of iView X's IDF Converter (`##` header, tab-separated, time in microseconds).

Positions are `L POR X [px]`, `R POR X [px]` in stimulus pixels; (0, 0) is SMI's mark of a lost eye. Time 0 is the
first line, which names the first stimulus where one was shown. BeGaze's export of samples is alike, and may have what
its detector found in `L Event Info` and `R Event Info`: `Fixation` or `Visual Intake`. Source: SMI iView X manual,
"IDF Converter".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from sam_edge.errors import GazeDataError
from sam_edge.gaze.recordings.encodings import decode_head
from sam_edge.gaze.recordings.files import lines, open_binary, read_head
from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation, number_fixations
from sam_edge.gaze.recordings.recording import GazeRecording, make_recording
from sam_edge.gaze.recordings.tables import Table
from sam_edge.gaze.recordings.two_eyes import mean_of_eyes
from sam_edge.gaze.samples import GazeSample

FORMAT = "smi-text"
SUMMARY = "SMI: sample text of iView X's IDF Converter"
MIN_CONFIDENCE = 0.0
_EYES = {"left": "L", "right": "R"}
_FIXATIONS = ("fixation", "visual intake")
"""What BeGaze calls a fixation; the second one where the picture moves."""


def recognise(path: Path) -> bool:
    """Return True for the text of the IDF Converter."""
    first = decode_head(read_head(path))
    return first.startswith(("## [iView]", "## [BeGaze]")) or (
        "\nTime\tType\tTrial\t" in first and " POR X [px]" in first
    )


def read(path: Path) -> GazeRecording:
    """Read a text export. Raises `GazeDataError` when it is damaged or holds no gaze positions."""
    facts: dict[str, str] = {}
    with open_binary(path) as handle:
        text = lines(path, handle)
        first, skipped = "", 0
        for first in text:
            skipped += 1
            if not first.startswith("##"):
                break
            name, _, value = first[2:].strip().partition(":")
            facts[name.strip()] = value.strip()
        spans = _EventSpans()
        table = Table(path, chain([first], text), delimiter="\t", first_line=skipped)
        samples = list(_samples(table, spans))
    size = _pair(facts.get("Calibration Area", ""))
    frame_size = (round(size[1]), round(size[0])) if size else None
    return make_recording(
        samples,
        path=path,
        format=FORMAT,
        frame_size=frame_size,
        px_per_deg=_px_per_deg(facts, frame_size),
        notes=["positions are stimulus pixels", *spans.notes],
        fixations=spans.fixations,
        stated_rate_hz=_positive(facts.get("Sample Rate", "")),
    )


class _EventSpans:
    """Collects the fixations of each eye from the rows of samples."""

    def __init__(self) -> None:
        self._spans: dict[str, list[tuple[int, int]]] = {eye: [] for eye in _EYES}
        self._open: set[str] = set()

    def add(self, eye: str, text: str, time_ns: int) -> None:
        """Take the event that a sample of an eye belongs to."""
        spans = self._spans[eye]
        if text.strip().lower() not in _FIXATIONS:
            self._open.discard(eye)
        elif eye in self._open:
            spans[-1] = (spans[-1][0], time_ns)
        else:
            spans.append((time_ns, time_ns))
            self._open.add(eye)

    @property
    def fixations(self) -> tuple[RecordedFixation, ...]:
        """The fixations of the eye that has more, each from its first sample to its last one."""
        return number_fixations(RecordedFixation(0, *span) for span in self._spans[self._eye])

    @property
    def notes(self) -> list[str]:
        """Whose fixations they are, where both eyes have some."""
        return [f"the fixations are those of the {self._eye} eye"] if all(self._spans.values()) else []

    @property
    def _eye(self) -> str:
        return max(self._spans, key=lambda eye: len(self._spans[eye]))


def _samples(table: Table, spans: _EventSpans) -> Iterator[GazeSample]:
    time_at, type_at = table.index("Time"), table.index("Type")
    at = {eye: (table.find(f"{e} POR X [px]"), table.find(f"{e} POR Y [px]")) for eye, e in _EYES.items()}
    recorded = {eye: (x, y) for eye, (x, y) in at.items() if x is not None and y is not None}
    if not recorded:
        raise GazeDataError(
            f"{table.path}: no columns 'L POR X [px]' and 'L POR Y [px]', nor those of the right eye; convert the IDF "
            f"again with POR; the columns are {', '.join(table.columns)}"
        )
    events = {eye: table.find(f"{e} Event Info") for eye, e in _EYES.items()}
    event_at = {eye: column for eye, column in events.items() if column is not None}
    last = max(column for pair in (*recorded.values(), event_at.values()) for column in pair)
    start_ns: int | None = None
    for row in table.rows([time_at, type_at]):
        micros = table.number(row[time_at], time_at)
        if math.isnan(micros) or abs(micros) > 2**53:
            raise table.error(time_at, row[time_at], "a whole number of microseconds")
        device_ns = round(micros) * 1000
        start_ns = device_ns if start_ns is None else start_ns
        if row[type_at] != "SMP":
            continue
        if len(row) <= last:
            raise table.error(
                type_at, row[type_at], f"{last + 1} cells in a sample's line; it may be cut off"
            )
        eyes = {eye: _position(table, row, x, y) for eye, (x, y) in recorded.items()}
        for eye, column in event_at.items():
            spans.add(eye, row[column], device_ns - start_ns)
        yield mean_of_eyes(device_ns - start_ns, device_ns, eyes)


def _position(table: Table, row: list[str], x_at: int, y_at: int) -> tuple[float, float] | None:
    x, y = table.number(row[x_at], x_at), table.number(row[y_at], y_at)
    lost = math.isnan(x) or math.isnan(y) or (x == 0.0 and y == 0.0)
    return None if lost else (x, y)


def _px_per_deg(facts: dict[str, str], frame_size: tuple[int, int] | None) -> float | None:
    stimulus_mm = _pair(facts.get("Stimulus Dimension [mm]", ""))
    distance_mm = _positive(facts.get("Head Distance [mm]", ""))
    if frame_size is None or stimulus_mm is None or distance_mm is None:
        return None
    return frame_size[1] / math.degrees(2.0 * math.atan(stimulus_mm[0] / 2.0 / distance_mm))


def _pair(text: str) -> tuple[float, float] | None:
    values = [_positive(word) for word in text.split()]
    if len(values) != 2 or values[0] is None or values[1] is None:
        return None
    return values[0], values[1]


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.0 < value < 1e6 else None
