"""Reading a scene: what gaze there may mean, and where the candidates of the scene before are on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.anchor import Anchor
from sam_edge.stream.candidate import (
    ObjectCandidate,
    box_on_frame,
    deepest_point,
    grid_iou,
    is_on,
    keep_pieces,
    on_one_piece,
    to_grid,
)
from sam_edge.stream.compound import find_compounds
from sam_edge.stream.dwell_tracker import DwellSegment
from sam_edge.stream.hypothesis import MaskHypothesis, decode_hypotheses, doubt_compounds
from sam_edge.stream.motion import Motion
from sam_edge.stream.tuning import SelectionTuning
from sam_edge.stream.uncertainty import is_uncertain, plausible_places

Place = tuple[float, float]
"""x, y in frame pixels."""


class SceneReader:
    """Prompts the model on a scene. Not for several threads."""

    def __init__(self, model: Segmenter, *, noise_px: float, tuning: SelectionTuning) -> None:
        """Take the model, and the error that a tracker has at least, frame pixels."""
        self._model = model
        self._noise_px = noise_px
        self._tuning = tuning

    def is_uncertain(self, item: DwellSegment | Anchor) -> bool:
        """Return whether the gaze may have been on something beside the place of a dwell."""
        return is_uncertain(item.covariance_px2, self._noise_px, self._tuning)

    def follow(
        self, embedding: Embedding, candidates: Sequence[ObjectCandidate], anchors: Sequence[Anchor]
    ) -> None:
        """Decode candidates again from where motion has carried them: the box of each, and one point on it."""
        if not candidates:
            return
        size = embedding.frame_size
        boxes = [box_on_frame(item.grid_logits, size) for item in candidates]
        points = [[self._point_on(item, anchors, size)] for item in candidates]
        logits, scores = self._model.decode_logits(embedding, points=points, boxes=boxes)
        for candidate, maps, values in zip(candidates, logits, scores, strict=True):
            grids = [to_grid(lowres_logits, embedding) for lowres_logits in maps]
            was = candidate.mask
            chosen = int(np.argmax([grid_iou(grid_logits > 0, was) for grid_logits in grids] + values))
            candidate.grid_logits, candidate.lowres_logits = grids[chosen], maps[chosen]
            candidate.score, candidate.followed = float(values[chosen]), True
            candidate.alternatives = [
                lowres_logits
                for index, lowres_logits in enumerate(maps)
                if index != chosen and values[index] >= self._tuning.min_present_score
            ]

    def drop_pieces(
        self, candidate: ObjectCandidate, anchors: Sequence[Anchor], size: tuple[int, int]
    ) -> None:
        """Let go of the pieces of a candidate that none of its dwells lies on."""
        on_it = [
            (anchor.x_px, anchor.y_px)
            for anchor in anchors
            if candidate.fits.get(anchor.dwell_id, 0.0) >= 1.0 and not self.is_uncertain(anchor)
        ]
        candidate.grid_logits = keep_pieces(candidate.grid_logits, on_it, size)

    def read_segment(
        self, embedding: Embedding, segment: DwellSegment, number: int, motion: Motion | None = None
    ) -> list[tuple[Place, list[MaskHypothesis]]]:
        """Decode a segment's place, or the places that its error makes as plausible, each on its own, in one batch.

        Args:
            embedding: the scene.
            segment: the segment.
            number: of the segment within its dwell, from 0; each has other plausible places.
            motion: from the scene before; None where it is not known.
        """
        places = [(segment.x_px, segment.y_px)]
        covariance, count = segment.covariance_px2, self._tuning.uncertain_prompts
        if covariance is not None and self.is_uncertain(segment):
            height, width = embedding.frame_size
            plausible = plausible_places(segment.x_px, segment.y_px, covariance, count, number * count)
            plausible = np.clip(plausible, 0, (width, height))
            places = [(float(x_px), float(y_px)) for x_px, y_px in plausible]
        found = decode_hypotheses(self._model, embedding, [[place] for place in places], self._tuning)
        if len(places) == 1:
            found = [self._doubt_compounds(embedding, found[0], motion)]
        return list(zip(places, found, strict=True))

    def read_jointly(self, embedding: Embedding, places: list[Place]) -> list[MaskHypothesis]:
        """Decode several places together; return the masks that may be one object which all of them are on."""
        hypotheses = decode_hypotheses(self._model, embedding, [places], self._tuning)[0]
        max_area = self._tuning.max_joint_area_share
        return [
            item
            for item in hypotheses
            if np.count_nonzero(item.grid_logits > 0) <= max_area * item.grid_logits.size
            and on_one_piece(item.grid_logits, places, embedding.frame_size)
        ]

    def _doubt_compounds(
        self, embedding: Embedding, hypotheses: list[MaskHypothesis], motion: Motion | None
    ) -> list[MaskHypothesis]:
        if self._tuning.compound_odds >= 1.0:
            return hypotheses
        grids = [item.grid_logits for item in hypotheses]
        compounds = find_compounds(self._model, embedding, grids, motion, self._tuning)
        return doubt_compounds(hypotheses, compounds, self._tuning) if compounds else hypotheses

    def _point_on(
        self, candidate: ObjectCandidate, anchors: Sequence[Anchor], size: tuple[int, int]
    ) -> Place:
        for anchor in reversed(anchors):
            if not self.is_uncertain(anchor) and is_on(candidate.grid_logits, anchor.x_px, anchor.y_px, size):
                return anchor.x_px, anchor.y_px
        return deepest_point(candidate.grid_logits, size)
