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

from sam_edge.identity import KnownObject
from sam_edge.identity.appearance import CELL_POOL, Appearance, describe
from sam_edge.identity.recognizer import ObjectRecognizer, Sighting
from sam_edge.segmenter import Embedding
from sam_edge.stream.anchor import EncodedScene
from sam_edge.stream.assessment import Assessment, SceneObject
from sam_edge.stream.candidate import Grid, box_on_frame
from sam_edge.stream.closeup import to_lowres
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.selection import PinnedObject, Selection, State

GAZE_MS = 150.0
"""Gaze that rested longer ago does not say where it is now."""
SAME_PLACE_SHARE, SAME_MOMENT_NS, GOOD_SCORE = 0.1, 150_000_000, 0.9
"""Two targets are surely different things if their masks have less than this in common, as a share of the smaller one,
follow each other within this time, and both have at least this predicted IoU."""


class ObjectIdentity:
    """Gives each lineage the number of an object. Safe for several threads; `see` is for one at a time."""

    def __init__(self, *, enabled: bool = True) -> None:
        """Begin without objects; not `enabled`, every lineage is an object of its own, and nothing is remembered."""
        self._enabled = enabled
        # Of the thread that judges.
        self._scene_ns: int | None = None
        self._target: tuple[SceneObject, int] | None = None
        # Read and written under the lock, by any thread.
        self._lock = threading.Lock()
        self._recognizer = ObjectRecognizer()
        self._memory = self._recognizer.memory
        self._time_ns = 0

    @property
    def enabled(self) -> bool:
        """Whether objects are remembered."""
        return self._enabled

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
        with self._lock:
            self._time_ns = max(self._time_ns, time_ns)
            self._move(scene)
            if target is None or not (target.grid_logits > 0).any():
                self._recognizer.lose()
                self._target = None
                return
            is_elsewhere = self._is_elsewhere(target, time_ns)
            box = box_on_frame(target.grid_logits, scene.embedding.frame_size)
            looked_at = assessment.state in (State.HOVER, State.FOCUSED)
            wanted = self._recognizer.wants_view(
                target.object_id, time_ns, box, looked_at=looked_at, is_elsewhere=is_elsewhere
            )
        # Without the lock: a step may ask for a number meanwhile.
        view = describe_target(image, target.grid_logits, scene.embedding) if wanted else None
        with self._lock:
            if view is not None:
                self._memory.see_scene(scene.embedding.data[0])
            gaze = newest_gaze(assessment)
            self._recognizer.see(
                Sighting(target.object_id, time_ns, box, looked_at, view, gaze, is_elsewhere)
            )

    def _is_elsewhere(self, target: SceneObject, time_ns: int) -> bool:
        """Return whether a target is surely another thing than that of the scene before: two good masks of nearly the
        same moment that have hardly anything in common."""
        before, self._target = self._target, (target, time_ns)
        if before is None or time_ns - before[1] > SAME_MOMENT_NS:
            return False
        old, mask = before[0].grid_logits > 0, target.grid_logits > 0
        if old.shape != mask.shape or min(before[0].score, target.score) < GOOD_SCORE:
            return False
        smaller = min(np.count_nonzero(mask), np.count_nonzero(old))
        return bool(np.count_nonzero(mask & old) < SAME_PLACE_SHARE * smaller)

    def present(self, selection: Selection) -> Selection:
        """Return a selection with the numbers and labels of objects in place of lineages, and the events so far."""
        if not self._enabled:
            return selection
        with self._lock:
            events = self._memory.take_events()
            pinned = self._present_pinned(selection.pinned)
            shown = {item.object_id for item in pinned}
            numbers = (self._recognizer.number_of(lineage, self._time_ns) for lineage in selection.lost)
            lost = tuple(dict.fromkeys(number for number in numbers if number not in shown))
            if selection.object_id is None:
                return replace(selection, pinned=pinned, lost=lost, events=events)
            number = self._recognizer.number_of(selection.object_id, self._time_ns)
            label = self._memory.label(number)
            return replace(selection, object_id=number, label=label, pinned=pinned, lost=lost, events=events)

    def check_room(self) -> None:
        """Check that one more object may be pinned. Raises what `ObjectMemory.check_room` does."""
        if self._enabled:
            with self._lock:
                self._memory.check_room()

    def pin(self, lineage: int) -> int:
        """Note that a lineage is pinned, and return its object's number."""
        if not self._enabled:
            return lineage
        with self._lock:
            number = self._recognizer.number_of(lineage, self._time_ns)
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
            return () if object_id is None else self._recognizer.lineages_of(object_id)

    def rename(self, object_id: int, label: str | None) -> None:
        """See `GazeSession.rename`."""
        with self._lock:
            self._memory.rename(object_id, label, self._time_ns)

    def merge(self, keep_id: int, other_id: int) -> None:
        """See `GazeSession.merge`."""
        with self._lock:
            self._recognizer.merge(keep_id, other_id, self._time_ns)

    def forget(self, object_id: int) -> tuple[int, ...]:
        """Forget an object, as `GazeSession.forget` does, and return its lineages."""
        with self._lock:
            return self._recognizer.forget(object_id, self._time_ns)

    def _move(self, scene: EncodedScene) -> None:
        before_ns, self._scene_ns = self._scene_ns, scene.time_ns
        if scene.motion is None or before_ns is None:
            self._memory.places.clear()
            return
        passed_s = (scene.time_ns - before_ns) / (1e3 * NS_PER_MS)
        self._memory.places.move(scene.motion.back, scene.embedding.frame_size, passed_s)

    def _present_pinned(self, pinned: tuple[PinnedObject, ...]) -> tuple[PinnedObject, ...]:
        presented: dict[int, PinnedObject] = {}
        for item in pinned:
            number = self._recognizer.number_of(item.object_id, self._time_ns)
            # Two pinned lineages may have turned out to be one object: the older one is shown.
            presented.setdefault(number, replace(item, object_id=number, label=self._memory.label(number)))
        return tuple(presented.values())


def newest_gaze(assessment: Assessment) -> tuple[float, float] | None:
    """Return where gaze rests on a scene, x and y in frame pixels; None where it does not rest just now."""
    segment = assessment.segment
    if segment is None or assessment.time_ns - segment.time_ns > GAZE_MS * NS_PER_MS:
        return None
    return segment.x_px, segment.y_px


def describe_target(image: NDArray[np.uint8], grid_logits: Grid, embedding: Embedding) -> Appearance:
    """Return how an object on a frame, RGB uint8 (H, W, 3), looks; its mask is not empty."""
    rows, columns = grid_logits.shape
    small = np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    cells = embedding.data[0]
    inside = to_lowres(grid_logits, embedding, embedding.frame_size) > 0
    pooled = inside.reshape(cells.shape[1], CELL_POOL, cells.shape[2], CELL_POOL)
    coverage = pooled.mean(axis=(1, 3), dtype=np.float32)
    return describe(small, grid_logits > 0, cells, coverage)
