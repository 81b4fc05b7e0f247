"""Two profiles side by side: ratios, how sure they are, and whether something became slower."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import InputError
from sam_edge.precision import current_name
from sam_edge.profile.measure.statistics import Ratio, ratio
from sam_edge.profile.report.report import read_report
from sam_edge.profile.report.terminal import aligned, number

REGRESSION = 1.05
"""Slower than this many times is a regression, where nothing else is asked for."""
ALIKE_ROWS, ALIKE, APART = 4, 0.05, 0.03
"""When so many rows or more lie within so much of their median, which is so far from 1, it is the machine more likely
than the program."""
SAME_MACHINE = ("cpu", "cores", "packages", "features")
"""What two profiles must share for a ratio to be the program's doing alone."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing that both profiles measured."""

    name: str
    """What it is."""
    base_ms: float
    """Median in the first profile, milliseconds."""
    ms: float
    """Median in the second."""
    ratio: Ratio
    """The second over the first: above 1 it became slower."""
    regressed: bool
    """Whether it became slower than is allowed, and is not merely noise: the interval lies above 1."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two profiles, compared."""

    rows: tuple[Compared, ...]
    """What both measured."""
    failed_now: tuple[str, ...]
    """What the first profile measured and what failed in the second."""
    only_first: tuple[str, ...]
    """What only the first one measured."""
    only_second: tuple[str, ...]
    """What only the second one measured."""
    notes: tuple[str, ...]
    """Why ratios may not be the program's doing."""
    allowed: float
    """The ratio past which something is a regression."""

    @property
    def regressed(self) -> bool:
        """Whether anything became slower than allowed, or fails now."""
        return bool(self.failed_now) or any(row.regressed for row in self.rows)

    def table(self) -> str:
        """Write it as text."""
        if not self.rows:
            return "\n".join(["nothing was measured by both", *self.notes])
        cells = [["ms", "first", "second", "ratio", "95 %", ""]]
        for row in self.rows:
            span = f"{row.ratio.low:.3f}-{row.ratio.high:.3f}"
            verdict = "REGRESSED" if row.regressed else ""
            cells.append(
                [row.name, number(row.base_ms), number(row.ms), f"{row.ratio.value:.3f}", span, verdict]
            )
        lines = list(aligned(cells))
        lines += [f"FAILS NOW: {name}" for name in self.failed_now]
        for title, names in (
            ("only in the first", self.only_first),
            ("only in the second", self.only_second),
        ):
            lines += [f"{title}: {name}" for name in names]
        lines += [f"note: {note}" for note in self.notes]
        count = sum(row.regressed for row in self.rows) + len(self.failed_now)
        lines.append(f"{count} of {len(self.rows)} slower than {self.allowed:g} times, or failing")
        return "\n".join(lines)


def compare(first: Path, second: Path, *, allowed: float = REGRESSION) -> Comparison:
    """Compare two files that `sam-edge profile --out` wrote.

    Args:
        first: the profile that is compared with.
        second: the newer one.
        allowed: a ratio of medians past which something has regressed, if the interval of the ratio lies above 1 too.

    Raises:
        InputError: a file is no profile, or `allowed` is not positive.
    """
    if not allowed > 0:
        raise InputError(f"regression: {allowed} is not accepted; give a ratio, for example 1.05")
    base, newer = read_report(first), read_report(second)
    before, after = samples_of(base, first), samples_of(newer, second)
    rows, failed = [], []
    for name, (times_ms, rounds) in after.items():
        if name not in before or not before[name][0]:
            continue
        if not times_ms:
            failed.append(name)
            continue
        base_ms, base_rounds = before[name]
        found = ratio(times_ms, base_ms, rounds, base_rounds)
        rows.append(
            Compared(
                name=name,
                base_ms=float(np.median(base_ms)),
                ms=float(np.median(times_ms)),
                ratio=found,
                regressed=found.value > allowed and found.low > 1,
            )
        )
    return Comparison(
        rows=tuple(rows),
        failed_now=tuple(failed),
        only_first=tuple(name for name in before if name not in after),
        only_second=tuple(name for name in after if name not in before),
        notes=(*differences(base, newer), *alike(rows)),
        allowed=allowed,
    )


Samples = tuple[list[float], list[int]]
"""Milliseconds of every call, and the round of each."""


def samples_of(content: Mapping[str, Any], path: Path) -> dict[str, Samples]:
    """Return the samples of everything that was timed, by its name.

    Raises:
        InputError: the file does not hold what a profile holds.
    """
    found: dict[str, Samples] = {}
    try:
        for row in content["timed"]:
            case = row["case"]
            engine, (height, width) = case["engine"], case["size"]
            words = [
                f"decode {case['prompts']}" if case["prompts"] else "encode",
                f"{width}x{height},",
                engine.get("model") or engine["bundle"],
                engine["runtime"],
                current_name(engine["precision"] or ""),
                f"{engine['threads']} thread{'s' * (engine['threads'] > 1)}" if engine["threads"] else "",
            ]
            times_ms = [float(value) for value in row["samples_ms"]]
            rounds = [int(value) for value in row["rounds"]]
            if row["failed"]:
                times_ms, rounds = [], []
            if len(times_ms) != len(rounds):
                raise ValueError(f"{len(times_ms)} calls in {len(rounds)} rounds")
            found[" ".join(word for word in words if word)] = times_ms, rounds
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"profile: {path} is damaged: {error!r}; measure again") from error
    return found


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    """Say what else differs between two profiles, and what makes either doubtful."""
    for key in SAME_MACHINE:
        one, other = (content.get("machine", {}).get(key) for content in (first, second))
        if one != other:
            yield f"{key} differ: {changed(one, other)}"
    for name, content in (("first", first), ("second", second)):
        if not content.get("complete", True):
            yield f"the {name} profile was interrupted"
        if (content.get("noise") or {}).get("busy"):
            yield f"the machine was busy during the {name} profile"


def alike(rows: Sequence[Compared]) -> Iterator[str]:
    """Say when everything changed in the same way."""
    ratios = np.array([row.ratio.value for row in rows])
    if len(ratios) < ALIKE_ROWS:
        return
    middle = float(np.median(ratios))
    if abs(middle - 1) > APART and (abs(ratios / middle - 1) <= ALIKE).all():
        yield (
            f"all {len(ratios)} rows changed alike, about {middle:.2f} times: that may be the machine; "
            "measure both again, one soon after the other"
        )


def changed(one: object, other: object) -> str:
    """Write two values, of mappings and lists only what differs."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
        return ", ".join(f"{key} {one.get(key)} and {other.get(key)}" for key in keys)
    if isinstance(one, list) and isinstance(other, list):
        return ", ".join(sorted({str(value) for value in one} ^ {str(value) for value in other}))
    return f"{one} and {other}"
