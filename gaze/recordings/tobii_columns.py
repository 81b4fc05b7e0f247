"""The columns of Tobii's exports, under the names of Pro Lab, Studio 3 and Studio 2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sam_edge.errors import GazeDataError

NS_PER_UNIT = {"us": 1e3, "ms": 1e6, "s": 1e9}
"""Nanoseconds of a unit of time; finest first."""
PIXELS = ("dacspx", "adcspx", "", "px", "mcspx")
"""Units and spaces of columns in pixels, best first: the screen, the scene or stimulus."""
SHARES = ("dacsnorm", "mcsnorm", "norm")
"""Units and spaces of columns from 0 to 1."""


class PositionKind(Enum):
    """What an export's positions are."""

    GAZE = "gaze point"
    EYES = "mean of both eyes' gaze points"
    MAPPED = "gaze mapped onto a picture"
    FIXATION = "fixation point"


@dataclass(frozen=True, slots=True)
class Positions:
    """The columns of positions that an export has."""

    kind: PositionKind
    pairs: tuple[tuple[int, int], ...]
    """Columns (x, y): of the left and the right eye for `EYES`, else one pair."""
    normalised: bool = False
    """Whether they are shares of the frame, 0 to 1."""
    media: str = ""
    """Name of the picture that gaze is mapped onto; empty for other kinds."""


@dataclass(frozen=True, slots=True)
class TobiiColumns:
    """Indices of the columns, found by any of their names; None for those that an export lacks."""

    time: int
    time_unit: str
    """Unit of `time`, a key of `NS_PER_UNIT`; empty where the header states none."""
    fine_time: int | None
    """The eye tracker's own clock, microseconds."""
    positions: Positions
    sensor: int | None
    events: tuple[int, ...]
    left: int | None
    """Validity of the left eye."""
    right: int | None
    width: int | None
    """Size of the frame or the screen, pixels."""
    height: int | None
    owners: tuple[int, ...]
    """Names of participant and recording."""
    movement: int | None
    movement_index: int | None
    duration: int | None
    """Duration of the movement, milliseconds."""


def is_tobii_header(cells: Sequence[str]) -> bool:
    """Return whether the cells of a line name a time and a position of gaze."""
    index = _index(cells)
    return _find_time(index) is not None and _find_positions(index) is not None


def find_columns(path: Path, names: Sequence[str]) -> TobiiColumns:
    """Return the columns of an export. Raises `GazeDataError` when time or position is not among them."""
    index = _index(names)
    time, positions = _find_time(index), _find_positions(index)
    if time is None or positions is None:
        raise GazeDataError(
            f"{path}: no 'Recording timestamp' or no 'Gaze point X' and 'Y' in pixels (nor those of both eyes, of "
            f"mapped gaze, or of fixations); the columns are {', '.join(names)[:300]}"
        )
    unit = split_name(names[time])[1]
    if unit not in (*NS_PER_UNIT, ""):
        raise GazeDataError(f"{path}: {names[time]!r}; accepted units: {', '.join(NS_PER_UNIT)}")

    def column(*bases: str) -> int | None:
        return next((at for base in bases for (known, _), at in index.items() if known == base), None)

    def columns(*bases: str) -> tuple[int, ...]:
        return tuple(at for at in map(column, bases) if at is not None)

    return TobiiColumns(
        time=time,
        time_unit=unit,
        fine_time=column("eyetrackertimestamp", "microsecondtimestamp"),
        positions=positions,
        sensor=column("sensor"),
        events=columns("event", "studioevent", "keypressevent", "mouseevent", "externalevent"),
        left=column("validityleft"),
        right=column("validityright"),
        width=column("recordingresolutionwidth", "recordingmediawidth", "mediawidth"),
        height=column("recordingresolutionheight", "recordingmediaheight", "mediaheight"),
        owners=columns("participantname", "recordingname"),
        movement=column("eyemovementtype", "gazeeventtype"),
        movement_index=column("eyemovementtypeindex", "fixationindex"),
        duration=column("gazeeventduration", "eyemovementeventduration"),
    )


def split_name(name: str) -> tuple[str, str]:
    """Return ('gazepointx', 'mcspx') of `Gaze point X [MCS px]`; micro signs become u."""
    match = re.fullmatch(r"\s*([^\[(]*)(?:[\[(](.*)[\])])?\s*", name.strip().strip('"'))
    base, unit = (match[1], match[2] or "") if match else (name, "")
    plain = (
        re.sub(r"[\s_]+", "", part).lower().replace("\u00b5", "u").replace("\u03bc", "u")
        for part in (base, unit)
    )
    first, second = plain
    return first, second


_Index = dict[tuple[str, str], int]
"""Column of each pair of a name and a unit."""


def _index(names: Iterable[str]) -> _Index:
    index: _Index = {}
    for at, name in enumerate(names):
        index.setdefault(split_name(name), at)
    return index


def _find_time(index: _Index) -> int | None:
    """Return the column of times: the recording's, in the finest unit; Studio 2 calls it `Timestamp`."""
    for base in ("recordingtimestamp", "timestamp"):
        found = {unit: at for (known, unit), at in index.items() if known == base}
        for unit in (*NS_PER_UNIT, "", *found):
            if unit in found:
                return found[unit]
    return None


def _find_positions(index: _Index) -> Positions | None:
    """Return the best positions: pixels before shares, both eyes' common point before those of each eye."""
    for places, normalised in ((PIXELS, False), (SHARES, True)):
        pair = _find_pair(index, "gazepointx", "gazepointy", places)
        if pair is not None:
            return Positions(PositionKind.GAZE, (pair,), normalised)
        eyes = [_find_eye(index, side, places) for side in ("left", "right")]
        if None not in eyes:
            return Positions(PositionKind.EYES, tuple(pair for pair in eyes if pair), normalised)
    mapped = _find_mapped(index, "gaze")
    if mapped is not None:
        return mapped
    for places, normalised in ((PIXELS, False), (SHARES, True)):
        pair = _find_pair(index, "fixationpointx", "fixationpointy", places)
        if pair is not None:
            return Positions(PositionKind.FIXATION, (pair,), normalised)
    mapped = _find_mapped(index, "fixation")
    return None if mapped is None else Positions(PositionKind.FIXATION, mapped.pairs, media=mapped.media)


def _find_pair(index: _Index, x: str, y: str, places: Sequence[str]) -> tuple[int, int] | None:
    pairs = ((index.get((x, place)), index.get((y, place))) for place in places)
    return next(((a, b) for a, b in pairs if a is not None and b is not None), None)


def _find_eye(index: _Index, side: str, places: Sequence[str]) -> tuple[int, int] | None:
    """Return the columns of one eye: `Gaze point left X`, and `GazePointXLeft` of Studio 2."""
    for x, y in ((f"gazepoint{side}x", f"gazepoint{side}y"), (f"gazepointx{side}", f"gazepointy{side}")):
        pair = _find_pair(index, x, y, places)
        if pair is not None:
            return pair
    return None


def _find_mapped(index: _Index, what: str) -> Positions | None:
    """Return the columns of gaze mapped onto a picture, whose name stands in brackets, for example a snapshot's."""
    for (base, media), x in index.items():
        if base.endswith("x") and ("mapped" in base or "mapping" in base) and what in base:
            y = index.get((base[:-1] + "y", media))
            if y is not None:
                return Positions(PositionKind.MAPPED, ((x, y),), media=media)
    return None


def mapped_media(names: Sequence[str]) -> list[str]:
    """Return the names of the pictures that gaze is mapped onto, as the header writes them."""
    found = {}
    for name in names:
        base, media = split_name(name)
        if base.endswith("x") and ("mapped" in base or "mapping" in base) and media:
            found[media] = name.partition("[")[2].rstrip("] ").strip() or media
    return list(found.values())
