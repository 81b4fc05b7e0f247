"""What every scene camera shares: a reader thread, the newest frame, reconnecting, silence, and counts."""

from __future__ import annotations

import abc
import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam_edge.closing import Closing
from sam_edge.errors import SamEdgeError, SessionError, TrackerError
from sam_edge.gaze.adapters.base import ConnectionLost
from sam_edge.gaze.clocks import host_now_ns

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.1, 2.0
"""Pause before a lost connection is made again: the first one, and the longest, seconds."""
JOIN_S = 2.0


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """One frame of a live camera."""

    image: NDArray[np.uint8]
    """RGB (H, W, 3)."""
    time_ns: int
    """When it was taken: this computer's monotonic clock, nanoseconds."""
    uncertainty_ns: int | None = None
    """Half-width of what is known of `time_ns`; None: by arrival, the delay is not known."""


@dataclass(frozen=True, slots=True)
class CameraStats:
    """What came from a camera since it was opened."""

    received: int = 0
    """Frames that were decoded."""
    skipped: int = 0
    """Frames that were not read before a newer one came."""
    damaged: int = 0
    """Frames that were left out because a part of them, or of a frame that they build on, was lost."""
    lost: int = 0
    """Network packets that never arrived."""
    malformed: int = 0
    """Messages that could not be understood."""
    reconnects: int = 0
    """Connections made again after a loss."""


class SceneCamera(Closing, abc.ABC):
    """A camera that a background thread reads. Entering it as a context manager opens it.

    `read` gives the newest frame. A lost connection is made again while the camera is open. When `timeout_s` pass
    without a frame, `read` raises `TrackerError`, and again after each further `timeout_s`; the camera keeps trying.
    """

    to_check = "the camera streams"
    """What has to be so at the device; part of the message when it cannot be reached."""

    def __init__(self, name: str, *, timeout_s: float = 5.0) -> None:
        """Describe the camera; no connection is made yet."""
        self.name = name
        """The address it was opened with."""
        self.px_per_deg: float | None = None
        """Frame pixels in a degree of visual angle, where the camera states its lens."""
        self._timeout_s = timeout_s
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._connected_once = threading.Event()
        # Guarded by `_changed`.
        self._newest: LiveFrame | None = None
        self._stats = CameraStats()
        self._problem: Exception | None = None
        self._failure: SamEdgeError | None = None
        self._ended = False
        self._silent_since_ns = 0
        self._last_time_ns: int | None = None

    @abc.abstractmethod
    def _serve(self) -> None:
        """Connect, call `_connected`, then `_deliver` frames until `_stopping` is set.

        Returning ends the camera. `ConnectionLost` and `OSError` are followed by another attempt; any other
        `SamEdgeError` ends the camera.
        """

    @property
    def stats(self) -> CameraStats:
        """Counts so far."""
        with self._changed:
            return self._stats

    @property
    def finished(self) -> bool:
        """True when no further frame can come: closed, or at the end of a file."""
        with self._changed:
            return self._ended and self._newest is None

    def open(self) -> None:
        """Connect. Opening an open camera does nothing.

        Raises:
            SessionError: it was closed before.
            TrackerError: it cannot be reached within the time-out.
        """
        if self._stopping.is_set():
            raise SessionError(f"{self.name} was closed; open it again by its address")
        if self._thread is not None:
            return
        self._silent_since_ns = host_now_ns()
        self._thread = threading.Thread(target=self._run, name=f"camera {self.name}", daemon=True)
        self._thread.start()
        # A failure is noted before the event is set: asked for in this order, none is missed.
        has_answered = self._connected_once.wait(self._timeout_s)
        with self._changed:
            failure, problem = self._failure, self._problem
        if failure is None and has_answered:
            return
        self.close()
        if failure is not None:
            raise failure
        raise TrackerError(
            f"{self.name} cannot be reached within {self._timeout_s:g} s: {problem or 'no answer'}. "
            f"Check that {self.to_check}, that address and port are right, and that no firewall blocks them"
        )

    def read(self, timeout_s: float = 0.0) -> LiveFrame | None:
        """Return the newest frame that was not read yet; None if none comes within `timeout_s`, or at the end.

        Raises:
            TrackerError: the camera sent nothing for its time-out, or failed.
        """
        deadline_ns = host_now_ns() + round(max(0.0, timeout_s) * 1e9)
        with self._changed:
            while True:
                frame, self._newest = self._newest, None
                if frame is not None:
                    return frame
                if self._failure is not None:
                    raise self._failure
                now_ns = host_now_ns()
                if self._ended or self._stopping.is_set():
                    return None
                self._check_silence(now_ns)
                if now_ns >= deadline_ns:
                    return None
                silent_ns = self._silent_since_ns + round(self._timeout_s * 1e9)
                self._changed.wait(max(1, min(deadline_ns, silent_ns) - now_ns) / 1e9)

    def close(self) -> None:
        """Stop the reader thread. Closing twice is allowed."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)

    def __enter__(self) -> SceneCamera:
        """Open it, and return itself."""
        self.open()
        return self

    def _check_silence(self, now_ns: int) -> None:
        if now_ns - self._silent_since_ns < self._timeout_s * 1e9:
            return
        self._silent_since_ns = now_ns
        raise TrackerError(
            f"{self.name} sent no frame for {self._timeout_s:g} s: "
            f"{self._problem or 'the connection stands, but the camera has stalled'}. Call read() again to keep waiting"
        )

    def _connected(self) -> None:
        """Note that the connection stands."""
        if self._connected_once.is_set():
            self._count("reconnects")
        self._connected_once.set()

    def _count(self, name: str, times: int = 1) -> None:
        """Add to one of the counts; names that this class does not count are left out."""
        if not hasattr(self._stats, name):
            return
        with self._changed:
            self._stats = replace(self._stats, **{name: getattr(self._stats, name) + times})

    def _deliver(self, frame: LiveFrame) -> None:
        """Offer a frame. One that is not later than the frame before counts as malformed."""
        with self._changed:
            if self._last_time_ns is not None and frame.time_ns <= self._last_time_ns:
                self._stats = replace(self._stats, malformed=self._stats.malformed + 1)
                return
            self._last_time_ns = frame.time_ns
            skipped = self._stats.skipped + (self._newest is not None)
            self._stats = replace(self._stats, received=self._stats.received + 1, skipped=skipped)
            self._newest, self._problem = frame, None
            self._silent_since_ns = host_now_ns()
            self._changed.notify_all()

    def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        try:
            while not self._stopping.is_set():
                before = self.stats.received
                try:
                    self._serve()
                    return
                except (ConnectionLost, OSError) as error:
                    self._note(error)
                except SamEdgeError as error:
                    with self._changed:
                        self._failure = error
                    return
                if self.stats.received > before:
                    backoff_s = FIRST_BACKOFF_S
                self._stopping.wait(backoff_s)
                backoff_s = min(LONGEST_BACKOFF_S, 2 * backoff_s)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._connected_once.set()

    def _note(self, problem: Exception) -> None:
        with self._changed:
            self._problem = problem
