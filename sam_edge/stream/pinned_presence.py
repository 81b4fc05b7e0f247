"""Whether pinned objects are still there: one that is not recognised is lost, not dragged, and looked for.

No gaze vouches for a pinned object. Motion carries its mask, and SAM reads it again from its box: behind something that
passes in front of it, that is a mask of what passes. So its looks decide, as they decide about numbers
(`sam_edge.identity`): an object that does not look like itself twice is lost, and places with its colours are looked
at until one of them does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.identity.appearance import Appearance
from sam_edge.identity.colour_places import colour_bins, find_colour_places
from sam_edge.identity.known_views import KnownViews
from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.anchor import EncodedScene
from sam_edge.stream.candidate import (
    CLIP,
    Grid,
    ObjectCandidate,
    box_on_frame,
    deepest_point,
    grid_iou,
    to_grid,
)
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.motion import grid_of
from sam_edge.stream.trust import ReferenceRules, has_distractor
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning

Image = NDArray[np.uint8]
"""RGB (H, W, 3)."""
Describe = Callable[[Image, Grid, Embedding], Appearance]
"""Returns how an object on a frame looks, by its mask on the motion grid."""
MIN_LIKENESS = 0.5
"""A place is looked at when its colours are this much like the object's."""
AREA_RATIO = 4.0
"""A mask this much smaller or larger than the place that was proposed is not looked at."""
CHECKS, SEARCHES = 3, 1
"""Objects that are compared, and looked for, on one scene at most."""
MASKS = 2
"""Masks of a place that are compared: those that the model is surest of."""
ONE_PLACE = 0.5
"""Two pinned objects are not in one place: masks with this IoU are one."""


@dataclass(eq=False, slots=True)
class WatchedObject:
    """What is known of one pinned object."""

    candidate: ObjectCandidate
    """Its mask on the newest scene, or the last one where it was seen."""
    rules: ReferenceRules
    """Decide which of its masks may be a reference."""
    known: KnownViews = field(default_factory=KnownViews)
    """How it looks."""
    checked_ns: int | None = None
    """Time of the scene on which it was last compared, or looked for."""
    learned_ns: int | None = None
    """Time of the newest reference; None before the first one."""
    strikes: int = 0
    """How often in a row it was not recognised."""
    lost: bool = False
    """Whether it is not on the scene, as far as is known."""
    unsure: bool = False
    """Whether it was found, and is shown once it is recognised again."""


class PinnedPresence:
    """Watches the pinned objects of a session. For the thread that judges."""

    def __init__(
        self, model: Segmenter, describe: Describe, tuning: SelectionTuning = DEFAULT_TUNING
    ) -> None:
        """Begin without objects.

        Args:
            model: decodes the places at which a lost object is looked for.
            describe: how an object looks.
            tuning: how often objects are compared, and from which log-odds on they are recognised.
        """
        self._model = model
        self._describe = describe
        self._tuning = tuning
        self._watched: dict[int, WatchedObject] = {}

    @property
    def hidden(self) -> tuple[int, ...]:
        """Lineages of the pinned objects that are lost, or found and not yet recognised again; oldest first."""
        return tuple(lineage for lineage, item in self._watched.items() if item.lost or item.unsure)

    def forget(self, lineage: int | None = None) -> None:
        """Let go of one object, or of everything."""
        if lineage is None:
            self._watched.clear()
        else:
            self._watched.pop(lineage, None)

    def review(
        self,
        image: Image,
        scene: EncodedScene,
        pinned: Sequence[ObjectCandidate],
        target: ObjectCandidate | None,
    ) -> list[ObjectCandidate]:
        """Compare the pinned objects of a scene with how they looked, and look for those that are lost.

        Args:
            image: the frame of the scene.
            scene: the scene.
            pinned: the objects as they were followed to the scene.
            target: what gaze is on, which may be one that is lost; None for nothing.

        Returns:
            The objects that are on the scene.
        """
        if self._tuning.presence_ms <= 0:
            return list(pinned)
        followed = {item.object_id: item for item in pinned if item.object_id is not None}
        for lineage, candidate in followed.items():
            watched = self._watched.setdefault(
                lineage, WatchedObject(candidate, ReferenceRules(self._tuning))
            )
            watched.candidate = candidate
        for lineage, watched in self._watched.items():
            # What has become too small to follow, or was on the other side of a cut, is lost as well.
            if lineage not in followed and not watched.lost:
                self._lose(watched)
        for watched in self._due(scene.time_ns):
            watched.checked_ns = scene.time_ns
            watched.known.see_embedding(scene.embedding.data[0])
            if watched.lost:
                self._search(watched, image, scene, target)
            else:
                self._check(watched, image, scene)
        return [item.candidate for item in self._watched.values() if not item.lost]

    def _due(self, time_ns: int) -> list[WatchedObject]:
        """Return the objects whose turn it is, those that waited longest first: a scene costs no more with many."""
        due = [item for item in self._watched.values() if self._is_due(item, time_ns)]
        due.sort(key=lambda item: -1 if item.checked_ns is None else item.checked_ns)
        followed = [item for item in due if not item.lost][:CHECKS]
        return [*followed, *[item for item in due if item.lost][:SEARCHES]]

    def _is_due(self, watched: WatchedObject, time_ns: int) -> bool:
        # In doubt, the next look comes sooner; looking for an object costs more than comparing it.
        factor = 2 if watched.lost else 1 / 3 if watched.strikes or watched.unsure else 1
        wait_ms = factor * self._tuning.presence_ms
        return watched.checked_ns is None or time_ns - watched.checked_ns >= wait_ms * NS_PER_MS

    def _check(self, watched: WatchedObject, image: Image, scene: EncodedScene) -> None:
        """Compare an object that is followed with how it looked."""
        candidate = watched.candidate
        if candidate.area < self._tuning.min_area_cells:
            self._lose(watched)
            return
        view = self._describe(image, candidate.grid_logits, scene.embedding)
        if watched.learned_ns is None:
            self._learn(watched, view, scene.time_ns)
            return
        odds = watched.known.log_odds(view)
        if odds < self._tuning.keep_odds or candidate.score < self._tuning.min_present_score:
            watched.strikes += 1
            if watched.strikes >= self._tuning.lost_strikes or watched.unsure:
                self._lose(watched)
            return
        watched.strikes, watched.unsure = 0, False
        trusted = watched.rules.accept(
            candidate.grid_logits,
            candidate.score,
            distractor=self._sees_distractor(candidate, scene.embedding),
        )
        waited_ms = (scene.time_ns - watched.learned_ns) / NS_PER_MS
        if trusted and odds >= self._tuning.sure_odds and waited_ms >= self._tuning.reference_ms:
            self._learn(watched, view, scene.time_ns)

    def _sees_distractor(self, candidate: ObjectCandidate, embedding: Embedding) -> bool:
        others = [to_grid(lowres, embedding) > 0 for lowres in candidate.alternatives]
        return has_distractor(candidate.mask, others, self._tuning)

    def _learn(self, watched: WatchedObject, view: Appearance, time_ns: int) -> None:
        area_share = watched.candidate.area / watched.candidate.grid_logits.size
        watched.known.add(view, time_ns, area_share)
        watched.learned_ns = time_ns

    def _lose(self, watched: WatchedObject) -> None:
        watched.lost, watched.unsure, watched.strikes = True, False, 0

    def _search(
        self, watched: WatchedObject, image: Image, scene: EncodedScene, target: ObjectCandidate | None
    ) -> None:
        """Look for a lost object: at what gaze is on, and where its colours are."""
        if watched.learned_ns is None:
            return
        taken = [item.candidate.mask for item in self._watched.values() if not item.lost]
        best: tuple[float, ObjectCandidate] | None = None
        for grid_logits, score in self._proposals(watched, image, scene.embedding, target):
            mask = grid_logits > 0
            if np.count_nonzero(mask) < self._tuning.min_area_cells or any(
                grid_iou(mask, other) > ONE_PLACE for other in taken
            ):
                continue
            odds = watched.known.log_odds(self._describe(image, grid_logits, scene.embedding))
            if odds >= self._tuning.find_odds and (best is None or odds > best[0]):
                best = odds, ObjectCandidate(grid_logits.copy(), score, object_id=watched.candidate.object_id)
        if best is not None:
            watched.candidate = best[1]
            watched.lost, watched.strikes = False, 0
            watched.unsure = best[0] < self._tuning.sure_odds

    def _proposals(
        self, watched: WatchedObject, image: Image, embedding: Embedding, target: ObjectCandidate | None
    ) -> list[tuple[Grid, float]]:
        """Return masks that may be a lost object, and their predicted IoUs."""
        found = [] if target is None else [(target.grid_logits, target.score)]
        size = embedding.frame_size
        small = cv2.resize(image, grid_of(size)[::-1], interpolation=cv2.INTER_AREA)
        bins = colour_bins(np.asarray(small, np.uint8))
        places = [
            place.mask
            for place in find_colour_places(bins, watched.known.colours, watched.known.area_share)
            if place.likeness >= MIN_LIKENESS
        ]
        if not places:
            return found
        grids = [np.where(place, CLIP, -CLIP).astype(np.float32) for place in places]
        logits, scores = self._model.decode_logits(
            embedding,
            points=[[deepest_point(grid, size)] for grid in grids],
            boxes=[box_on_frame(grid, size) for grid in grids],
        )
        for place, maps, values in zip(places, logits, scores, strict=True):
            area = np.count_nonzero(place)
            for index in np.argsort(-values)[:MASKS]:
                grid_logits, score = to_grid(maps[index], embedding), float(values[index])
                cells = np.count_nonzero(grid_logits > 0)
                if (
                    score >= self._tuning.min_present_score
                    and area <= AREA_RATIO * cells <= AREA_RATIO**2 * area
                ):
                    found.append((grid_logits, score))
        return found
