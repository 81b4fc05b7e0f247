"""What a reader of annotations replaced or left out, collected for a report."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sam_edge.errors import SamEdgeWarning

MAX_IN_WARNING = 5
"""Most remarks in a warning; `notes` of the result has them all."""


@dataclass(slots=True)
class ReadingNotes:
    """Remarks on the entries of a file; equal ones are counted."""

    _places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, place: str, text: str) -> None:
        """Add what was done with an entry, for example "area is missing; taken from the mask"."""
        self._places.setdefault(text, []).append(place)

    def texts(self) -> tuple[str, ...]:
        """Return one line for each kind of remark, with the first entry that it concerns."""
        return tuple(
            f"{places[0]}: {text}" + (f" ({len(places)} entries alike)" if len(places) > 1 else "")
            for text, places in self._places.items()
        )


def warn_of_notes(path: str | Path, notes: Iterable[str], *, stacklevel: int) -> None:
    """Warn of what a reader replaced or left out, if there is anything."""
    texts = list(notes)
    if texts:
        more = f"; and {len(texts) - MAX_IN_WARNING} more" if len(texts) > MAX_IN_WARNING else ""
        warnings.warn(
            f"{path}: {'; '.join(texts[:MAX_IN_WARNING])}{more}. The result's notes list all; strict=True refuses such "
            "a file",
            SamEdgeWarning,
            stacklevel=stacklevel + 1,
        )
