"""The judge of intent: encodes scenes, and decides on each of them which object the person means."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import replace

from sam_edge.segmenter import Embedding
from sam_edge.stream.anchor import EncodedScene, TraceBack
from sam_edge.stream.assessment import Assessment, describe_candidate
from sam_edge.stream.attention import GazeAttention
from sam_edge.stream.candidate import Grid, ObjectCandidate, grid_iou
from sam_edge.stream.closeup import Track
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.dwell_tracker import DwellSegment, DwellTracker
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.object_identity import ObjectIdentity
from sam_edge.stream.pinned_presence import PinnedPresence
from sam_edge.stream.selection import State
from sam_edge.stream.trace import Tracer, time_stage
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning
from sam_edge.stream.worker_jobs import SessionFrame

Encode = Callable[[SessionFrame], Embedding]
"""Encodes a whole frame."""
TrackAt = Callable[[int], Track | None]
"""Returns the track on the frame of a time; None where there was none."""


def never_wait() -> None:
    """Return at once."""


def no_track(time_ns: int) -> Track | None:
    """Return None: nothing is followed by close-ups."""


class IntentJudge:
    """Decides which object is the target. It knows no threads: its callers bring them.

    `assess` is for one thread at a time, which may be another one than calls `pin`, `unpin` and `pending_unpins`.
    """

    def __init__(
        self,
        attention: GazeAttention,
        dwells: DwellTracker,
        motion: FrameMotion,
        *,
        encode: Encode,
        track_at: TrackAt = no_track,
        identity: ObjectIdentity | None = None,
        presence: PinnedPresence | None = None,
        tracer: Tracer | None = None,
        tuning: SelectionTuning = DEFAULT_TUNING,
    ) -> None:
        """Begin without a scene.

        Args:
            attention: weighs the candidates; from now on it belongs to the judge.
            dwells: where gaze rests; safe for several threads.
            motion: motion between the frames; safe for several threads.
            encode: encodes a whole frame.
            track_at: where close-ups follow the target.
            identity: told every assessment; None is for nobody.
            presence: watches the pinned objects; None leaves them to motion and their boxes.
            tracer: receives the stages.
            tuning: lag, hover and identity of tracks.
        """
        self._dwells = dwells
        self._motion = motion
        self._encode = encode
        self._track_at = track_at
        self._identity = identity
        # Used under the lock.
        self._presence = presence
        self._tracer = tracer or Tracer()
        self._tuning = tuning
        # Read and written under the lock, by any thread.
        self._lock = threading.Lock()
        self._attention = attention
        self._ignored_dwell: int | None = None
        self._last_state = State.NONE
        self._count = 0
        # Written under the lock; single items are read and removed without it: a step never waits for an assessment.
        self._unpinned: dict[int, int] = {}
        # Written by the thread that assesses, and read by it; an int that any thread may read.
        self._scene: EncodedScene | None = None
        self._last_segment: DwellSegment | None = None
        self._judged_dwell: int | None = None

    @property
    def judged_dwell(self) -> int | None:
        """Number of the newest dwell that was assessed. Any thread may ask."""
        return self._judged_dwell

    def assess(self, frame: SessionFrame, yield_to: Callable[[], None] = never_wait) -> Assessment | None:
        """Encode a frame, take the gaze since the last one, and find the target.

        Args:
            frame: the frame; its motion must be known.
            yield_to: waits until more urgent work is done. It is called before each of the two long stages, unless a
                new dwell needs a decision.

        Returns:
            The assessment; None, without encoding, as long as gaze has never rested.
        """
        if self._dwells.dwell_id is None:
            return None
        stages: dict[str, float] = {}
        self._yield(yield_to)
        with time_stage(stages, "encode", self._tracer):
            embedding = self._embedding_of(frame)
        self._yield(yield_to)
        with time_stage(stages, "attend", self._tracer), self._lock:
            assessment = self._decide(frame, embedding, stages)
            scene = self._scene
        if self._identity is not None and scene is not None:
            with time_stage(stages, "identify", self._tracer):
                self._identity.see(frame.image, scene, assessment)
        return assessment

    def pin(self, at_ns: int | None = None) -> int | None:
        """Pin the target, or the object that gaze rested on closest to a time; return its lineage, None for none."""
        with self._lock:
            lineage = self._attention.pin(at_ns)
            if lineage is not None:
                self._unpinned.pop(lineage, None)
            return lineage

    def unpin(self, *lineages: int) -> bool:
        """Let go of lineages, or of everything when none is given; return whether there is no target any more."""
        with self._lock:
            for lineage in lineages or (None,):
                self._attention.forget(lineage)
                if self._presence is not None:
                    self._presence.forget(lineage)
            self._unpinned.update(dict.fromkeys(lineages, self._count))
            if self._attention.target is not None:
                return False
            self._ignored_dwell = self._dwells.dwell_id
            self._last_state = State.NONE
            return True

    def pending_unpins(self, assessment: Assessment | None) -> Collection[int]:
        """Return the lineages that were unpinned after an assessment. Does not wait for the lock."""
        number = 0 if assessment is None else assessment.number
        for lineage, count in list(self._unpinned.items()):
            # An assessment that was made after the unpinning knows of it.
            if count < number:
                self._unpinned.pop(lineage, None)
        return self._unpinned.keys()

    def _yield(self, yield_to: Callable[[], None]) -> None:
        if self._dwells.dwell_id == self._judged_dwell:
            yield_to()

    def _embedding_of(self, frame: SessionFrame) -> Embedding:
        scene = self._scene
        if scene is not None and self._motion.is_still(scene.embedding.time_ns, frame.time_ns):
            return scene.embedding
        return self._encode(frame)

    def _decide(self, frame: SessionFrame, embedding: Embedding, stages: dict[str, float]) -> Assessment:
        time_ns = frame.time_ns
        segment = self._take_segment(time_ns)
        scene, had_target = self._next_scene(time_ns, embedding)
        target = self._attention.see(scene, segment, self._followed(time_ns))
        if segment is not None:
            self._judged_dwell = segment.dwell_id
        self._scene = scene
        self._last_state = self._state_of(target, segment, had_target=had_target)
        self._count += 1
        lost = self._watch_pinned(frame, scene, target)
        described = (
            describe_candidate(candidate)
            for candidate in self._attention.pinned
            if candidate.object_id not in lost
        )
        return Assessment(
            number=self._count,
            time_ns=time_ns,
            embedding=embedding,
            state=self._last_state,
            target=describe_candidate(target),
            pinned=tuple(item for item in described if item is not None),
            lost=lost,
            stable=self._attention.stable,
            confirmed=self._attention.confirmed,
            may_fill=self._attention.may_fill,
            segment=self._last_segment,
            stages_ms=stages,
        )

    def _watch_pinned(
        self, frame: SessionFrame, scene: EncodedScene, target: ObjectCandidate | None
    ) -> tuple[int, ...]:
        """Keep those pinned objects that are on the scene, and return the numbers of those that are not to be shown."""
        if self._presence is None:
            return ()
        self._attention.pinned = self._presence.review(frame.image, scene, self._attention.pinned, target)
        return self._presence.hidden

    def _take_segment(self, time_ns: int) -> DwellSegment | None:
        """Take the newest segment, brought to a frame; None where there is none, or its dwell was let go."""
        segment = self._dwells.take()
        if segment is None or segment.dwell_id == self._ignored_dwell:
            return None
        # Each sample answers what the screen showed `lag_ms` before, and moves on with that.
        lag_ns = int(self._tuning.lag_ms * NS_PER_MS)
        samples = [(x_px, y_px, at_ns - lag_ns) for x_px, y_px, at_ns in segment.samples]
        cut_ns = self._motion.cut_ns
        if cut_ns is not None and segment.onset_ns - lag_ns < cut_ns:
            # What the eye did before it saw the cut is no answer to the new scene.
            samples = [sample for sample in samples if sample[2] >= cut_ns]
            if not samples:
                return None
            segment = replace(segment, onset_ns=cut_ns + lag_ns)
        place = self._motion.carry_samples(samples, time_ns)
        if place is not None:
            segment = replace(segment, x_px=place[0], y_px=place[1])
        self._last_segment = segment
        return segment

    def _next_scene(self, time_ns: int, embedding: Embedding) -> tuple[EncodedScene, bool]:
        """Return the scene of a frame, and whether there was a target on the one before."""
        before = self._scene
        motion = self._motion.between(before.time_ns, time_ns) if before is not None else None
        had_target = self._attention.target is not None
        if before is not None and motion is None:
            # The motion since the last scene is not known: nothing can be carried over it.
            self._attention.forget()
        return EncodedScene(embedding, time_ns, motion, self._trace_back_from(time_ns)), had_target

    def _trace_back_from(self, time_ns: int) -> TraceBack:
        """Return what finds where points of the frame of a time were on the frames before."""
        motion = self._motion
        return lambda points, since_ns: motion.trace_back(points, time_ns, since_ns)

    def _followed(self, time_ns: int) -> Grid | None:
        """Return the track on a frame, when it follows the target and did so on the scene before."""
        track, target, before = self._track_at(time_ns), self._attention.target, self._scene
        if track is None or target is None or before is None or track.object_id != target.object_id:
            return None
        then = self._track_at(before.time_ns)
        if then is None or grid_iou(then.grid_logits > 0, target.mask) < self._tuning.same_track_iou:
            return None
        return track.grid_logits

    def _state_of(
        self, target: ObjectCandidate | None, segment: DwellSegment | None, *, had_target: bool
    ) -> State:
        if target is None:
            return State.LOST if had_target or self._last_state is State.LOST else State.NONE
        if not self._attention.confirmed:
            return State.HOVER
        if segment is None or not self._attention.is_on_target(segment.dwell_id):
            return State.HELD
        dwell_ms = (segment.time_ns - segment.onset_ns) / NS_PER_MS
        focused = (
            self._attention.dwells_on_target >= self._tuning.stable_dwells
            or dwell_ms >= self._tuning.hover_ms
        )
        return State.FOCUSED if focused else State.HOVER
