"""The object memory: what was looked at, how it looked, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.identity.events import KnownObject, ObjectEvent

CAPACITY = 500
"""Objects that a memory holds at most."""
VIEWS = 12
"""Appearances that are kept of each object."""

Box = tuple[float, float, float, float]


@dataclass(eq=False, slots=True)
class StoredObject:
    """An object of the memory, as it is kept up to date."""

    object_id: int
    first_seen_ns: int
    last_seen_ns: int
    label: str | None = None
    dwell_ms: float = 0.0
    visits: int = 0
    pinned: bool = False
    box: Box = (0.0, 0.0, 0.0, 0.0)
    views: list[NDArray[np.float32]] = field(default_factory=list)


class ObjectMemory:
    """Remembers at most `capacity` objects. Not for several threads.

    When it is full, the object with the least total dwell that is neither pinned nor labelled is forgotten.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Begin empty."""
        self._capacity = capacity
        self._objects: dict[int, StoredObject] = {}
        self._count = 0
        self._events: list[ObjectEvent] = []

    def __contains__(self, object_id: int) -> bool:
        """Return whether an object is known."""
        return object_id in self._objects

    def __len__(self) -> int:
        """Return how many objects are known."""
        return len(self._objects)

    @property
    def objects(self) -> tuple[KnownObject, ...]:
        """All objects, by their number."""
        return tuple(
            KnownObject(
                item.object_id,
                item.label,
                item.first_seen_ns,
                item.last_seen_ns,
                item.dwell_ms,
                item.visits,
                item.pinned,
                item.box,
            )
            for item in self._objects.values()
        )

    def take_events(self) -> tuple[ObjectEvent, ...]:
        """Return what happened since the last call."""
        events, self._events = tuple(self._events), []
        return events

    def label(self, object_id: int) -> str | None:
        """Return an object's label; None where it has none or is not known."""
        item = self._objects.get(object_id)
        return None if item is None else item.label

    def add(self, time_ns: int) -> int:
        """Take in a new object, and return its number."""
        if len(self._objects) >= self._capacity:
            self._make_room(time_ns)
        self._count += 1
        item = StoredObject(self._count, time_ns, time_ns)
        self._objects[item.object_id] = item
        self._tell("new", time_ns, item)
        return item.object_id

    def visit(self, object_id: int, time_ns: int) -> None:
        """Note that gaze came to an object."""
        item = self._objects[object_id]
        item.visits += 1
        if item.visits > 1:
            self._tell("returned", time_ns, item)

    def see(
        self,
        object_id: int,
        time_ns: int,
        *,
        box: Box | None = None,
        dwell_ms: float = 0.0,
        view: NDArray[np.float32] | None = None,
    ) -> None:
        """Note that an object was the target on a frame.

        Args:
            object_id: the object.
            time_ns: the frame.
            box: where it was, x0, y0, x1, y1 in frame pixels.
            dwell_ms: how long gaze rested on it since the last time.
            view: how it looked.
        """
        item = self._objects[object_id]
        item.last_seen_ns = max(item.last_seen_ns, time_ns)
        item.dwell_ms += dwell_ms
        item.box = box or item.box
        if view is not None:
            item.views = [*item.views, view][-VIEWS:]

    def find(
        self, view: NDArray[np.float32], *, among: Iterable[int] | None = None
    ) -> tuple[int, float] | None:
        """Return the object that looks most like a view, and how much, 0 to 1; None when nothing is known.

        Args:
            view: how it looks.
            among: numbers of the objects in question; None is all.
        """
        numbers = self._objects.keys() if among is None else among
        found = [
            (number, max(float(np.minimum(view, known).sum()) for known in self._objects[number].views))
            for number in numbers
            if self._objects[number].views
        ]
        return max(found, key=lambda pair: pair[1], default=None)

    def pin(self, object_id: int, *, pinned: bool = True) -> None:
        """Note that an object is pinned, or is not any more."""
        if object_id in self._objects:
            self._objects[object_id].pinned = pinned

    def rename(self, object_id: int, label: str | None, time_ns: int) -> None:
        """Give an object a label; None takes it away.

        Raises:
            InputError: the object is not known.
        """
        item = self._known(object_id, "object_id")
        item.label = label or None
        self._tell("renamed", time_ns, item)

    def merge(self, keep_id: int, other_id: int, time_ns: int) -> None:
        """Make one object of two; the number and the label of `keep_id` are kept.

        Raises:
            InputError: one of them is not known, or both are the same.
        """
        keep, other = self._known(keep_id, "keep_id"), self._known(other_id, "other_id")
        if keep is other:
            raise InputError(f"other_id: {other_id} is keep_id as well; give two objects")
        newer = max(keep, other, key=lambda item: item.last_seen_ns)
        keep.box, keep.last_seen_ns = newer.box, newer.last_seen_ns
        keep.first_seen_ns = min(keep.first_seen_ns, other.first_seen_ns)
        keep.dwell_ms += other.dwell_ms
        keep.visits += other.visits
        keep.pinned |= other.pinned
        keep.label = keep.label or other.label
        keep.views = [*other.views, *keep.views][-VIEWS:]
        del self._objects[other_id]
        self._events.append(ObjectEvent("merged", time_ns, keep_id, other_id, keep.label))

    def forget(self, object_id: int, time_ns: int) -> None:
        """Remove an object. Its number is never given again.

        Raises:
            InputError: the object is not known.
        """
        item = self._known(object_id, "object_id")
        del self._objects[object_id]
        self._tell("forgotten", time_ns, item)

    def _make_room(self, time_ns: int) -> None:
        free = [item for item in self._objects.values() if not item.pinned and item.label is None]
        # Where all are pinned or labelled, the newest object takes no other's place: the memory grows by it.
        if free:
            self.forget(min(free, key=lambda item: item.dwell_ms).object_id, time_ns)

    def _known(self, object_id: int, name: str) -> StoredObject:
        item = self._objects.get(object_id)
        if item is None:
            known = ", ".join(map(str, [*self._objects][-12:])) or "none"
            raise InputError(f"{name}: {object_id} is not a known object; known: {known}")
        return item

    def _tell(
        self, kind: Literal["new", "returned", "forgotten", "renamed"], time_ns: int, item: StoredObject
    ) -> None:
        self._events.append(ObjectEvent(kind, time_ns, item.object_id, label=item.label))
