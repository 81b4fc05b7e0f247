"""Traces of sessions: spans of all threads, frames and gaze; sinks; the file."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.config import Mode
from sam_edge.errors import SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.segmenter import Segmenter
from sam_edge.stream.selection import Selection, State
from sam_edge.stream.session import GazeSession
from sam_edge.stream.trace import Tracer
from sam_edge.stream.trace_file import trace_events
from sam_edge.stream.trace_types import Span, TracedFrame

STEP_NS = 40_000_000


def frame(index: int) -> NDArray[np.uint8]:
    image = np.full((96, 128, 3), 40, np.uint8)
    cv2.circle(image, (40 + index, 48), 20, (60, 200, 220), -1)
    return image


def gaze(index: int) -> list[GazeSample]:
    begin = index * STEP_NS
    return [GazeSample(begin + part * 5_000_000, 40.0 + index, 48.0, 1.0) for part in range(8)]


class Collector:
    """A sink that keeps everything, and the thread that brought it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.frames: list[TracedFrame] = []
        self.samples: list[GazeSample] = []
        self.threads: set[str] = set()

    def span(self, span: Span) -> None:
        self.threads.add(threading.current_thread().name)
        self.spans.append(span)

    def frame(self, frame: TracedFrame) -> None:
        self.frames.append(frame)

    def gaze(self, samples: Sequence[GazeSample]) -> None:
        self.samples.extend(samples)


def play(session: GazeSession, count: int = 12, first: int = 0) -> list[Selection]:
    shown = []
    for index in range(first, first + count):
        session.feed(gaze(index))
        shown.append(session.step(frame(index), (index + 1) * STEP_NS))
    return shown


@pytest.mark.parametrize("mode", ["sequential", "live"])
def test_everything_is_noted(mode: Mode) -> None:
    collector = Collector()
    with GazeSession(Segmenter(Fake()), mode=mode) as session, session.trace(collector) as trace:
        shown = play(session)
        # Twelve frames may be over before a thread has judged one.
        while not any(span.name == "attend" for span in trace.spans) and len(shown) < 1000:
            shown += play(session, 1, first=len(shown))
            time.sleep(0.005)
    assert [one.time_ns for one in trace.frames] == [one.frame_time_ns for one in shown]
    assert [one.selection.state for one in trace.frames] == [one.state for one in shown]
    assert len(trace.samples) == len(shown) * 8
    assert {"gaze", "motion", "encode", "attend", "propagate"} <= {span.name for span in trace.spans}
    assert all(span.begin_ns <= span.end_ns for span in trace.spans)
    threads = {span.thread for span in trace.spans}
    assert threads >= ({"MainThread", "sam-edge-encoder"} if mode == "live" else {"MainThread"})
    assert collector.spans == list(trace.spans)
    assert collector.samples == list(trace.samples)
    # All of it came from the trace's own threads, or from the one that closed the trace.
    assert collector.threads <= {"sam-edge-trace", "MainThread"}


def test_spans_agree_with_the_timing_of_selections() -> None:
    with GazeSession(Segmenter(Fake())) as session, session.trace() as trace:
        shown = play(session)
    for name in ("motion", "encode"):
        spans_ms = [(span.end_ns - span.begin_ns) / 1e6 for span in trace.spans if span.name == name]
        timed_ms = [one.timing_ms[name] for one in shown if name in one.timing_ms]
        assert spans_ms == pytest.approx(timed_ms)
    for traced, one in zip(trace.frames, shown, strict=True):
        assert (traced.end_ns - traced.begin_ns) / 1e6 >= one.timing_ms["total"]


def test_a_trace_keeps_no_masks_and_a_sink_gets_them() -> None:
    collector = Collector()
    with GazeSession(Segmenter(Fake())) as session, session.trace(collector) as trace:
        shown = play(session)
    assert any(one.mask is not None for one in shown)
    assert all(one.selection.mask is None and one.selection.pinned == () for one in trace.frames)
    assert [one.selection for one in collector.frames] == shown


def test_tracing_changes_no_selection() -> None:
    found = []
    for traced in (False, True):
        with GazeSession(Segmenter(Fake())) as session:
            trace = session.trace() if traced else None
            found.append(play(session))
            if trace is not None:
                trace.close()
    for one, other in zip(*found, strict=True):
        assert one.state == other.state
        np.testing.assert_array_equal(one.mask, other.mask)


def test_nothing_is_noted_before_and_after() -> None:
    with GazeSession(Segmenter(Fake())) as session:
        play(session, 3)
        with session.trace() as trace:
            play(session, 2, first=3)
        play(session, 3, first=5)
        assert [one.time_ns for one in trace.frames] == [4 * STEP_NS, 5 * STEP_NS]
        trace.close()
    assert "sam-edge-trace" not in {one.name for one in threading.enumerate()}


def test_two_traces_of_one_session() -> None:
    with GazeSession(Segmenter(Fake())) as session, session.trace() as longer:
        play(session, 2)
        with session.trace() as shorter:
            play(session, 2, first=2)
        play(session, 2, first=4)
    assert (len(longer.frames), len(shorter.frames)) == (6, 2)


def test_what_a_sink_raises_is_met_on_closing() -> None:
    class Broken(Collector):
        def frame(self, frame: TracedFrame) -> None:
            raise OSError("disk full")

    with GazeSession(Segmenter(Fake())) as session:
        trace = session.trace(Broken())
        play(session)
        with pytest.raises(SessionError, match="disk full"):
            trace.close()
        assert len(trace.frames) == 12
        trace.close()


def test_a_sinks_failure_does_not_hide_an_error() -> None:
    class Broken(Collector):
        def span(self, span: Span) -> None:
            raise OSError("disk full")

    def fails(session: GazeSession) -> None:
        with session.trace(Broken()):
            play(session, 2)
            raise ZeroDivisionError

    with GazeSession(Segmenter(Fake())) as session, pytest.raises(ZeroDivisionError):
        fails(session)


def test_without_listeners_nothing_is_kept() -> None:
    tracer = Tracer()
    tracer.span("encode", 1, 2)
    listening = tracer.add(collector := Collector())
    tracer.span("show", 3, 4)
    tracer.remove([listening])
    tracer.remove([listening])
    assert [span.name for span in collector.spans] == ["show"]


def traced(index: int, took_ms: int) -> TracedFrame:
    begin_ns = 5_000_000_000 + index * STEP_NS
    selection = Selection(
        index * STEP_NS, State.FOCUSED, None, None, None, 3, "encoded", timing_ms={"total": 1.5}
    )
    return TracedFrame(index * STEP_NS, begin_ns, begin_ns + took_ms * 1_000_000, selection)


def test_threads_frames_and_gaze_on_one_line_of_time() -> None:
    """The clock of spans is 5 s ahead of the frames'."""
    spans = [
        Span("motion", "MainThread", 5_000_000_000, 5_002_000_000),
        Span("encode", "sam-edge-encoder", 5_001_000_000, 5_031_000_000),
    ]
    samples = [GazeSample(part * 5_000_000, 60.0, 40.0, 1.0) for part in range(80)]
    events = list(trace_events(spans, [traced(0, 60), traced(1, 60)], samples, px_per_deg=15.0))
    named = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert sorted(named.values()) == ["MainThread", "gaze", "sam-edge-encoder"]
    encode = next(event for event in events if event["name"] == "encode")
    assert (encode["ts"], encode["dur"], named[encode["tid"]]) == (1000.0, 30000.0, "sam-edge-encoder")
    # The second frame was shown after 40 ms and done after 100; the first one was not done then.
    ends = {event["ph"]: event["ts"] for event in events if event["name"] == "frame 1"}
    assert ends == {"b": 40_000.0, "e": 100_000.0}
    places = [event for event in events if event["ph"] == "C"]
    assert (places[3]["ts"], places[3]["args"]) == (15_000.0, {"x_px": 60.0, "y_px": 40.0})
    (fixation,) = [event for event in events if event["name"] in ("fixation", "pursuit")]
    assert fixation["dur"] > 100_000
    assert fixation["args"]["x_px"] == pytest.approx(60.0, abs=1)


def test_the_file_is_what_perfetto_reads(tmp_path: Path) -> None:
    with GazeSession(Segmenter(Fake()), mode="live") as session, session.trace() as trace:
        play(session)
    path = tmp_path / "deep" / "trace.json"
    trace.write(path)
    content: dict[str, Any] = json.loads(path.read_text())
    assert content["displayTimeUnit"] == "ms"
    for event in content["traceEvents"]:
        assert event.keys() >= {"ph", "name", "pid", "tid"}
        assert event["ph"] in "XMCbe"
        assert event["ph"] != "X" or event["dur"] >= 0
        assert event["ph"] == "M" or event["ts"] >= 0
    opened = [event["id"] for event in content["traceEvents"] if event["ph"] == "b"]
    closed = [event["id"] for event in content["traceEvents"] if event["ph"] == "e"]
    assert opened == closed == list(range(12))


def test_nothing_traced_is_a_file_too(tmp_path: Path) -> None:
    with GazeSession(Segmenter(Fake())) as session, session.trace() as trace:
        pass
    trace.write(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
