"""Which object the person means: candidates compete to explain where the gaze has rested.

The model is a small generative one. A person who means an object rests the gaze here and there on it, evenly over it
and off by the tracker's error; now and then glances elsewhere; and may turn to another object. So a candidate gains by
every dwell on it, the more the smaller it is (Tenenbaum's size principle: a large object would have drawn gaze
elsewhere too), loses by dwells off it, and pays for every change of target in its history. SAM reads a single dwell
segment in three ways; which of them is an object shows in time, because the same object is read again from other places
on it and from other frames. `docs/explanation/selection.md` has the formulas and what each part is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.anchor import Anchor, EncodedScene, time_distance_ns
from sam_edge.stream.candidate import Grid, ObjectCandidate, grid_iou, is_on, is_part
from sam_edge.stream.compound import find_left_behind
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.dwell_tracker import DwellSegment
from sam_edge.stream.evidence import weigh
from sam_edge.stream.hypothesis import add_mean_support, add_support, is_scene
from sam_edge.stream.pursuit import gaze_path, weigh_pursuit
from sam_edge.stream.scene_reader import SceneReader
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning

PATH_KEPT = 25
"""Places of the gaze's path that are remembered of a dwell: a second."""


class GazeAttention:
    """Follows candidates from scene to scene and decides which one is the target. Not for several threads."""

    def __init__(
        self,
        model: Segmenter,
        *,
        px_per_deg: float,
        max_candidates: int = 5,
        tuning: SelectionTuning = DEFAULT_TUNING,
    ) -> None:
        """Begin without candidates.

        Args:
            model: decodes prompts.
            px_per_deg: frame pixels in a degree of visual angle.
            max_candidates: candidates that are followed; each costs one prompt of a batch a scene.
            tuning: how evidence is weighed.
        """
        self._tuning = tuning
        self._px_per_deg = px_per_deg
        self._noise_px = tuning.noise_deg * px_per_deg
        self._reader = SceneReader(model, noise_px=self._noise_px, tuning=tuning)
        self._max_candidates = max_candidates
        self._object_count = 0
        self.candidates: list[ObjectCandidate] = []
        self.pinned: list[ObjectCandidate] = []
        self.anchors: list[Anchor] = []
        self.target: ObjectCandidate | None = None

    def see(
        self, scene: EncodedScene, segment: DwellSegment | None, followed: Grid | None = None
    ) -> ObjectCandidate | None:
        """Move on to the next scene, take the newest segment, and return the target; None when there is none.

        Args:
            scene: the new scene.
            segment: the dwell since the scene before, its place on the new one; None when gaze did not rest.
            followed: the target's mask on the new scene where close-ups followed it; None leaves it to motion.
        """
        on_scene = self._move(scene, segment)
        if followed is not None and self.target is not None:
            self.target.grid_logits = followed
        self._follow(scene.embedding)
        if segment is not None:
            self._interpret(scene, segment)
        self._weigh(scene, on_scene=on_scene)
        return self.choose()

    def forget(self, object_id: int | None = None) -> None:
        """Let go of one object, or of everything."""
        if object_id is None:
            self.candidates, self.anchors, self.pinned, self.target = [], [], [], None
            return
        self.pinned = [item for item in self.pinned if item.object_id != object_id]
        if self.target is not None and self.target.object_id == object_id:
            self.candidates, self.anchors, self.target = [], [], None

    def pin(self, at_ns: int | None = None) -> int | None:
        """Pin an object until `forget`: the target, or the object that gaze rested on closest to a time.

        Returns:
            The object's number; None when there is nothing to pin.
        """
        chosen = self.target
        if at_ns is not None and self.anchors:
            anchor = min(self.anchors, key=lambda item: time_distance_ns(item, at_ns))
            fitting = [item for item in self.candidates if item.fits.get(anchor.dwell_id, 0.0) >= 1.0]
            chosen = (
                chosen
                if chosen in fitting
                else max(fitting, key=lambda item: item.log_posterior, default=None)
            )
        if chosen is None:
            return None
        self._assign_number(chosen, None)
        if all(item.object_id != chosen.object_id for item in self.pinned):
            self.pinned.append(
                ObjectCandidate(
                    chosen.grid_logits.copy(), chosen.score, chosen.lowres_logits, object_id=chosen.object_id
                )
            )
        return chosen.object_id

    @property
    def dwells_on_target(self) -> int:
        """Number of dwells on the target since it is the target."""
        return 0 if self.target is None else len(self._dwells_on(self.target))

    def _dwells_on(self, target: ObjectCandidate) -> list[Anchor]:
        return [
            anchor
            for anchor in self.anchors
            if anchor.dwell_id >= target.since_dwell and target.fits.get(anchor.dwell_id, 0) >= 1
        ]

    def _lies_on_object(self, anchor: Anchor, target: ObjectCandidate) -> bool:
        """Return whether a dwell on a background lies on an object before it, so that it confirms no background."""
        return target.background and any(
            not item.background
            and item.score >= self._tuning.object_score
            and item.fits.get(anchor.dwell_id, 0.0) > target.fits[anchor.dwell_id]
            for item in self.candidates
        )

    @property
    def stable(self) -> bool:
        """Whether the target is stable, so that a dwell elsewhere is taken for a glance at first."""
        target = self.target
        if not self.confirmed:
            return False
        longest_ms = max(
            (
                item.dwell_ms
                for item in self.anchors
                if target is not None
                and target.fits.get(item.dwell_id, 0) >= 1
                and not self._reader.is_uncertain(item)
            ),
            default=0.0,
        )
        return (
            self.dwells_on_target >= self._tuning.stable_dwells or longest_ms >= self._tuning.stable_dwell_ms
        )

    @property
    def confirmed(self) -> bool:
        """Whether the target is more than a background that a single dwell has come to rest on."""
        target = self.target
        return target is None or not target.background

    @property
    def may_fill(self) -> bool:
        """Whether a mask of the target that grows until it looks like background is believed: two dwells are on it."""
        target = self.target
        return (
            target is None
            or target.confirmed
            or self._tuning.background_share >= 1.0
            or self.dwells_on_target >= self._tuning.stable_dwells
        )

    def is_on_target(self, dwell_id: int) -> bool:
        """Return whether a dwell is on the target."""
        return self.target is not None and self.target.fits.get(dwell_id, 0.0) >= 1.0

    def choose(self) -> ObjectCandidate | None:
        """Take the likeliest candidate, with hysteresis, and drop the least likely ones."""
        self.candidates = [
            item for item in self.candidates if item.log_posterior > -math.inf or item is self.target
        ]
        self.candidates.sort(key=lambda item: -item.log_posterior)
        del self.candidates[self._max_candidates :]
        if not self.candidates:
            self.target = None
            return None
        top, held = self.candidates[0], self.target
        stays = held is not None and any(item is held for item in self.candidates)
        if (
            stays
            and held is not None
            and held.log_posterior > top.log_posterior - self._hysteresis(held, top)
        ):
            top = held
        self._assign_number(top, held)
        self.target = top
        confirming = [anchor for anchor in self._dwells_on(top) if not self._lies_on_object(anchor, top)]
        if len(confirming) >= self._tuning.stable_dwells:
            top.confirmed, top.background = True, False
        return top

    def _hysteresis(self, held: ObjectCandidate, rival: ObjectCandidate) -> float:
        """Return by how much a rival must be likelier than the target to become it."""
        if not self.confirmed or held.leaves_behind:
            return 0.0
        if self.anchors and self._reader.is_uncertain(self.anchors[-1]) and is_part(rival, held):
            return self._tuning.part_hysteresis
        return self._tuning.hysteresis

    def _move(self, scene: EncodedScene, segment: DwellSegment | None) -> bool:
        """Carry everything to the new scene, note the segment, and return whether its anchor is on the scene."""
        motion = scene.motion
        for candidate in (*self.candidates, *self.pinned):
            candidate.lowres_logits, candidate.alternatives = None, ()
            if motion is not None:
                candidate.grid_logits = motion.carry(candidate.grid_logits)
        if motion is not None:
            for anchor in self.anchors:
                anchor.x_px, anchor.y_px = motion.carry_point(anchor.x_px, anchor.y_px)
        if segment is not None:
            self._add_to_anchor(segment)
        height, width = scene.embedding.frame_size
        self.anchors = [
            anchor for anchor in self.anchors if 0 <= anchor.x_px < width and 0 <= anchor.y_px < height
        ][-self._tuning.anchors_kept :]
        return segment is not None and bool(self.anchors) and self.anchors[-1].dwell_id == segment.dwell_id

    def _add_to_anchor(self, segment: DwellSegment) -> None:
        if self.anchors and self.anchors[-1].dwell_id == segment.dwell_id:
            anchor = self.anchors[-1]
            anchor.segments += 1
            gain = max(1.0 / anchor.segments, self._tuning.anchor_gain)
            anchor.x_px += gain * (segment.x_px - anchor.x_px)
            anchor.y_px += gain * (segment.y_px - anchor.y_px)
            anchor.time_ns = segment.time_ns
            anchor.covariance_px2 = segment.covariance_px2
            anchor.gaze = [*anchor.gaze, *self._path_of(segment)][-PATH_KEPT:]
            return
        anchor = Anchor(segment.dwell_id, segment.x_px, segment.y_px, segment.onset_ns, segment.time_ns)
        anchor.covariance_px2 = segment.covariance_px2
        anchor.gaze = self._path_of(segment)
        best_posterior = max(
            (item.log_posterior for item in self.candidates if item.log_posterior > -math.inf), default=0.0
        )
        if self.target is not None:
            anchor.history_log_likelihood = best_posterior + math.log(self._change_probability)
            anchor.after_stable = self.confirmed and self.stable
        self.anchors.append(anchor)

    def _path_of(self, segment: DwellSegment) -> list[tuple[float, float, int]]:
        """Return the path of gaze in a segment, by the times at which what it answers was shown."""
        lag_ns = int(self._tuning.lag_ms * NS_PER_MS)
        return gaze_path([(x_px, y_px, at_ns - lag_ns) for x_px, y_px, at_ns in segment.samples])

    @property
    def _change_probability(self) -> float:
        """Probability that a new dwell turns to another object."""
        if not self.confirmed:
            return self._tuning.change_unconfirmed
        return self._tuning.change_stable if self.stable else self._tuning.change_scanning

    def _follow(self, embedding: Embedding) -> None:
        """Find the candidates on a scene, and join those that have become one."""
        self.candidates = [item for item in self.candidates if item.area >= self._tuning.min_area_cells]
        self.pinned = [item for item in self.pinned if item.area >= self._tuning.min_area_cells]
        for item in self.candidates:
            self._reader.drop_pieces(item, self.anchors, embedding.frame_size)
        self._reader.follow(embedding, [*self.candidates, *self.pinned], self.anchors)
        kept: list[ObjectCandidate] = []
        for item in self.candidates:
            if not is_scene(item.mask, self._tuning) and not self._is_known(item, kept):
                kept.append(item)
        self.candidates = kept

    def _interpret(self, scene: EncodedScene, segment: DwellSegment) -> None:
        """Decode a segment, add support to the candidates that it reproduces, and take in new ones."""
        embedding = scene.embedding
        size = embedding.frame_size
        if not (0 <= segment.x_px <= size[1] and 0 <= segment.y_px <= size[0]):
            return
        uncertain = self._reader.is_uncertain(segment)
        number = self.anchors[-1].segments - 1 if self.anchors else 0
        read = self._reader.read_segment(embedding, segment, number, scene.motion)
        hypotheses = [item for _, items in read for item in items]
        anchors = [] if uncertain else self._target_anchors()[-self._tuning.anchors_prompted :]
        if len(anchors) > 1:
            hypotheses += self._reader.read_jointly(
                embedding, [(anchor.x_px, anchor.y_px) for anchor in anchors]
            )
        for hypothesis in hypotheses:
            if hypothesis.probability > self._tuning.min_probability:
                self._take_in(hypothesis.as_candidate())
        behind = self._left_behind(scene)
        for index, candidate in enumerate(self.candidates):
            candidate.leaves_behind = index in behind
            if uncertain:
                on_it = [items for (x, y), items in read if is_on(candidate.grid_logits, x, y, size)]
                add_mean_support(candidate, on_it, self._tuning)
            else:
                weight = self._tuning.compound_odds if candidate.leaves_behind else 1.0
                add_support(candidate, read[0][1], self._tuning, weight=weight)

    def _left_behind(self, scene: EncodedScene) -> set[int]:
        """Return the indices of the candidates that hold another one, and something that it leaves behind."""
        if self._tuning.compound_odds >= 1.0:
            return set()
        return find_left_behind([item.grid_logits for item in self.candidates], scene.motion, self._tuning)

    def _take_in(self, candidate: ObjectCandidate) -> None:
        if candidate.area >= self._tuning.min_area_cells and not self._is_known(candidate, self.candidates):
            self.candidates.append(candidate)

    def _is_known(self, candidate: ObjectCandidate, others: Sequence[ObjectCandidate]) -> bool:
        mask = candidate.mask
        return any(grid_iou(item.mask, mask) > self._tuning.same_candidate_iou for item in others)

    def _target_anchors(self) -> list[Anchor]:
        since_dwell = self.target.since_dwell if self.target is not None else -1
        return [anchor for anchor in self.anchors if anchor.dwell_id >= since_dwell]

    def _weigh(self, scene: EncodedScene, *, on_scene: bool) -> None:
        """Compute how well each candidate explains where the gaze has rested, and how it moved."""
        current = self.anchors[-1] if on_scene and self.anchors else None
        size = scene.embedding.frame_size
        if current is not None and scene.trace_back is not None and self._reader.is_uncertain(current):
            # Where the place says little, motion says more; elsewhere the flow's errors would cost more than it gives.
            weigh_pursuit(self.candidates, current, scene.trace_back, size, self._px_per_deg, self._tuning)
        weigh(
            self.candidates,
            self.anchors,
            current,
            frame_size=size,
            noise_px=self._noise_px,
            tuning=self._tuning,
        )

    def _assign_number(self, chosen: ObjectCandidate, held: ObjectCandidate | None) -> None:
        if chosen.object_id is not None:
            return
        known = [*self.pinned, held] if held is not None and held is not chosen else self.pinned
        same = next(
            (
                item
                for item in known
                if item.object_id is not None and is_same_object(chosen, item, self._tuning)
            ),
            None,
        )
        if same is not None:
            chosen.object_id = same.object_id
        else:
            self._object_count += 1
            chosen.object_id = self._object_count


def is_same_object(first: ObjectCandidate, second: ObjectCandidate, tuning: SelectionTuning) -> bool:
    """Return whether one of two candidates is part of the other, or much the same, and neither is a background."""
    smaller, larger = sorted((max(1, first.area), max(1, second.area)))
    shared = np.count_nonzero(first.mask & second.mask)
    max_area = tuning.max_area_share * first.grid_logits.size
    return bool(shared >= tuning.identity_share * smaller and larger <= max_area)
