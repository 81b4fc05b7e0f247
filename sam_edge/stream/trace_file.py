"""A session's trace as a file for Perfetto and `chrome://tracing`.

The format is Chrome's Trace Event Format (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU),
which https://ui.perfetto.dev reads as well: threads as they ran, frames from the moment they were shown to the moment
their selection was there, gaze as fixations and as places, all on one line of time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sam_edge.gaze.events import EventDetector, EventKind
from sam_edge.gaze.samples import GazeSample
from sam_edge.media.atomic import write_atomically
from sam_edge.stream.trace_types import Span, TracedFrame

PROCESS = 1
"""Number of the process in the file."""
GAZE, FIRST_THREAD = 1, 2
"""Numbers of the gaze's track and of the first thread's."""

Event = dict[str, Any]


def write_trace(
    path: Path,
    spans: Sequence[Span],
    frames: Sequence[TracedFrame],
    samples: Sequence[GazeSample],
    *,
    px_per_deg: float,
) -> None:
    """Write a trace.

    Args:
        path: the file, `.json`.
        spans: stages of all threads.
        frames: frames that were stepped.
        samples: gaze, on the clock of the frames.
        px_per_deg: frame pixels in a degree of visual angle.

    Raises:
        MediaError: the file cannot be written.
    """
    events = list(trace_events(spans, frames, samples, px_per_deg=px_per_deg))
    text = json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, allow_nan=False)
    with write_atomically(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def trace_events(
    spans: Sequence[Span],
    frames: Sequence[TracedFrame],
    samples: Sequence[GazeSample],
    *,
    px_per_deg: float,
) -> Iterator[Event]:
    """Give every event of the file. Times are microseconds since the first of them."""
    offset_ns = frames[0].offset_ns if frames else 0
    begins = [span.begin_ns for span in spans] + [frame.begin_ns for frame in frames]
    begins += [frame.time_ns + offset_ns for frame in frames]
    begins += [sample.time_ns + offset_ns for sample in samples]
    origin_ns = min(begins, default=0)
    threads = {
        name: FIRST_THREAD + index for index, name in enumerate(dict.fromkeys(s.thread for s in spans))
    }
    yield name_track("process_name", "sam-edge session", None)
    yield name_track("thread_name", "gaze", GAZE)
    for name, number in threads.items():
        yield name_track("thread_name", name, number)
    for span in spans:
        yield {
            **begin_event(span.begin_ns - origin_ns, "X", span.name, "stage", threads[span.thread]),
            "dur": (span.end_ns - span.begin_ns) / 1e3,
        }
    for index, frame in enumerate(frames):
        yield from frame_events(index, frame, frame.time_ns + offset_ns - origin_ns, frame.end_ns - origin_ns)
    yield from gaze_events(samples, offset_ns - origin_ns, px_per_deg)


def frame_events(index: int, frame: TracedFrame, shown_ns: int, done_ns: int) -> Iterator[Event]:
    """Give a frame from the moment it was shown until its selection was there; frames may overlap."""
    selection = frame.selection
    facts = {
        "state": selection.state.value,
        "origin": selection.origin,
        "object": selection.object_id,
        "age_ms": selection.age_ms,
        **{f"{name}_ms": value for name, value in selection.timing_ms.items()},
    }
    for phase, time_ns in (("b", shown_ns), ("e", max(done_ns, shown_ns))):
        yield {**begin_event(time_ns, phase, f"frame {index}", "frame", GAZE), "id": index, "args": facts}


def gaze_events(samples: Sequence[GazeSample], shift_ns: int, px_per_deg: float) -> Iterator[Event]:
    """Give fixations and pursuits as spans of their own track, and the gaze's place as two curves."""
    if not samples:
        return
    detector = EventDetector(px_per_deg=px_per_deg)
    fixations = {}
    for sample in samples:
        for fixation in detector.update(sample).fixations:
            fixations[fixation.event_id] = fixation
        if sample.valid:
            yield {
                **begin_event(sample.time_ns + shift_ns, "C", "gaze", "gaze", GAZE),
                "args": {"x_px": round(sample.x_px, 2), "y_px": round(sample.y_px, 2)},
            }
    for fixation in fixations.values():
        name = "pursuit" if fixation.kind is EventKind.PURSUIT else "fixation"
        yield {
            **begin_event(fixation.onset_ns + shift_ns, "X", name, "gaze", GAZE),
            "dur": fixation.duration_ns / 1e3,
            "args": {"x_px": round(fixation.x_px, 1), "y_px": round(fixation.y_px, 1)},
        }


def begin_event(time_ns: int, phase: str, name: str, category: str, thread: int) -> Event:
    """Begin an event."""
    return {"ph": phase, "name": name, "cat": category, "ts": time_ns / 1e3, "pid": PROCESS, "tid": thread}


def name_track(what: str, name: str, thread: int | None) -> Event:
    """Give a track its name."""
    return {"ph": "M", "name": what, "pid": PROCESS, "tid": thread or 0, "args": {"name": name}}
