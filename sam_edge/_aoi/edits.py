"""Names and merges of objects that a person decided on, as `aois.json`, and what they make of the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.areas import Area, merge_spans, relabel_objects
from sam_edge._aoi.object_labels import object_labels
from sam_edge.errors import InputError
from sam_edge.timeline import Table, TimelineTables, refit_fixations
from sam_edge.timeline.columns import EMPTY

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

    def apply(self, tables: TimelineTables, areas: Sequence[Area] = ()) -> TimelineTables:
        """Return tables in which objects have their new numbers and labels; a fixation may be on another object then.

        Args:
            tables: of a recording.
            areas: its defined AOIs.

        Raises:
            InputError: an object is not in the tables.
        """
        self._check(tables, areas)
        labels = {**object_labels(tables), **{area.number: area.name for area in areas}}
        labels = {number: label for number, label in labels.items() if number not in self.merges}
        labels |= {number: label for number, label in self.labels.items() if label}
        for number in (number for number, label in self.labels.items() if not label):
            labels.pop(number, None)
        samples = self._renumber(tables.samples)
        fixations = self._renumber(tables.fixations)
        if self.merges:
            fixations = refit_fixations(fixations, samples, kept=set(self.merges.values()))
        timeline = self._renumber(tables.timeline)
        on_areas = None if tables.on_areas is None else self._merge_areas(tables.on_areas)
        return TimelineTables(
            relabel_objects(timeline, labels),
            samples,
            relabel_objects(fixations, labels),
            None if on_areas is None else relabel_objects(on_areas, labels),
        )

    def apply_to_areas(self, areas: Sequence[Area]) -> tuple[Area, ...]:
        """Return defined AOIs with their new names; those that were merged are visible when one of them is."""
        found: dict[int, list[Area]] = {}
        for area in sorted(areas, key=lambda area: area.number in self.merges):
            found.setdefault(self.final_number(area.number), []).append(area)
        return tuple(
            Area(number, self.labels.get(number) or same[0].name, merge_spans(same))
            for number, same in sorted(found.items())
        )

    def final_number(self, number: int) -> int:
        """Return the number that an object has after the merges."""
        return self.merges.get(number, number)

    def _renumber(self, table: Table) -> Table:
        numbers, index = np.unique(table.values["object"], return_inverse=True)
        final = np.array([self.final_number(number) for number in numbers.tolist()], np.int64)
        return _with_column(table, "object", final[index])

    def _merge_areas(self, on_areas: Table) -> Table:
        """Give AOIs their new numbers; of two lines of one sample and AOI, the more probable one stays."""
        table = self._renumber(on_areas)
        times_ns, objects, on_object = (table.values[name] for name in ("time_s", "object", "on_object"))
        order = np.lexsort((-on_object, objects, times_ns))
        new = np.append(True, (np.diff(times_ns[order]) != 0) | (np.diff(objects[order]) != 0))
        rows = order[new[: len(order)]]
        return replace(table, values={name: column[rows] for name, column in table.values.items()})

    def _check(self, tables: TimelineTables, areas: Sequence[Area]) -> None:
        known = {area.number for area in areas} | {
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


def _with_column(table: Table, name: str, values: NDArray[Any]) -> Table:
    return replace(table, values={**table.values, name: values})
