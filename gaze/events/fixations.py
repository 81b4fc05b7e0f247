"""Builds fixation reports (onset, update, end) from labelled samples."""

from __future__ import annotations

import math

from sam_edge.gaze.events.types import EventKind, Fixation, Phase

PURSUIT_MEMORY_S = 0.05
"""Time constant of a pursuit's position: long enough to average noise, short enough to trail by under a degree."""


class FixationTracker:
    """Running centroid and scatter of the stable stretch that goes on now. Constant memory."""

    def __init__(self) -> None:
        self._event_id = -1
        self._onset_ns = 0
        self._time_ns = 0
        self._kind = EventKind.FIXATION
        self._count = 0
        self._mean = [0.0, 0.0]
        self._scatter = [0.0, 0.0, 0.0]
        self._recent = [0.0, 0.0]

    @property
    def event_id(self) -> int:
        """Number of the stable stretch that goes on; -1 when none does."""
        return self._event_id

    def move(self, dx_px: float, dy_px: float) -> None:
        """Move the fixation with the scene, which moved by this step under the gaze."""
        self._mean[0] += dx_px
        self._mean[1] += dy_px
        self._recent[0] += dx_px
        self._recent[1] += dy_px

    def stable(self, *, time_ns: int, x_px: float, y_px: float, kind: EventKind, event_id: int) -> Fixation:
        """Take one valid sample of a stable stretch; a new `event_id` begins a new one."""
        if event_id != self._event_id:
            self._event_id, self._onset_ns, self._count = event_id, time_ns, 0
            self._mean, self._recent = [x_px, y_px], [x_px, y_px]
            self._scatter = [0.0, 0.0, 0.0]
            self._time_ns = time_ns
            phase = Phase.ONSET
        else:
            phase = Phase.UPDATE
        self._kind = kind
        self._add(time_ns, x_px, y_px)
        return self._report(phase)

    def end(self) -> Fixation | None:
        """Something ended the stretch. Returns the end report, or None when there was no stretch."""
        if self._event_id < 0:
            return None
        report = self._report(Phase.END)
        self._event_id = -1
        return report

    def _add(self, time_ns: int, x_px: float, y_px: float) -> None:
        self._count += 1
        share = 1.0 / self._count
        dx, dy = x_px - self._mean[0], y_px - self._mean[1]
        self._mean[0] += dx * share
        self._mean[1] += dy * share
        rest = 1.0 - share
        self._scatter[0] += (dx * dx * rest - self._scatter[0]) * share
        self._scatter[1] += (dx * dy * rest - self._scatter[1]) * share
        self._scatter[2] += (dy * dy * rest - self._scatter[2]) * share
        passed_s = (time_ns - self._time_ns) * 1e-9
        gain = max(share, 1.0 - math.exp(-passed_s / PURSUIT_MEMORY_S)) if passed_s > 0 else share
        self._recent[0] += (x_px - self._recent[0]) * gain
        self._recent[1] += (y_px - self._recent[1]) * gain
        self._time_ns = time_ns

    def _report(self, phase: Phase) -> Fixation:
        x_px, y_px = self._recent if self._kind is EventKind.PURSUIT else self._mean
        xx, xy, yy = self._scatter
        return Fixation(
            event_id=self._event_id,
            kind=self._kind,
            phase=phase,
            onset_ns=self._onset_ns,
            time_ns=self._time_ns,
            x_px=x_px,
            y_px=y_px,
            covariance_px2=(xx, xy, yy),
            sample_count=self._count,
        )
