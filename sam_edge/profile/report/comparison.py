"""Compares two profiles: ratios of latencies with confidence intervals, and regressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam_edge.errors import InputError
from sam_edge.profile.measure.statistics import MedianRatio, compare_medians
from sam_edge.profile.report.schema import read_report
from sam_edge.profile.report.text_format import align_columns, format_number

REGRESSION_RATIO = 1.05
"""Default limit: a larger ratio is a regression."""
MIN_UNIFORM_ROWS, UNIFORM_SPREAD, UNIFORM_CHANGE = 4, 0.05, 0.03
"""A change is uniform when at least 4 rows are within 5 % of their median ratio, which differs from 1 by more than 3 %.
Then the cause is more likely the machine than the program."""
SAME_ENVIRONMENT = ("cpu", "cores", "packages", "cpu_features")
"""Fields of the machine that must be equal, for a ratio to be caused by the program alone."""

Samples = tuple[list[float], list[int]]
"""Duration of every call, milliseconds, and the round of each."""


@dataclass(frozen=True, slots=True)
class ComparedTiming:
    """One timing case that both profiles measured."""

    name: str
    base_ms: float
    """Median latency in the first profile, milliseconds."""
    ms: float
    """Median latency in the second profile, milliseconds."""
    ratio: MedianRatio
    """The second over the first: above 1 it became slower."""
    regressed: bool
    """Whether the ratio is above the limit and its interval is above 1."""


@dataclass(frozen=True, slots=True)
class ProfileComparison:
    """The comparison of two profiles."""

    rows: tuple[ComparedTiming, ...]
    """Cases that both profiles measured."""
    new_failures: tuple[str, ...]
    """Cases that the first profile measured and that failed in the second."""
    only_first: tuple[str, ...]
    """Cases of the first profile alone."""
    only_second: tuple[str, ...]
    """Cases of the second profile alone."""
    notes: tuple[str, ...]
    """Reasons why ratios may not be caused by the program."""
    limit: float
    """The ratio above which a case has regressed."""

    @property
    def regressed(self) -> bool:
        """Whether a case regressed or fails now."""
        return bool(self.new_failures) or any(row.regressed for row in self.rows)

    def table(self) -> str:
        """Write the comparison as text."""
        if not self.rows:
            return "\n".join(["the profiles have no measured case in common", *self.notes])
        cells = [["ms", "first", "second", "ratio", "95 % CI", ""]]
        for row in self.rows:
            interval = f"{row.ratio.low:.3f}-{row.ratio.high:.3f}"
            verdict = "REGRESSED" if row.regressed else ""
            values = (format_number(row.base_ms), format_number(row.ms), f"{row.ratio.value:.3f}")
            cells.append([row.name, *values, interval, verdict])
        lines = list(align_columns(cells))
        lines += [f"FAILS NOW: {name}" for name in self.new_failures]
        lines += [f"only in the first: {name}" for name in self.only_first]
        lines += [f"only in the second: {name}" for name in self.only_second]
        lines += [f"note: {note}" for note in self.notes]
        count = sum(row.regressed for row in self.rows) + len(self.new_failures)
        lines.append(f"{count} of {len(self.rows)} slower than {self.limit:g} times, or failing")
        return "\n".join(lines)


def compare_profiles(first: Path, second: Path, *, limit: float = REGRESSION_RATIO) -> ProfileComparison:
    """Compare two files that `sam-edge profile --out` wrote.

    Args:
        first: the baseline.
        second: the newer profile.
        limit: a ratio of medians above which a case has regressed, if the interval of the ratio is above 1 too.

    Raises:
        InputError: a file is not a profile, or `limit` is not positive.
    """
    if not limit > 0:
        raise InputError(f"regression: {limit} is not accepted; give a ratio, for example 1.05")
    base, newer = read_report(first), read_report(second)
    before, after = read_samples(base, first), read_samples(newer, second)
    rows, failures = [], []
    for name, samples in after.items():
        if name not in before or not before[name][0]:
            continue
        if samples[0]:
            rows.append(compare_samples(name, before[name], samples, limit))
        else:
            failures.append(name)
    return ProfileComparison(
        rows=tuple(rows),
        new_failures=tuple(failures),
        only_first=tuple(name for name in before if name not in after),
        only_second=tuple(name for name in after if name not in before),
        notes=(*environment_notes(base, newer), *uniform_change_notes(rows)),
        limit=limit,
    )


def compare_samples(name: str, base: Samples, newer: Samples, limit: float) -> ComparedTiming:
    """Compare the samples of one case."""
    ratio = compare_medians(newer[0], base[0], newer[1], base[1])
    return ComparedTiming(
        name=name,
        base_ms=float(np.median(base[0])),
        ms=float(np.median(newer[0])),
        ratio=ratio,
        regressed=ratio.value > limit and ratio.low > 1,
    )


def read_samples(content: Mapping[str, Any], path: Path) -> dict[str, Samples]:
    """Return the samples of every timing case, by its name; a failed case has none.

    Raises:
        InputError: the content is not that of a profile; `path` is named in the message.
    """
    samples: dict[str, Samples] = {}
    try:
        for row in content["timings"]:
            name = case_name(row["case"])
            times_ms = [float(value) for value in row["samples_ms"]]
            rounds = [int(value) for value in row["rounds"]]
            if row["error"]:
                times_ms, rounds = [], []
            if len(times_ms) != len(rounds):
                raise ValueError(f"{len(times_ms)} calls in {len(rounds)} rounds")
            samples[name] = times_ms, rounds
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"profile: {path} is damaged: {error!r}; measure again") from error
    return samples


def case_name(case: Mapping[str, Any]) -> str:
    """Name a timing case by everything that identifies it."""
    engine, (height, width) = case["engine"], case["size"]
    words = [
        f"decode {case['prompts']}" if case["prompts"] else "encode",
        f"{width}x{height},",
        engine.get("model") or engine["bundle"],
        engine["runtime"],
        engine["precision"] or "",
        f"{engine['threads']} thread{'s' * (engine['threads'] > 1)}" if engine["threads"] else "",
    ]
    return " ".join(word for word in words if word)


def environment_notes(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the environments differ, and what makes either profile doubtful."""
    for key in SAME_ENVIRONMENT:
        before, after = (content.get("machine", {}).get(key) for content in (first, second))
        if before != after:
            yield f"{key} differ: {describe_difference(before, after)}"
    for name, content in (("first", first), ("second", second)):
        if not content.get("complete", True):
            yield f"the {name} profile was interrupted"
        if (content.get("noise") or {}).get("busy"):
            yield f"the machine was busy during the {name} profile"


def uniform_change_notes(rows: Sequence[ComparedTiming]) -> Iterator[str]:
    """Yield a note when all cases changed by the same ratio."""
    ratios = np.array([row.ratio.value for row in rows])
    if len(ratios) < MIN_UNIFORM_ROWS:
        return
    median = float(np.median(ratios))
    if abs(median - 1) > UNIFORM_CHANGE and (abs(ratios / median - 1) <= UNIFORM_SPREAD).all():
        yield (
            f"all {len(ratios)} rows changed alike, about {median:.2f} times: the cause may be the machine; "
            "measure both again, one soon after the other"
        )


def describe_difference(before: object, after: object) -> str:
    """Write two values; of mappings and lists only the entries that differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        return ", ".join(f"{key} {before.get(key)} and {after.get(key)}" for key in keys)
    if isinstance(before, list) and isinstance(after, list):
        return ", ".join(sorted({str(value) for value in before} ^ {str(value) for value in after}))
    return f"{before} and {after}"
