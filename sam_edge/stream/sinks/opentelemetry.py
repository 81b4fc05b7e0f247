"""A session's stages as OpenTelemetry spans, for whatever collects those already."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from typing import Any

from sam_edge.errors import MissingExtraError
from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.trace_types import Span, TracedFrame


class OpenTelemetrySink:
    """Gives every stage and every frame to OpenTelemetry. Gaze is left out: it would be 200 spans a second.

    Example:
        >>> with session.trace(OpenTelemetrySink()):
        ...     session.step(frame, time_ns)
    """

    def __init__(self, tracer: Any = None) -> None:
        """Give spans to a tracer of OpenTelemetry's; None takes the program's own, named `sam_edge`.

        Raises:
            MissingExtraError: OpenTelemetry is not installed.
        """
        try:
            self._api = importlib.import_module("opentelemetry.trace")
        except ImportError as error:
            raise MissingExtraError(
                "opentelemetry-sdk", extra="opentelemetry", purpose="tracing to OpenTelemetry"
            ) from error
        self._tracer = tracer if tracer is not None else self._api.get_tracer("sam_edge")
        # OpenTelemetry counts nanoseconds since 1970, spans count on a clock that no one can set.
        self._since_1970_ns = time.time_ns() - time.perf_counter_ns()

    def span(self, span: Span) -> None:
        """See `Sink.span`."""
        self._give(f"sam_edge.{span.name}", span.begin_ns, span.end_ns, {"thread.name": span.thread})

    def frame(self, frame: TracedFrame) -> None:
        """See `Sink.frame`."""
        selection = frame.selection
        facts = {
            "sam_edge.frame_time_ns": frame.time_ns,
            "sam_edge.state": selection.state.value,
            "sam_edge.origin": selection.origin,
            "sam_edge.age_ms": selection.age_ms,
        }
        if selection.object_id is not None:
            facts["sam_edge.object_id"] = selection.object_id
        self._give("sam_edge.step", frame.begin_ns, frame.end_ns, facts)

    def gaze(self, samples: Sequence[GazeSample]) -> None:
        """See `Sink.gaze`. Left out."""

    def _give(self, name: str, begin_ns: int, end_ns: int, facts: dict[str, Any]) -> None:
        span = self._tracer.start_span(name, start_time=begin_ns + self._since_1970_ns, attributes=facts)
        span.end(end_time=end_ns + self._since_1970_ns)
