"""What the objects of a recording are called in the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sam_edge.identity import ObjectEvent, final_numbers
from sam_edge.stream.selection import Selection
from sam_edge.timeline.columns import EMPTY
from sam_edge.timeline.table import text_values


class ObjectNames:
    """Numbers and labels of objects, as they are known after the last frame."""

    def __init__(self) -> None:
        """Begin without an object."""
        self._merges: list[ObjectEvent] = []
        self._labels: dict[int, str | None] = {}

    def see(self, selection: Selection, events: Sequence[ObjectEvent]) -> None:
        """Take what is shown on a frame, and what its own step made known; frames come in order."""
        if selection.object_id is not None and selection.label is not None:
            self._labels[selection.object_id] = selection.label
        self._labels.update({event.object_id: event.label for event in events if event.kind != "forgotten"})
        self._merges += [event for event in events if event.kind == "merged"]

    def label(self, object_id: int) -> str | None:
        """Return the label that the object of a final number has in the end."""
        return self._labels.get(object_id)

    def final_numbers(self, objects: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers that objects have in the end; `EMPTY` stays."""
        merged = final_numbers(self._merges)
        numbers, index = np.unique(objects, return_inverse=True)
        final = [merged.get(number, number) for number in numbers.tolist()]
        return np.array(final, np.int64)[index]

    def labels(self, objects: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the labels of objects by their final numbers; None for those without, and for `EMPTY`."""
        return text_values([None if number == EMPTY else self.label(number) for number in objects.tolist()])
