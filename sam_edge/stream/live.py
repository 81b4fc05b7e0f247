"""The live schedule: threads encode, and a step waits for motion and for a close-up at most."""

from __future__ import annotations

import threading
import time

from sam_edge.stream.assessment import Assessment
from sam_edge.stream.candidate import density_at, gaze_density
from sam_edge.stream.closeup import Track
from sam_edge.stream.dwell import NS_PER_MS
from sam_edge.stream.dwell_tracker import DwellTracker
from sam_edge.stream.intent_judge import IntentJudge
from sam_edge.stream.latest_only_worker import LatestOnlyWorker
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.object_follower import ObjectFollower
from sam_edge.stream.render import render_selection
from sam_edge.stream.selection import Selection, State
from sam_edge.stream.trace import Tracer, time_stage
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning
from sam_edge.stream.uncertainty import noise_of
from sam_edge.stream.worker_jobs import CloseUpJob, SessionFrame


class LiveSchedule:
    """Assesses the newest frame in one thread, makes close-ups in another, and never lets the camera wait for long."""

    def __init__(
        self,
        judge: IntentJudge,
        follower: ObjectFollower,
        dwells: DwellTracker,
        motion: FrameMotion,
        *,
        px_per_deg: float,
        tracer: Tracer | None = None,
        tuning: SelectionTuning = DEFAULT_TUNING,
    ) -> None:
        """Start the threads.

        Args:
            judge: finds the target; works in the encoder's thread.
            follower: follows the target; its `look_closer` works in the close-ups' thread.
            dwells: where gaze rests; safe for several threads.
            motion: receives every frame; safe for several threads.
            px_per_deg: frame pixels in a degree of visual angle.
            tracer: receives the stages.
            tuning: what runs when.
        """
        self._judge = judge
        self._follower = follower
        self._dwells = dwells
        self._motion = motion
        self._noise_px = tuning.noise_deg * px_per_deg
        self._tracer = tracer or Tracer()
        self._tuning = tuning
        # Of the thread that steps.
        self._assessment: Assessment | None = None
        # Cleared and set by the thread that steps; the encoder's thread waits for it.
        self._between_steps = threading.Event()
        self._between_steps.set()
        # Safe for several threads; last, because they start here.
        self._closeups: LatestOnlyWorker[CloseUpJob, Track] = LatestOnlyWorker(
            follower.look_closer, name="sam-edge-closeup"
        )
        self._whole_frames: LatestOnlyWorker[SessionFrame, Assessment] = LatestOnlyWorker(
            lambda frame: judge.assess(frame, self._wait_for_gap), name="sam-edge-encoder"
        )

    def step(self, frame: SessionFrame, stages_ms: dict[str, float]) -> Selection:
        """See `Schedule.step`."""
        before = self._assessment
        self._between_steps.clear()
        try:
            selection = self._step(frame, stages_ms)
        finally:
            self._between_steps.set()
            if self._is_due(frame):
                self._whole_frames.offer(frame)
        newest = self._assessment
        if newest is not None and newest is not before:
            stages_ms.update(newest.stages_ms)
        return selection

    def forget(self) -> None:
        """See `Schedule.forget`."""
        self._follower.forget()
        self._whole_frames.forget()
        self._closeups.forget()

    def wait_idle(self, timeout_s: float) -> bool:
        """See `Schedule.wait_idle`."""
        end_s = time.monotonic() + timeout_s
        return all(
            worker.wait_idle(max(0.0, end_s - time.monotonic()))
            for worker in (self._whole_frames, self._closeups)
        )

    def close(self) -> None:
        """See `Schedule.close`."""
        try:
            self._closeups.close()
        finally:
            self._whole_frames.close()

    def _step(self, frame: SessionFrame, stages_ms: dict[str, float]) -> Selection:
        begin_s = time.perf_counter()
        before, self._assessment = self._assessment, self._whole_frames.newest()
        self._follower.join(self._assessment, new=self._assessment is not before)
        job = self._begin_closeup(frame)
        try:
            with time_stage(stages_ms, "motion", self._tracer):
                self._motion.advance(frame.image, frame.time_ns)
            with time_stage(stages_ms, "propagate", self._tracer):
                self._follower.carry(frame.time_ns)
        finally:
            if job is not None:
                job.carried.set_result(self._follower.track)
        with time_stage(stages_ms, "closeup", self._tracer):
            fast = self._follower.closeup_ms <= self._tuning.slow_closeup_ms
            waits = job is not None and fast and not self._follower.has_network
            budget_s = self._tuning.step_budget_ms / 1e3 - (time.perf_counter() - begin_s) if waits else 0.0
            self._follower.take(self._closeups.finished(max(0.0, budget_s)), frame.time_ns)
        if self._follower.has_network:
            with time_stage(stages_ms, "follow", self._tracer):
                self._follower.correct(frame)
        with time_stage(stages_ms, "show", self._tracer):
            return render_selection(
                self._assessment,
                self._follower.track,
                self._motion,
                frame.time_ns,
                unpinned=self._judge.pending_unpins(self._assessment),
                tuning=self._tuning,
            )

    def _begin_closeup(self, frame: SessionFrame) -> CloseUpJob | None:
        """Begin a close-up of the target; None when the CPU has more urgent work."""
        assessment, track = self._assessment, self._follower.track
        # While an object is only hovered over, finding the target comes first.
        likely = assessment is not None and (assessment.stable or assessment.state is State.FOCUSED)
        # A network follows meanwhile, so that encodings can go one after the other, and a core is left to the steps.
        urgent = likely and not self._follower.has_network
        if track is None or self._closeups.busy or (self._whole_frames.busy and not urgent):
            return None
        if self._follower.is_sure(frame.time_ns):
            return None
        job = CloseUpJob(frame, track)
        self._closeups.offer(job)
        return job

    def _is_due(self, frame: SessionFrame) -> bool:
        """Return whether the whole frame is to be encoded: close-ups do not tell what else may be the target."""
        assessment, track = self._assessment, self._follower.track
        if assessment is None or track is None:
            return True
        if frame.time_ns - assessment.time_ns >= self._tuning.refresh_ms * NS_PER_MS:
            return True
        place = self._dwells.place
        if place is None:
            return False
        if place.dwell_id != self._judge.judged_dwell and not assessment.stable:
            return True
        seen = self._follower.nearest_track(place.time_ns - self._tuning.lag_ms * NS_PER_MS) or track
        cells_per_px = track.grid_logits.shape[1] / frame.size[1]
        across, down = noise_of(place.covariance_px2, self._noise_px)
        density = gaze_density(seen.grid_logits, (across * cells_per_px, down * cells_per_px))
        return density_at(density, place.x_px, place.y_px, frame.size) < 1.0

    def _wait_for_gap(self) -> None:
        """Wait until neither a step nor a close-up needs the CPU, but not for long."""
        self._between_steps.wait(self._tuning.gap_s)
        self._closeups.wait_idle(self._tuning.gap_s)
