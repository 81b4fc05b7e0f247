"""The sequential schedule: a step waits for its own encoding, so that results depend on frames and gaze alone."""

from __future__ import annotations

from sam_edge.stream.assessment import Assessment
from sam_edge.stream.intent_judge import IntentJudge
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.render import render_selection
from sam_edge.stream.selection import Selection
from sam_edge.stream.trace import Tracer, time_stage
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning
from sam_edge.stream.worker_jobs import SessionFrame


class SequentialSchedule:
    """Assesses every n-th frame within its step; motion carries the masks to the frames in between."""

    def __init__(
        self,
        judge: IntentJudge,
        motion: FrameMotion,
        *,
        encode_every: int = 1,
        tracer: Tracer | None = None,
        tuning: SelectionTuning = DEFAULT_TUNING,
    ) -> None:
        """Begin without an assessment.

        Args:
            judge: finds the target.
            motion: receives every frame.
            encode_every: frames from one assessment to the next.
            tracer: receives the stages.
            tuning: how long the last dwell is shown.
        """
        self._judge = judge
        self._motion = motion
        self._encode_every = encode_every
        self._tracer = tracer or Tracer()
        self._tuning = tuning
        # Of the thread that steps. `forget`, which any thread may call between two steps, sets it to None.
        self._assessment: Assessment | None = None
        # Of the thread that steps.
        self._frames_since = 0

    def step(self, frame: SessionFrame, stages_ms: dict[str, float]) -> Selection:
        """See `Schedule.step`."""
        with time_stage(stages_ms, "motion", self._tracer):
            self._motion.advance(frame.image, frame.time_ns)
        self._frames_since += 1
        new: Assessment | None = None
        if self._assessment is None or self._frames_since >= self._encode_every:
            self._assessment = new = self._judge.assess(frame)
            self._frames_since = 0
        with time_stage(stages_ms, "propagate", self._tracer):
            selection = render_selection(
                self._assessment,
                None,
                self._motion,
                frame.time_ns,
                unpinned=self._judge.pending_unpins(self._assessment),
                tuning=self._tuning,
            )
        if new is not None:
            stages_ms.update(new.stages_ms)
        return selection

    def wait_idle(self, timeout_s: float) -> bool:
        """See `Schedule.wait_idle`. There are no threads."""
        return True

    def forget(self) -> None:
        """See `Schedule.forget`."""
        self._assessment = None

    def close(self) -> None:
        """See `Schedule.close`. There are no threads."""
