"""A session in Rerun's viewer: the mask, the gaze, and how long each stage took, on the frames' own time."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sam_edge.errors import MissingExtraError
from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.trace_types import Span, TracedFrame

TIMELINE = "frame_time"


class RerunSink:
    """Logs to the program's Rerun recording; call `rerun.init` first, and log images to `camera` yourself.

    Example:
        >>> rerun.init("my_app", spawn=True)
        >>> with session.trace(RerunSink()):
        ...     session.step(frame, time_ns)
    """

    def __init__(self, recording: Any = None) -> None:
        """Log to a recording of Rerun's; None is the program's own.

        Raises:
            MissingExtraError: Rerun is not installed.
        """
        try:
            self._rerun = importlib.import_module("rerun")
        except ImportError as error:
            raise MissingExtraError("rerun-sdk", extra="rerun", purpose="tracing to Rerun") from error
        self._recording = recording
        self._offset_ns: int | None = None

    def span(self, span: Span) -> None:
        """See `Sink.span`. Stages before the first frame are left out: their place in its time is not known."""
        if self._offset_ns is None:
            return
        took_ms = (span.end_ns - span.begin_ns) / 1e6
        self._log(
            f"stages/{span.name.replace(' ', '_')}", span.end_ns - self._offset_ns, self._scalar(took_ms)
        )

    def frame(self, frame: TracedFrame) -> None:
        """See `Sink.frame`."""
        if self._offset_ns is None:
            self._offset_ns = frame.offset_ns
        rerun, selection = self._rerun, frame.selection
        self._log("stages/step", frame.time_ns, self._scalar((frame.end_ns - frame.begin_ns) / 1e6))
        self._log("selection/state", frame.time_ns, rerun.TextLog(selection.state.value))
        if selection.mask is None:
            self._log("camera/selection", frame.time_ns, rerun.Clear(recursive=False))
        else:
            mask = rerun.SegmentationImage(selection.mask.astype(np.uint8))
            self._log("camera/selection", frame.time_ns, mask)

    def gaze(self, samples: Sequence[GazeSample]) -> None:
        """See `Sink.gaze`."""
        for sample in samples:
            if sample.valid:
                place = self._rerun.Points2D([[sample.x_px, sample.y_px]], radii=[6.0])
                self._log("camera/gaze", sample.time_ns, place)

    def _scalar(self, value: float) -> Any:
        return self._rerun.Scalars(value)

    def _log(self, path: str, time_ns: int, what: Any) -> None:
        duration = np.timedelta64(time_ns, "ns")
        self._rerun.set_time(TIMELINE, duration=duration, recording=self._recording)
        self._rerun.log(path, what, recording=self._recording)
