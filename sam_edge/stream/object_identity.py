"""The numbers of objects in a session: lineages of candidates, matched with the object memory.

A lineage is a candidate and what it turned into from scene to scene, as long as it is followed. It decides the masks,
and knows nothing of identity; identity gives it the number that is shown, and never changes a mask.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.identity import KnownObject, ObjectMemory
from sam_edge.identity.appearance import describe_colour
from sam_edge.identity.places import Box, ObjectPlaces
from sam_edge.stream.anchor import EncodedScene
from sam_edge.stream.assessment import Assessment, SceneObject
from sam_edge.stream.candidate import box_on_frame
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.selection import PinnedObject, Selection, State
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning


class ObjectIdentity:
    """Gives each lineage the number of an object. Safe for several threads; `see` is for one at a time."""

    def __init__(self, tuning: SelectionTuning = DEFAULT_TUNING, *, enabled: bool = True) -> None:
        """Begin without objects; not `enabled`, every lineage is an object of its own, and nothing is remembered."""
        self._tuning = tuning
        self._enabled = enabled
        # Of the thread that judges.
        self._described_ns = 0
        self._before: tuple[int, int] | None = None
        self._places = ObjectPlaces()
        self._scene_ns: int | None = None
        # Read and written under the lock, by any thread.
        self._lock = threading.Lock()
        self._memory = ObjectMemory()
        self._numbers: dict[int, int] = {}
        self._time_ns = 0

    @property
    def objects(self) -> tuple[KnownObject, ...]:
        """The objects that are known, by their number."""
        with self._lock:
            return self._memory.objects

    def see(self, image: NDArray[np.uint8], scene: EncodedScene, assessment: Assessment) -> None:
        """Take what was decided on a frame: find or keep the target's number, and remember how it looks.

        Args:
            image: the frame, RGB uint8 (H, W, 3).
            scene: the scene that was assessed.
            assessment: what was decided.
        """
        target, time_ns = assessment.target, assessment.time_ns
        if not self._enabled:
            return
        before, self._before = self._before, None if target is None else (target.object_id, time_ns)
        self._move(scene)
        with self._lock:
            self._time_ns = max(self._time_ns, time_ns)
        if target is None or not (target.grid_logits > 0).any():
            return
        new = before is None or before[0] != target.object_id
        due = time_ns - self._described_ns >= self._tuning.describe_ms * NS_PER_MS
        view = None
        if new or (due and assessment.state in (State.HOVER, State.FOCUSED)):
            view, self._described_ns = describe(image, target), time_ns
        looked_at = not new and assessment.state in (State.HOVER, State.FOCUSED)
        dwell_ms = (time_ns - before[1]) / NS_PER_MS if before is not None and looked_at else 0.0
        box = box_on_frame(target.grid_logits, assessment.embedding.frame_size)
        with self._lock:
            number = self._number_of(target.object_id, view, box)
            if new:
                self._memory.visit(number, time_ns)
            self._memory.see(number, time_ns, box=box, dwell_ms=dwell_ms, view=view)
        self._places.set(number, box)

    def present(self, selection: Selection) -> Selection:
        """Return a selection with the numbers and labels of objects in place of lineages, and the events so far."""
        if not self._enabled:
            return selection
        with self._lock:
            events = self._memory.take_events()
            pinned = self._present_pinned(selection.pinned)
            if selection.object_id is None:
                return replace(selection, pinned=pinned, events=events)
            number = self._number_of(selection.object_id)
            label = self._memory.label(number)
            return replace(selection, object_id=number, label=label, pinned=pinned, events=events)

    def pin(self, lineage: int) -> int:
        """Note that a lineage is pinned, and return its object's number."""
        if not self._enabled:
            return lineage
        with self._lock:
            number = self._number_of(lineage)
            self._memory.pin(number)
            return number

    def unpin(self, object_id: int | None) -> tuple[int, ...]:
        """Note that an object, or every one, is not pinned any more; return the lineages of that object."""
        if not self._enabled:
            return () if object_id is None else (object_id,)
        with self._lock:
            for item in self._memory.objects:
                if object_id is None or item.object_id == object_id:
                    self._memory.pin(item.object_id, pinned=False)
            return self._lineages_of(object_id)

    def rename(self, object_id: int, label: str | None) -> None:
        """See `GazeSession.rename`."""
        with self._lock:
            self._memory.rename(object_id, label, self._time_ns)

    def merge(self, keep_id: int, other_id: int) -> None:
        """See `GazeSession.merge`."""
        with self._lock:
            self._merge(keep_id, other_id)

    def forget(self, object_id: int) -> tuple[int, ...]:
        """Forget an object, as `GazeSession.forget` does, and return its lineages."""
        with self._lock:
            self._memory.forget(object_id, self._time_ns)
            lineages = self._lineages_of(object_id)
            for lineage in lineages:
                del self._numbers[lineage]
            return lineages

    def _merge(self, keep_id: int, other_id: int) -> None:
        self._memory.merge(keep_id, other_id, self._time_ns)
        self._numbers.update(dict.fromkeys(self._lineages_of(other_id), keep_id))

    def _lineages_of(self, object_id: int | None) -> tuple[int, ...]:
        return tuple(lineage for lineage, number in self._numbers.items() if number == object_id)

    def _move(self, scene: EncodedScene) -> None:
        before_ns, self._scene_ns = self._scene_ns, scene.time_ns
        if scene.motion is None or before_ns is None:
            self._places.clear()
        else:
            passed_s = (scene.time_ns - before_ns) / (1e3 * NS_PER_MS)
            self._places.move(scene.motion.back, scene.motion.scale, passed_s)

    def _could_be(self, box: Box) -> list[int]:
        """Return the numbers of those objects that may be where a target is, by their place."""
        places = {item.object_id: self._places.get(item.object_id) for item in self._memory.objects}
        return [number for number, place in places.items() if place is None or place.overlaps(box)]

    def _number_of(
        self, lineage: int, view: NDArray[np.float32] | None = None, box: Box | None = None
    ) -> int:
        """Return the number of a lineage; a new lineage gets that of the object it looks like, or a new one."""
        number = self._numbers.pop(lineage, None)
        if number is None or number not in self._memory:
            among = None if box is None else self._could_be(box)
            found = None if view is None else self._memory.find(view, among=among)
            if found is not None and found[1] >= self._tuning.same_object_likeness:
                number = found[0]
            else:
                number = self._memory.add(self._time_ns)
        # Those used last are at the end; lineages that are not followed any more do not come back.
        self._numbers[lineage] = number
        if len(self._numbers) > self._tuning.lineages_kept:
            del self._numbers[next(iter(self._numbers))]
        return number

    def _present_pinned(self, pinned: tuple[PinnedObject, ...]) -> tuple[PinnedObject, ...]:
        presented: dict[int, PinnedObject] = {}
        for item in pinned:
            number = self._number_of(item.object_id)
            # Two pinned lineages may have turned out to be one object: the older one is shown.
            presented.setdefault(number, replace(item, object_id=number, label=self._memory.label(number)))
        return tuple(presented.values())


def describe(image: NDArray[np.uint8], target: SceneObject) -> NDArray[np.float32]:
    """Return how an object on a frame, RGB uint8 (H, W, 3), looks."""
    rows, columns = target.grid_logits.shape
    left, top, width, height = cv2.boundingRect((target.grid_logits > 0).astype(np.uint8))
    across, down = image.shape[1] / columns, image.shape[0] / rows
    part = image[
        round(top * down) : round((top + height) * down),
        round(left * across) : round((left + width) * across),
    ]
    small = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return describe_colour(small, target.grid_logits[top : top + height, left : left + width] > 0)
