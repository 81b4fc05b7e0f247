"""Traces of a session: its stages on every thread, frames and gaze, for sinks that you bring.

Noting an entry costs an append to a queue. A thread of its own hands it on to sinks, a few times a second.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from sam_edge.errors import SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.stream.selection import Selection
from sam_edge.stream.trace_file import write_trace
from sam_edge.stream.trace_types import Sink, Span, TracedFrame, without_masks

DRAINED_EVERY_S = 0.05
"""Interval at which entries go to the sinks."""
KEPT = 200_000
"""Entries that wait for sinks, or that a trace holds, of each kind; the oldest go first. About an hour of spans."""

Entry = tuple[str, int, int, int] | TracedFrame | tuple[GazeSample, ...]
"""A span as it is noted (name, thread's number, begin, end), a frame, or samples."""


class Tracer:
    """Takes the notes of a session. Without subscriptions it notes nothing."""

    def __init__(self, px_per_deg: float = 15.0) -> None:
        """Begin without subscriptions; `px_per_deg` is frame pixels in a degree of visual angle."""
        self.px_per_deg = px_per_deg
        self.active = False
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._subscriptions: list[Subscription] = []
        self._lock = threading.Lock()
        self._draining = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._names: dict[int, str] = {}

    def span(self, name: str, begin_ns: int, end_ns: int) -> None:
        """Note that a stage ran on this thread."""
        if self.active:
            self._entries.append((name, threading.get_ident(), begin_ns, end_ns))

    def frame(self, begin_ns: int, selection: Selection) -> None:
        """Note a frame whose step began at `begin_ns` and ends now."""
        if self.active:
            end_ns = time.perf_counter_ns()
            self._entries.append(TracedFrame(selection.frame_time_ns, begin_ns, end_ns, selection))

    def gaze(self, samples: Sequence[GazeSample]) -> None:
        """Note gaze samples."""
        if self.active and samples:
            self._entries.append(tuple(samples))

    def add(self, sink: Sink) -> Subscription:
        """Give a sink everything that is noted from now on."""
        subscription = Subscription(sink)
        # Entries from before belong to the older subscriptions.
        self._drain()
        with self._lock:
            self._subscriptions.append(subscription)
            self.active = True
            if self._thread is None:
                self._stop.clear()
                self._thread = threading.Thread(target=self._run, name="sam-edge-trace", daemon=True)
                self._thread.start()
        return subscription

    def remove(self, ended: Sequence[Subscription]) -> None:
        """Give sinks what is left for them, all the same, and stop. Removing twice is allowed."""
        self._drain()
        with self._lock:
            self._subscriptions = [item for item in self._subscriptions if item not in ended]
            self.active = bool(self._subscriptions)
            thread, self._thread = self._thread, self._thread if self.active else None
        if not self.active and thread is not None:
            self._stop.set()
            thread.join()
            self._entries.clear()

    def _run(self) -> None:
        while not self._stop.wait(DRAINED_EVERY_S):
            self._drain()

    def _drain(self) -> None:
        """Hand everything that was noted to the sinks."""
        with self._draining:
            entries = []
            while self._entries:
                entries.append(self._entries.popleft())
            if not entries:
                return
            self._names |= {
                thread.ident: thread.name for thread in threading.enumerate() if thread.ident is not None
            }
            with self._lock:
                subscriptions = list(self._subscriptions)
            for entry in entries:
                for subscription in subscriptions:
                    subscription.take(entry, self._names)


class Subscription:
    """A sink, and the error that ended it."""

    def __init__(self, sink: Sink) -> None:
        """Begin without error."""
        self.error: Exception | None = None
        self._sink = sink

    def take(self, entry: Entry, names: dict[int, str]) -> None:
        """Give the sink one entry, unless it has raised something before."""
        if self.error is not None:
            return
        try:
            if isinstance(entry, TracedFrame):
                self._sink.frame(entry)
            elif isinstance(entry[0], str):
                name, thread, begin_ns, end_ns = entry
                self._sink.span(Span(name, names.get(thread, f"thread {thread}"), begin_ns, end_ns))
            else:
                self._sink.gaze(entry)
        except Exception as error:  # any error is the sink's owner's: `Trace.close` raises it
            self.error = error


class Trace:
    """A session's spans, frames and gaze while it is open. A context manager, made by `GazeSession.trace`.

    Example:
        >>> with session.trace() as trace:
        ...     for frame in camera:
        ...         session.step(frame, time.monotonic_ns())
        >>> trace.write("trace.json")  # open it at https://ui.perfetto.dev or chrome://tracing
    """

    def __init__(self, tracer: Tracer, sinks: Sequence[Sink] = ()) -> None:
        """Listen from now on, for itself and for further sinks."""
        self.spans: deque[Span] = deque(maxlen=KEPT)
        self.frames: deque[TracedFrame] = deque(maxlen=KEPT)
        self.samples: deque[GazeSample] = deque(maxlen=KEPT)
        self._tracer = tracer
        self._subscriptions = [tracer.add(sink) for sink in (self, *sinks)]

    def span(self, span: Span) -> None:
        """See `Sink.span`."""
        self.spans.append(span)

    def frame(self, frame: TracedFrame) -> None:
        """See `Sink.frame`. Masks are not kept: they are a megabyte each."""
        self.frames.append(without_masks(frame))

    def gaze(self, samples: Sequence[GazeSample]) -> None:
        """See `Sink.gaze`."""
        self.samples.extend(samples)

    def close(self) -> None:
        """Stop listening. Closing twice is allowed.

        Raises:
            SessionError: a sink failed; its own error is the cause.
        """
        self._tracer.remove(self._subscriptions)
        failed = [item.error for item in self._subscriptions if item.error is not None]
        self._subscriptions = []
        if failed:
            raise SessionError(f"trace: a sink failed: {failed[0]!r}") from failed[0]

    def write(self, path: str | Path) -> None:
        """Write what was traced so far in Chrome's trace format, which Perfetto reads too.

        Raises:
            MediaError: the file cannot be written.
        """
        write_trace(
            Path(path),
            list(self.spans),
            list(self.frames),
            list(self.samples),
            px_per_deg=self._tracer.px_per_deg,
        )

    def __enter__(self) -> Trace:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; a sink's failure does not hide an error of the block."""
        try:
            self.close()
        except SessionError:
            if error is None:
                raise


@contextmanager
def time_stage(stages_ms: dict[str, float], name: str, tracer: Tracer) -> Iterator[None]:
    """Note how long the block takes, milliseconds, and when it ran; also when it raises."""
    begin_ns = time.perf_counter_ns()
    try:
        yield
    finally:
        end_ns = time.perf_counter_ns()
        stages_ms[name] = (end_ns - begin_ns) / 1e6
        tracer.span(name, begin_ns, end_ns)
