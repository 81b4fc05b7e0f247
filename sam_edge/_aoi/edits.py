"""Names and merges of objects that a person decided on, as `aois.json`, and what they make of the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.object_labels import object_labels
from sam_edge.errors import InputError
from sam_edge.timeline import Table, TimelineTables, refit_fixations
from sam_edge.timeline.columns import EMPTY
from sam_edge.timeline.table import text_values

KIND, SCHEMA = "sam-edge aois", 1
EXAMPLE = '{"objects": [{"object": 1, "label": "cup", "merge": [4, 7]}]}'


@dataclass(frozen=True, slots=True)
class ObjectEdits:
    """New labels, and numbers that turned out to be one object."""

    labels: Mapping[int, str | None] = field(default_factory=dict)
    """New label of an object by its number; None takes the label away."""
    merges: Mapping[int, int] = field(default_factory=dict)
    """The number that takes the place of each merged number."""

    @classmethod
    def read(cls, path: str | Path) -> ObjectEdits:
        """Read `aois.json`. Each entry has an `object`, and may have a `label` (null: none) and numbers to `merge`.

        Raises:
            InputError: the file is missing or damaged, or an object stands twice in it.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"aois: {path}: cannot be read ({error.strerror or error})") from error
        except ValueError as error:
            raise InputError(f"aois: {path}: is no JSON ({error}); accepted: {EXAMPLE}") from error
        entries = content.get("objects") if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(map(_is_entry, entries)):
            raise InputError(f"aois: {path}: accepted: {EXAMPLE}")
        named = [number for entry in entries for number in (entry["object"], *entry.get("merge", ()))]
        for number in {number for number in named if named.count(number) > 1}:
            raise InputError(f"aois: {path}: object {number} stands twice; name it once, or merge it once")
        return cls(
            {entry["object"]: entry["label"] or None for entry in entries if "label" in entry},
            {number: entry["object"] for entry in entries for number in entry.get("merge", ())},
        )

    def apply(self, tables: TimelineTables) -> TimelineTables:
        """Return tables in which objects have their new numbers and labels; a fixation may be on another object then.

        Raises:
            InputError: an object is not in the tables.
        """
        self._check(tables)
        labels = object_labels(tables)
        labels = {number: label for number, label in labels.items() if number not in self.merges}
        labels |= {number: label for number, label in self.labels.items() if label}
        for number in (number for number, label in self.labels.items() if not label):
            labels.pop(number, None)
        samples = self._renumber(tables.samples)
        fixations = self._renumber(tables.fixations)
        if self.merges:
            fixations = refit_fixations(fixations, samples, kept=set(self.merges.values()))
        timeline = self._renumber(tables.timeline)
        return TimelineTables(_relabel(timeline, labels), samples, _relabel(fixations, labels))

    def final_number(self, number: int) -> int:
        """Return the number that an object has after the merges."""
        return self.merges.get(number, number)

    def _renumber(self, table: Table) -> Table:
        numbers, index = np.unique(table.values["object"], return_inverse=True)
        final = np.array([self.final_number(number) for number in numbers.tolist()], np.int64)
        return _with_column(table, "object", final[index])

    def _check(self, tables: TimelineTables) -> None:
        known = {
            number
            for table in (tables.timeline, tables.samples, tables.fixations)
            for number in np.unique(table.values["object"]).tolist()
            if number != EMPTY
        }
        for number in (*self.labels, *self.merges, *self.merges.values()):
            if number not in known:
                accepted = ", ".join(map(str, sorted(known))) or "none, no object was looked at"
                raise InputError(f"aois: object {number} is not in the tables; accepted: {accepted}")


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and _is_number(entry.get("object"))
        and isinstance(entry.get("label"), str | None)
        and isinstance(entry.get("merge", []), list)
        and all(map(_is_number, entry.get("merge", [])))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _relabel(table: Table, labels: Mapping[int, str]) -> Table:
    texts = [labels.get(number) for number in table.values["object"].tolist()]
    return _with_column(table, "label", text_values(texts))


def _with_column(table: Table, name: str, values: NDArray[Any]) -> Table:
    return replace(table, values={**table.values, name: values})
