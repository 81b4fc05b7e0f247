"""OpenTelemetry and Rerun as takers of a session's trace."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import numpy as np
import pytest

from sam_edge.errors import MissingExtraError
from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.selection import Selection, State
from sam_edge.stream.sinks.opentelemetry import OpenTelemetrySink
from sam_edge.stream.sinks.rerun import RerunSink
from sam_edge.stream.trace_types import Span, TracedFrame


def frame(time_ns: int, mask: bool = True) -> TracedFrame:
    shown = np.ones((4, 6), bool) if mask else None
    selection = Selection(time_ns, State.FOCUSED, shown, None, 0.9, 3, "encoded", age_ms=12.0)
    return TracedFrame(time_ns, time_ns + 1_000_000, time_ns + 9_000_000, selection)


def test_opentelemetry_gets_spans_with_their_times() -> None:
    pytest.importorskip("opentelemetry.sdk")
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    sink = OpenTelemetrySink(provider.get_tracer("test"))
    sink.span(Span("encode", "sam-edge-encoder", 5_000, 45_000))
    sink.frame(frame(7))
    sink.gaze([GazeSample(0, 1.0, 2.0, 1.0)])
    encode, step = exporter.get_finished_spans()
    assert (encode.name, encode.end_time - encode.start_time) == ("sam_edge.encode", 40_000)
    assert encode.attributes["thread.name"] == "sam-edge-encoder"
    assert step.end_time - step.start_time == 8_000_000
    assert step.attributes["sam_edge.state"] == "focused"
    assert step.attributes["sam_edge.object_id"] == 3
    # 2020 to 2100: the clock is that of the calendar.
    assert 1.57e18 < encode.start_time < 4.1e18
    provider.shutdown()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, Any]]:
    """What Rerun was told: path, nanoseconds, and what; by a stand-in for its module."""
    calls: list[tuple[str, int, Any]] = []
    clock = {"ns": 0}
    module: Any = types.ModuleType("rerun")

    def set_time(timeline: str, *, duration: np.timedelta64, recording: object) -> None:
        assert timeline == "frame_time"
        clock["ns"] = int(duration / np.timedelta64(1, "ns"))

    module.set_time = set_time
    module.log = lambda path, what, recording: calls.append((path, clock["ns"], what))
    for name in ("Scalars", "TextLog", "SegmentationImage"):
        setattr(module, name, lambda value, name=name: (name, value))
    module.Points2D = lambda places, radii: ("Points2D", places)
    module.Clear = lambda recursive: ("Clear", recursive)
    monkeypatch.setitem(sys.modules, "rerun", module)
    return calls


def test_rerun_gets_everything_on_the_time_of_frames(logged: list[tuple[str, int, Any]]) -> None:
    sink = RerunSink()
    sink.span(Span("motion", "MainThread", 0, 5))
    assert logged == []
    sink.frame(frame(40_000_000))
    # The frame's step began 1 ms after it was shown: spans are 1 ms ahead of frames.
    sink.span(Span("look closer", "MainThread", 50_000_000, 53_000_000))
    sink.gaze([GazeSample(41_000_000, 1.0, 2.0, 1.0), GazeSample(42_000_000, np.nan, np.nan, 0.0)])
    sink.frame(frame(80_000_000, mask=False))
    found = {path: (time_ns, what) for path, time_ns, what in logged[:3]}
    assert found["stages/step"] == (40_000_000, ("Scalars", 8.0))
    assert found["camera/selection"][1][0] == "SegmentationImage"
    assert found["camera/selection"][1][1].dtype == np.uint8
    assert logged[3] == ("stages/look_closer", 52_000_000, ("Scalars", 3.0))
    assert logged[4] == ("camera/gaze", 41_000_000, ("Points2D", [[1.0, 2.0]]))
    assert logged[-1] == ("camera/selection", 80_000_000, ("Clear", False))
    assert len(logged) == 8


@pytest.mark.parametrize(
    ("module", "sink", "command"),
    [
        ("opentelemetry.trace", OpenTelemetrySink, r"sam-edge\[opentelemetry\]"),
        ("rerun", RerunSink, r"sam-edge\[rerun\]"),
    ],
)
def test_a_missing_library_is_named(
    module: str, sink: type, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=command):
        sink()
