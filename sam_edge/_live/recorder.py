"""What a live run leaves behind: the three tables, and figures of how it went."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, replace

from sam_edge._live.run import LiveRun
from sam_edge._live.step import LiveStep
from sam_edge.gaze.samples import GazeSample
from sam_edge.timeline.live_builder import LiveTimelineBuilder
from sam_edge.timeline.tables import TimelineTables

LATENCIES_KEPT = 10_000
LAST_FRAME_NS = 40_000_000


@dataclass(frozen=True, slots=True)
class LiveSummary:
    """How a live run went."""

    frames: int
    """Frames that were stepped."""
    selected: int
    """Frames with a selection."""
    duration_s: float
    """From the first frame to the last."""
    latency_ms: float | None
    """Median from the moment at which a frame was taken to its selection; None without a frame."""
    is_delay_known: bool
    """Whether `latency_ms` includes the camera's own delay."""
    objects: int
    """Objects that were looked at."""

    def lines(self, run: LiveRun) -> list[str]:
        """Return it as lines of text, with what was lost on the way."""
        camera, gaze = run.camera_stats, run.gaze_stats
        rate = self.frames / self.duration_s if self.duration_s else 0.0
        made = [
            f"{self.frames} frames in {self.duration_s:.1f} s ({rate:.1f} a second), {self.selected} with a selection, "
            f"{self.objects} objects"
        ]
        if self.latency_ms is not None:
            delay = "" if self.is_delay_known else " (the camera's own delay is not known)"
            made.append(f"from a frame to its selection {self.latency_ms:.0f} ms, median{delay}")
        made.append(
            f"camera: {camera.received} frames, {camera.skipped} skipped, {camera.damaged} damaged, "
            f"{camera.lost} packets lost, {camera.reconnects} reconnects"
        )
        made.append(
            f"gaze: {gaze.received} samples, {gaze.invalid} invalid, {gaze.lost} packets lost, {gaze.gaps} gaps, "
            f"{gaze.reconnects} reconnects"
        )
        return made


class LiveRecorder:
    """Takes every step of a run. The tables' times count from the first frame."""

    def __init__(self, *, px_per_deg: float, margin_deg: float = 0.0) -> None:
        """Begin without a step."""
        self._builder = LiveTimelineBuilder(px_per_deg=px_per_deg, margin_deg=margin_deg)
        self._begin_ns: int | None = None
        self._last: LiveStep | None = None
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._frames = self._selected = 0
        self._objects: set[int] = set()
        self._is_delay_known = True

    def add(self, step: LiveStep) -> None:
        """Take a step. A frame is complete when the next one is there: gaze between the two is its own."""
        self._frames += 1
        self._selected += step.selection.mask is not None
        if step.selection.object_id is not None:
            self._objects.add(step.selection.object_id)
        self._latencies.append(step.latency_ms)
        self._is_delay_known &= step.frame.uncertainty_ns is not None
        if self._begin_ns is None:
            self._begin_ns = step.frame.time_ns
        self._close(step.frame.time_ns, step.samples)
        self._last = step

    def tables(self) -> TimelineTables:
        """Return the tables; the last frame counts as `LAST_FRAME_NS` long."""
        if self._last is not None:
            self._close(self._last.frame.time_ns + LAST_FRAME_NS, ())
            self._last = None
        return self._builder.finish()

    def summary(self) -> LiveSummary:
        """Return how the run went so far."""
        last_ns = self._begin_ns if self._last is None else self._last.frame.time_ns
        return LiveSummary(
            frames=self._frames,
            selected=self._selected,
            duration_s=((last_ns or 0) - (self._begin_ns or 0)) / 1e9,
            latency_ms=statistics.median(self._latencies) if self._latencies else None,
            is_delay_known=self._is_delay_known,
            objects=len(self._objects),
        )

    def _close(self, end_ns: int, samples: tuple[GazeSample, ...]) -> None:
        """Add the frame before, with the gaze that came until `end_ns`."""
        step = self._last
        if step is None or self._begin_ns is None:
            return
        begin_ns = self._begin_ns
        own = [
            replace(sample, time_ns=sample.time_ns - begin_ns)
            for sample in samples
            if step.frame.time_ns <= sample.time_ns < end_ns
        ]
        self._builder.add_with_gaze(
            step.frame.time_ns - begin_ns,
            end_ns - begin_ns,
            step.selection,
            own,
            events=step.selection.events,
        )
