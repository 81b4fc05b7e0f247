"""The follower: where the target is on every frame, by motion and close-ups."""

from __future__ import annotations

from dataclasses import replace

from sam_edge.follow.network import FollowerNetwork
from sam_edge.segmenter import Segmenter
from sam_edge.stream.assessment import Assessment, SceneObject
from sam_edge.stream.candidate import grid_iou
from sam_edge.stream.closeup import Track, look_closer
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.network_follower import NetworkFollower
from sam_edge.stream.trace import Tracer, time_stage
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning
from sam_edge.stream.worker_jobs import CloseUpJob, SessionFrame


class ObjectFollower:
    """Follows the target from frame to frame. It finds where the object is, and does not choose it.

    All methods are for the thread that steps, but for `look_closer`, which one other thread may run at a time, and
    `track_at`, which any thread may call.
    """

    def __init__(
        self,
        model: Segmenter,
        motion: FrameMotion,
        *,
        network: FollowerNetwork | None = None,
        tracer: Tracer | None = None,
        tuning: SelectionTuning = DEFAULT_TUNING,
    ) -> None:
        """Begin without a track.

        Args:
            model: encodes and decodes close-ups; a server gives one whose calls go first.
            motion: motion between the frames; safe for several threads.
            network: corrects the track on every frame; None leaves that to close-ups.
            tracer: receives the stages.
            tuning: how close-ups are made and believed, and how long a track lasts.
        """
        self._model = model
        self._motion = motion
        self._tracer = tracer or Tracer()
        self._tuning = tuning
        # Of the thread that steps.
        self._network = None if network is None else NetworkFollower(network, motion, tuning)
        # Of the thread that steps. `forget`, which any thread may call, sets it to None.
        self._track: Track | None = None
        # By frame time. The thread that steps replaces the whole dict, so that any thread may read it.
        self._history: dict[int, Track] = {}
        # Written by the thread that looks closer; a float that any thread may read.
        self._closeup_ms = tuning.step_budget_ms

    @property
    def track(self) -> Track | None:
        """The target on the newest frame; None when nothing is followed."""
        return self._track

    @property
    def closeup_ms(self) -> float:
        """How long close-ups take on average, milliseconds; the newest ones count most."""
        return self._closeup_ms

    def track_at(self, time_ns: int) -> Track | None:
        """Return the track on the frame of a time; None where there was none."""
        return self._history.get(time_ns)

    def nearest_track(self, time_ns: float) -> Track | None:
        """Return the track on the frame closest to a time; the newest one where none is remembered."""
        return min(
            self._history.values(), key=lambda track: abs(track.time_ns - time_ns), default=self._track
        )

    def join(self, assessment: Assessment | None, *, new: bool) -> None:
        """Go on with an assessment: begin a new track where it has another target, or another mask of it.

        Args:
            assessment: the newest one.
            new: whether it was not there at the step before.
        """
        if assessment is None or assessment.target is None:
            self._track = None
        elif new and not self._agrees(assessment, assessment.target):
            target, time_ns = assessment.target, assessment.time_ns
            track = Track(target.object_id, time_ns, target.grid_logits, target.score, time_ns)
            if self._network is not None:
                self._network.trust(track)
            self._track = self._carried(track, self._motion.newest_ns)

    def carry(self, time_ns: int) -> None:
        """Carry the track to a frame whose motion is known; it may get lost."""
        self._track = self._carried(self._track, time_ns)

    def take(self, found: Track | None, time_ns: int) -> None:
        """Take the newest close-up's result, if it is fresher than the track, and remember the track on a frame."""
        track = self._track
        if track is None:
            return
        if found is not None and found.object_id == track.object_id and found.decoded_ns > track.decoded_ns:
            if self._network is not None:
                self._network.trust(found)
            self._track = self._carried(found, time_ns) or track
        older = list(self._history.items())[-self._tuning.track_frames :]
        self._history = {**dict(older), time_ns: self._track or track}

    def use_network(self, network: FollowerNetwork) -> None:
        """Let a network correct the track from now on; before the first step."""
        self._network = NetworkFollower(network, self._motion, self._tuning)

    @property
    def has_network(self) -> bool:
        """Whether a network corrects the track, so that no step has to wait for a close-up."""
        return self._network is not None

    def is_sure(self, time_ns: int) -> bool:
        """Whether the network is sure of the track, and a close-up is not due by `time_ns`."""
        track = self._track
        if track is None or track.followed is None or track.score < self._tuning.sure_confidence:
            return False
        return time_ns - track.decoded_ns < self._tuning.sure_closeup_ms * NS_PER_MS

    def correct(self, frame: SessionFrame) -> None:
        """Let the network correct the track that was carried to a frame, and remember the result."""
        if self._network is None:
            return
        self._track = self._network.correct(self._track, frame)
        if self._track is not None:
            self._history = {**self._history, frame.time_ns: self._track}

    def forget(self) -> None:
        """Let go of the track."""
        self._track = None

    def look_closer(self, job: CloseUpJob) -> Track | None:
        """Make a close-up; for a thread of its own. Returns what `closeup.look_closer` does."""
        stages: dict[str, float] = {}
        with time_stage(stages, "look closer", self._tracer):
            found = look_closer(
                self._model,
                job.frame.image,
                job.before,
                lambda: job.carried.result(self._tuning.carry_timeout_s),
                self._tuning,
            )
        self._closeup_ms += self._tuning.closeup_gain * (stages["look closer"] - self._closeup_ms)
        return found

    def _carried(self, track: Track | None, time_ns: int | None) -> Track | None:
        """Return a track carried to a frame by motion; None when the motion is not known, or the mask is too old."""
        if track is None or time_ns is None or track.time_ns == time_ns:
            return track
        motion = self._motion.between(track.time_ns, time_ns)
        if motion is None or time_ns - track.decoded_ns > self._tuning.stale_ms * NS_PER_MS:
            return None
        grid_logits = motion.carry(track.grid_logits)
        return replace(
            track, time_ns=time_ns, grid_logits=grid_logits, lowres_logits=None, embedding=None, followed=None
        )

    def _agrees(self, assessment: Assessment, target: SceneObject) -> bool:
        then, track = self._history.get(assessment.time_ns), self._track
        return (
            track is not None
            and then is not None
            and then.object_id == target.object_id == track.object_id
            and grid_iou(then.grid_logits > 0, target.grid_logits > 0) >= self._tuning.same_track_iou
        )
