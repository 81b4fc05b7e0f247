"""What a memory tells: the objects that it knows, and what became of their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

EventKind = Literal["new", "returned", "merged", "forgotten", "renamed"]
"""What happened to an object: it was seen for the first time; it was looked at again; two numbers turned out to be one
object; it was removed from the memory; its label changed."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something that happened to an object of the memory."""

    kind: EventKind
    """What happened."""
    time_ns: int
    """Time of the newest frame then, on the clock of the frames."""
    object_id: int
    """Number of the object; of two that were merged, the one that is kept."""
    other_id: int | None = None
    """Of two that were merged, the number that is no longer used."""
    label: str | None = None
    """The object's label after the event."""


@dataclass(frozen=True, slots=True)
class KnownObject:
    """An object of the memory."""

    object_id: int
    """Its number, from 1."""
    label: str | None
    """Its label, from `rename`."""
    first_seen_ns: int
    """Time of the first frame on which it was the target."""
    last_seen_ns: int
    """Time of the newest frame on which it was the target."""
    dwell_ms: float
    """For how long gaze has rested on it, all visits together."""
    visits: int
    """How often it became the target."""
    pinned: bool
    """Whether it is pinned. Pinned and labelled objects are never forgotten to make room."""
    box: tuple[float, float, float, float]
    """Its box x0, y0, x1, y1 where it was last seen, frame pixels of that frame."""


def final_numbers(events: Iterable[ObjectEvent]) -> dict[int, int]:
    """Return the number that each merged number ends up as, from the events of a session in order of time."""
    final: dict[int, int] = {}
    for event in events:
        if event.kind == "merged" and event.other_id is not None:
            moved = {number for number, kept in final.items() if kept == event.other_id}
            final.update(dict.fromkeys({*moved, event.other_id}, event.object_id))
    return final
