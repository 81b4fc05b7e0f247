"""Lab Streaming Layer: any stream of type Gaze with labelled channels.

The offset between the sender's clock and the host's comes from `time_correction()`, which measures round trips.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any

from sam_edge.errors import InputError, TrackerError
from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost, LiveSource
from sam_edge.gaze.adapters.lsl_layout import Channel, GazeLayout
from sam_edge.gaze.adapters.optional import require
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.clocks import ClockMap, host_now_ns
from sam_edge.gaze.samples import GazeSample

_CHUNK = 512
_RESOLVE_S = 0.5
_RESOLVE_ONE_S = 0.25
"""Time to look for a stream by its identifier, seconds: each call asks the network at its beginning."""
_CHANNEL_LIMIT = 1024
_INLET_BUFFER_S = 360
"""Buffer of the library, seconds; for streams without a nominal rate it keeps 100 samples per second."""
_SYNC_INTERVAL_S = 1.0
_ASSUMED_UNCERTAINTY_S = 1e-3
"""Assumed when the library does not report it: its documentation promises less than a millisecond."""
_LATEST_TIME_S = 9e9
_SAME_CLOCK_NS = 200_000_000
"""After a reconnection the known relation of the clocks holds if it places new samples within this of their arrival."""


class LslSource(LiveSource):
    """Gaze of a Lab Streaming Layer stream."""

    _connect_floor_s = 2.0
    # Looking for the stream takes half a second itself.
    _longest_backoff_s = 0.1

    def __init__(
        self,
        *,
        stream: str | None = None,
        source_id: str | None = None,
        stream_type: str = "Gaze",
        size: tuple[int, int] | None = None,
        name: str | None = None,
        timeout_s: float = 5.0,
        buffer_samples: int = 8192,
    ) -> None:
        """Describe the source.

        Args:
            stream: name of the stream; None takes the only stream of the type, and several are an error.
            source_id: the stream's own identifier, where names are not unique.
            stream_type: type of the stream.
            size: (height, width) in pixels of the image or screen, for streams of fractions.
            name: name of the source in messages.
            timeout_s: see `LiveSource`.
            buffer_samples: see `LiveSource`.
        """
        super().__init__(
            name or f"lsl://?name={stream or ''}", timeout_s=timeout_s, buffer_samples=buffer_samples
        )
        self._wanted = {"type": stream_type}
        if stream is not None:
            self._wanted["name"] = stream
        if source_id is not None:
            self._wanted["source_id"] = source_id
        for field, value in self._wanted.items():
            if not value or "'" in value or '"' in value:
                raise InputError(f"the stream's {field} is {value!r}; accepted is text without quotes")
        self._size = size
        self._clock = ClockMap()
        self._pylsl: Any = None

    def _prepare(self) -> None:
        self._pylsl = require("pylsl", library="pylsl", purpose="Reading Lab Streaming Layer")

    def _serve(self) -> None:
        info = self._resolve()
        inlet = self._pylsl.StreamInlet(info, max_buflen=_INLET_BUFFER_S, recover=False)
        try:
            self._follow(inlet)
        except RuntimeError as error:
            # pylsl's LostError, TimeoutError and InternalError.
            raise ConnectionLost(f"the stream was lost: {str(error) or type(error).__name__}") from error
        finally:
            inlet.close_stream()

    def _resolve(self) -> Any:
        condition = " and ".join(f"{field}='{value}'" for field, value in self._wanted.items())
        # Only an identifier is unique; otherwise wait for a second stream, which would make the choice ambiguous.
        minimum, wait_s = (1, _RESOLVE_ONE_S) if "source_id" in self._wanted else (2, _RESOLVE_S)
        infos = self._pylsl.resolve_bypred(condition, minimum=minimum, timeout=wait_s)
        if not infos:
            raise ConnectionLost(f"no stream with {condition} is on the network")
        if len(infos) > 1:
            names = ", ".join(f"{info.name()!r} (source_id {info.source_id()!r})" for info in infos)
            raise TrackerError(
                f"{len(infos)} streams match {condition}: {names}. Choose one by name or source_id"
            )
        return infos[0]

    def _follow(self, inlet: Any) -> None:
        info = inlet.info(timeout=2.0)
        layout = self._layout(info)
        inlet.open_stream(timeout=2.0)
        if not self._connections:
            self._first_sync(inlet)
        checked = not self._connections
        self._connected()
        sync_at = time.monotonic() + _SYNC_INTERVAL_S
        while not self._stopping.is_set():
            # A chunk with a time-out waits until it is full: take the first sample alone, then what is there.
            first, first_s = inlet.pull_sample(timeout=POLL_S)
            arrival_ns = host_now_ns()
            if first is not None:
                if not checked and not self._clock_holds(first_s, arrival_ns):
                    self._first_sync(inlet)
                checked = True
                self._take(layout, first, first_s, arrival_ns)
                samples, times_s = inlet.pull_chunk(timeout=0.0, max_samples=_CHUNK)
                for values, time_s in zip(samples, times_s, strict=True):
                    self._take(layout, values, time_s, arrival_ns)
            if time.monotonic() >= sync_at:
                sync_at = time.monotonic() + _SYNC_INTERVAL_S
                self._sync(inlet, 0.2)
            self._check_silence("the stream is open, but no sample arrives")

    def _layout(self, info: Any) -> GazeLayout:
        if info.channel_format() not in (self._pylsl.cf_float32, self._pylsl.cf_double64):
            raise TrackerError(
                f"the stream {info.name()!r} does not hold floating point numbers, so it is not a gaze stream"
            )
        channels: list[Channel] = []
        entry = info.desc().child("channels").child("channel")
        while not entry.empty() and len(channels) < _CHANNEL_LIMIT:
            fields = (entry.child_value(field) for field in ("label", "type", "unit", "eye"))
            channels.append(Channel(*(str(field)[:100] for field in fields)))
            entry = entry.next_sibling("channel")
        if channels and len(channels) != info.channel_count():
            raise TrackerError(
                f"the stream {info.name()!r} describes {len(channels)} channels and sends {info.channel_count()}"
            )
        return GazeLayout(channels, size=self._size, stream=info.name())

    def _clock_holds(self, time_s: float, arrival_ns: int) -> bool:
        """Return whether a sample after a reconnection fits the relation of the clocks from before.

        A sender that was started anew keeps its computer's clock; a computer that was started anew does not. For a new
        relation the library needs at least 0.64 s, and 2 s more when its first probes were lost.
        """
        if not -_LATEST_TIME_S < time_s < _LATEST_TIME_S:
            return False
        return abs(self._clock.map(round(time_s * 1e9)).host_ns - arrival_ns) <= _SAME_CLOCK_NS

    def _first_sync(self, inlet: Any) -> None:
        deadline = time.monotonic() + max(self._timeout_s, self._connect_floor_s)
        while not self._sync(inlet, 0.2):
            if self._stopping.is_set() or time.monotonic() > deadline:
                raise ConnectionLost("the sender's clock cannot be compared with this computer's")

    def _sync(self, inlet: Any, timeout_s: float) -> bool:
        """Compare the clocks; return False when no estimate arrived in time."""
        estimate = self._correction(inlet, timeout_s)
        if estimate is None:
            return False
        correction_s, uncertainty_s = estimate
        before_ns = host_now_ns()
        local_s = float(self._pylsl.local_clock())
        half_ns = (host_now_ns() - before_ns) // 2
        device_ns = round((local_s - correction_s) * 1e9)
        self._clock.observe(device_ns, before_ns + half_ns, half_ns + round(uncertainty_s * 1e9))
        return True

    def _correction(self, inlet: Any, timeout_s: float) -> tuple[float, float] | None:
        """Return the time correction and its uncertainty in seconds, or None when not known yet."""
        extended = getattr(
            getattr(getattr(self._pylsl, "lib", None), "lib", None), "lsl_time_correction_ex", None
        )
        if extended is None or not hasattr(inlet, "obj"):
            try:
                return float(inlet.time_correction(timeout_s)), _ASSUMED_UNCERTAINTY_S
            except self._pylsl.util.TimeoutError:
                return None
        extended.restype = ctypes.c_double
        problem, remote_s, uncertainty_s = ctypes.c_int(0), ctypes.c_double(0.0), ctypes.c_double(0.0)
        correction_s = extended(
            ctypes.c_void_p(getattr(inlet.obj, "value", inlet.obj)),
            ctypes.byref(remote_s),
            ctypes.byref(uncertainty_s),
            ctypes.c_double(timeout_s),
            ctypes.byref(problem),
        )
        if problem.value:
            return None
        return float(correction_s), float(uncertainty_s.value)

    def _take(self, layout: GazeLayout, values: list[float], time_s: float, arrival_ns: int) -> None:
        gaze = layout.read(values)
        if gaze is None or not -_LATEST_TIME_S < time_s < _LATEST_TIME_S:
            self._count("malformed")
            return
        device_ns = round(time_s * 1e9)
        mapped = self._clock.map(device_ns)
        sample = GazeSample(
            time_ns=mapped.host_ns,
            x_px=gaze.x_px,
            y_px=gaze.y_px,
            confidence=gaze.confidence,
            device_time_ns=device_ns,
            offset_uncertainty_ns=mapped.uncertainty_ns,
            left_valid=gaze.left_valid,
            right_valid=gaze.right_valid,
            ray=gaze.ray,
            depth_m=gaze.depth_m,
        )
        self._deliver(sample, arrival_ns=arrival_ns, epoch=mapped.epoch)


def from_address(address: SourceAddress) -> LslSource:
    """Return the source of an `lsl://` URL."""
    return LslSource(
        stream=address.text("name") or address.host or None,
        source_id=address.text("source_id"),
        stream_type=address.text("type", "Gaze") or "Gaze",
        size=address.size(),
        name=address.url,
        timeout_s=address.timeout_s(),
        buffer_samples=address.buffer_samples(),
    )
