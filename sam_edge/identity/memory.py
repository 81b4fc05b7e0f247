"""The object memory: what was looked at, how it looked, where it was, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError
from sam_edge.identity.appearance import Appearance
from sam_edge.identity.events import KnownObject, ObjectEvent
from sam_edge.identity.places import Box, ObjectPlaces
from sam_edge.identity.views import ViewStore

CAPACITY = 500
"""Objects that a memory holds at most."""
SCENES = 500
"""Scenes that the mean embedding of the scenes remembers."""


class ObjectsKeptError(InputError):
    """As many objects are pinned or labelled as a memory may keep."""


@dataclass(eq=False, slots=True)
class StoredObject:
    """What is known of an object, but for how it looks and where it is. See `KnownObject`."""

    object_id: int
    first_seen_ns: int
    last_seen_ns: int
    label: str | None = None
    dwell_ms: float = 0.0
    visits: int = 0
    pinned: bool = False
    box: Box = (0.0, 0.0, 0.0, 0.0)

    @property
    def is_kept(self) -> bool:
        """Whether it is never forgotten to make room."""
        return self.pinned or self.label is not None


class ObjectMemory:
    """Remembers at most `capacity` objects. Not for several threads.

    When it is full, the object with the least total dwell that is neither pinned nor labelled is forgotten. There
    always is one: `pin` and `rename` raise before the last place is taken.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Begin empty. The capacity is 2 or more."""
        self._capacity = capacity
        self._objects: dict[int, StoredObject] = {}
        self._views = ViewStore()
        self._centre: NDArray[np.float32] = np.zeros(0, np.float32)
        self._scenes = 0
        self._count = 0
        self._events: list[ObjectEvent] = []
        self.places = ObjectPlaces()

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
            for _, item in sorted(self._objects.items())
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

    def see_scene(self, cells: NDArray[np.float32]) -> None:
        """Take a scene's embedding (C, h, w) into the mean of what all objects have in common."""
        mean = np.asarray(cells.reshape(len(cells), -1).mean(axis=1), np.float32)
        if self._centre.shape != mean.shape:
            self._centre, self._scenes = mean, 0
        self._scenes = min(self._scenes + 1, SCENES)
        self._centre = self._centre + (mean - self._centre) / np.float32(self._scenes)

    def see(
        self,
        object_id: int,
        time_ns: int,
        box: Box,
        *,
        dwell_ms: float = 0.0,
        view: Appearance | None = None,
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
        item.box = box
        self.places.set(object_id, box)
        if view is not None:
            self._views.add(object_id, view, time_ns)

    def compare(
        self, view: Appearance, box: Box, *, before_ns: int | None = None, taken_for: int | None = None
    ) -> dict[int, float]:
        """Return the log-odds that an object is each of the known ones, by how it looks and where it is.

        Of many known objects, those that cannot look like it are left out, so that the cost does not grow with them.

        Args:
            view: how it looks.
            box: where it is, x0, y0, x1, y1 in frame pixels.
            before_ns: appearances from this time on do not count; None counts all. Objects without any are left out.
            taken_for: the object that it is taken for: it is not left out, and its place does not count.
        """
        known = self._centre.shape == view.texture.shape
        centre = self._centre if known else np.zeros_like(view.texture)
        found = self._views.compare(view, centre, before_ns=before_ns, always=taken_for)
        places = self.places.log_odds([*found], box)
        return {
            object_id: odds if object_id == taken_for else odds + float(place)
            for (object_id, odds), place in zip(found.items(), places, strict=True)
        }

    def dwell_ms(self, object_id: int) -> float:
        """Return how long gaze has rested on an object."""
        return self._objects[object_id].dwell_ms

    def dwell(self, object_id: int, dwell_ms: float) -> None:
        """Add to the time for which gaze has rested on an object."""
        self._objects[object_id].dwell_ms += dwell_ms

    def age_ms(self, object_id: int, time_ns: int) -> float:
        """Return for how long an object has been known."""
        return (time_ns - self._objects[object_id].first_seen_ns) / 1e6

    def split(self, object_id: int, other_id: int, since_ns: int) -> None:
        """Give what was seen of an object from a time on to another one."""
        self._views.split(object_id, other_id, since_ns)
        self.places.take_over(other_id, object_id)

    def pin(self, object_id: int, *, pinned: bool = True) -> None:
        """Note that an object is pinned, or is not any more; an object that is not known is left alone.

        Raises:
            ObjectsKeptError: see `check_room`.
        """
        item = self._objects.get(object_id)
        if item is not None:
            if pinned and not item.is_kept:
                self.check_room()
            item.pinned = pinned

    def rename(self, object_id: int, label: str | None, time_ns: int) -> None:
        """Give an object a label; None takes it away.

        Raises:
            InputError: the object is not known.
            ObjectsKeptError: see `check_room`.
        """
        item = self._known(object_id, "object_id")
        if label and not item.is_kept:
            self.check_room()
        item.label = label or None
        self._tell("renamed", time_ns, item)

    def check_room(self) -> None:
        """Check that one more object may be pinned or labelled.

        Raises:
            ObjectsKeptError: all but one of those that the memory holds are. What is looked at next needs that place.
        """
        kept = sum(item.is_kept for item in self._objects.values())
        if kept >= self._capacity - 1:
            raise ObjectsKeptError(
                f"objects: {kept} are pinned or labelled, of {self._capacity} that the memory holds; accepted: at most "
                f"{self._capacity - 1}; unpin an object, take its label away, or forget it"
            )

    def merge(self, keep_id: int, other_id: int, time_ns: int) -> None:
        """Make one object of two; the number and the label of `keep_id` are kept.

        Raises:
            InputError: one of them is not known, or both are the same.
        """
        keep, other = self._known(keep_id, "keep_id"), self._known(other_id, "other_id")
        if keep is other:
            raise InputError(f"other_id: {other_id} is keep_id as well; give two objects")
        if other.last_seen_ns > keep.last_seen_ns:
            keep.box, keep.last_seen_ns = other.box, other.last_seen_ns
            self.places.take_over(keep_id, other_id)
        keep.first_seen_ns = min(keep.first_seen_ns, other.first_seen_ns)
        keep.dwell_ms += other.dwell_ms
        keep.visits += other.visits
        keep.pinned |= other.pinned
        keep.label = keep.label or other.label
        self._views.merge(keep_id, other_id)
        self._remove(other_id)
        self._events.append(ObjectEvent("merged", time_ns, keep_id, other_id, keep.label))

    def forget(self, object_id: int, time_ns: int) -> None:
        """Remove an object. Its number is never given again.

        Raises:
            InputError: the object is not known.
        """
        item = self._known(object_id, "object_id")
        self._remove(object_id)
        self._tell("forgotten", time_ns, item)

    def _remove(self, object_id: int) -> None:
        del self._objects[object_id]
        self._views.drop(object_id)
        self.places.drop(object_id)

    def _make_room(self, time_ns: int) -> None:
        # There is always one: `pin` and `rename` see to it.
        free = [item for item in self._objects.values() if not item.is_kept]
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
