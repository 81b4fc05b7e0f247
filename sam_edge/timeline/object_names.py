"""What the objects of a recording are called in the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.selection import Selection
from sam_edge.timeline.columns import EMPTY
from sam_edge.timeline.table import text_values


class ObjectNames:
    """Numbers and labels of objects, as they are known after the last frame."""

    def see(self, selection: Selection) -> None:
        """Take what a frame's selection says about objects."""

    def final_number(self, object_id: int) -> int:
        """Return the number that an object has in the end."""
        return object_id

    def label(self, object_id: int) -> str | None:
        """Return the label that the object of a final number has in the end."""
        return None

    def final_numbers(self, objects: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers that objects have in the end; `EMPTY` stays."""
        numbers, index = np.unique(objects, return_inverse=True)
        final = [number if number == EMPTY else self.final_number(number) for number in numbers.tolist()]
        return np.array(final, np.int64)[index]

    def labels(self, objects: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the labels of objects by their final numbers; None for those without, and for `EMPTY`."""
        return text_values([None if number == EMPTY else self.label(number) for number in objects.tolist()])
