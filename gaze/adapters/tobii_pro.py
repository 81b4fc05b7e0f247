"""Tobii Pro screen trackers, through the callback dictionaries of the Tobii Pro SDK.

The SDK is proprietary and not a dependency: its module is passed in, or imported when a source is opened.
Gaze points are fractions of the display area, origin top-left, for each eye; times are microseconds.
"""

from __future__ import annotations

import importlib
import math
import threading
import time
from dataclasses import dataclass
from typing import Any

from sam_edge.errors import GazeDataError, InputError, TrackerError
from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost, LiveSource
from sam_edge.gaze.adapters.fields import int64, numbers
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.clocks import ClockMap, MappedTime, RateGuard, host_now_ns
from sam_edge.gaze.samples import GazeSample

_BURST = 5
_SYNC_INTERVAL_S = 1.0
_BRIDGE_UNCERTAINTY_NS = 100_000
"""Assumed uncertainty of the SDK's mapping from device to computer time, which it does not report."""
_JUMP_US = 50_000
"""A larger step of the device's clock is a jump; the SDK corrects drift in small steps."""


@dataclass(frozen=True, slots=True)
class ProGaze:
    """One gaze dictionary, before the size of the screen is applied."""

    device_us: int
    """The tracker's clock, microseconds."""
    system_us: int
    """The computer's clock as the SDK reports it, microseconds."""
    x: float
    """0 left to 1 right of the display area, mean of the valid eyes; NaN when there is none."""
    y: float
    """0 top to 1 bottom."""
    left_valid: bool
    """Whether the left eye's gaze point is valid."""
    right_valid: bool
    """Whether the right eye's gaze point is valid."""


def parse_gaze(fields: object) -> ProGaze:
    """Parse a gaze dictionary (`as_dictionary=True`).

    Raises:
        GazeDataError: a field is missing or has an unexpected type or value.
    """
    if not isinstance(fields, dict):
        raise GazeDataError(f"a gaze callback passes a {type(fields).__name__}; a dictionary is accepted")
    eyes = [_eye(fields, side) for side in ("left", "right")]
    valid = [point for point in eyes if point is not None]
    return ProGaze(
        device_us=_microseconds(fields, "device_time_stamp"),
        system_us=_microseconds(fields, "system_time_stamp"),
        x=sum(point[0] for point in valid) / len(valid) if valid else math.nan,
        y=sum(point[1] for point in valid) / len(valid) if valid else math.nan,
        left_valid=eyes[0] is not None,
        right_valid=eyes[1] is not None,
    )


def _microseconds(fields: dict[object, object], name: str) -> int:
    value = int64(fields.get(name), name)
    if abs(value) >= 1 << 53:
        raise GazeDataError(f"{name} is {value} us; accepted are times within 285 years of zero")
    return value


def _eye(fields: dict[object, object], side: str) -> tuple[float, float] | None:
    x, y = numbers(fields.get(f"{side}_gaze_point_on_display_area"), 2, f"{side}_gaze_point_on_display_area")
    valid = bool(fields.get(f"{side}_gaze_point_validity", 1))
    return (x, y) if valid and math.isfinite(x) and math.isfinite(y) else None


class TobiiProSource(LiveSource):
    """Gaze of a Tobii Pro screen tracker."""

    def __init__(
        self,
        tracker: str = "",
        *,
        size: tuple[int, int],
        module: Any = None,
        name: str | None = None,
        timeout_s: float = 5.0,
        buffer_samples: int = 8192,
    ) -> None:
        """Describe the source.

        Args:
            tracker: serial number or address of the tracker; empty takes the first one found.
            size: (height, width) in pixels of the screen that was set up as display area.
            module: the `tobii_research` module, or one with the same functions; None imports it.
            name: name of the source in messages.
            timeout_s: see `LiveSource`.
            buffer_samples: see `LiveSource`.
        """
        super().__init__(name or f"tobii-pro://{tracker}", timeout_s=timeout_s, buffer_samples=buffer_samples)
        self._tracker = tracker
        self._size = size
        self._module = module
        self._lock = threading.Lock()
        self._system_clock = ClockMap()
        self._device_guard = RateGuard()
        self._device_offset_us: int | None = None
        self._device_epoch = 0
        self._failure: TrackerError | None = None

    def _prepare(self) -> None:
        if self._module is not None:
            return
        try:
            self._module = importlib.import_module("tobii_research")
        except ImportError as error:
            raise TrackerError(
                "tobii-pro needs the Tobii Pro SDK, which is proprietary and not part of sam-edge. Accept its licence "
                "and install it: pip install tobii-research; or pass its module: open(url, module=tobii_research)"
            ) from error

    def _serve(self) -> None:
        try:
            self._follow(self._find())
        except _sdk_errors(self._module) as error:
            raise ConnectionLost(f"the Tobii Pro SDK raises {type(error).__name__}: {error}") from error

    def _follow(self, tracker: Any) -> None:
        for _ in range(_BURST):
            self._sync()
        self._failure = None
        tracker.subscribe_to(self._module.EYETRACKER_GAZE_DATA, self._on_gaze, as_dictionary=True)
        try:
            self._connected()
            sync_at = time.monotonic() + _SYNC_INTERVAL_S
            while not self._stopping.wait(POLL_S):
                if self._failure is not None:
                    raise self._failure
                if time.monotonic() >= sync_at:
                    sync_at = time.monotonic() + _SYNC_INTERVAL_S
                    self._sync()
                self._check_silence("no gaze came from the SDK; is the tracker plugged in?")
        finally:
            tracker.unsubscribe_from(self._module.EYETRACKER_GAZE_DATA, self._on_gaze)

    def _find(self) -> Any:
        trackers = list(self._module.find_all_eyetrackers())
        for tracker in trackers:
            if self._tracker in ("", tracker.serial_number, tracker.address):
                return tracker
        names = ", ".join(str(tracker.serial_number) for tracker in trackers) or "none"
        raise ConnectionLost(f"the SDK finds these trackers: {names}; wanted is {self._tracker or 'any'}")

    def _sync(self) -> None:
        before_ns = host_now_ns()
        system_us = int64(self._module.get_system_time_stamp(), "get_system_time_stamp()")
        half_ns = (host_now_ns() - before_ns) // 2
        with self._lock:
            self._system_clock.observe(system_us * 1000, before_ns + half_ns, half_ns + 1000)

    def _on_gaze(self, fields: object) -> None:
        """Process one dictionary; called in a thread of the SDK."""
        arrival_ns = host_now_ns()
        try:
            gaze = parse_gaze(fields)
        except GazeDataError:
            self._count("malformed")
            return
        try:
            with self._lock:
                self._hand_over(gaze, self._map(gaze), arrival_ns)
        except TrackerError as error:
            self._failure = error

    def _map(self, gaze: ProGaze) -> MappedTime:
        self._device_guard.add(gaze.device_us * 1000, gaze.system_us * 1000)
        offset_us = gaze.system_us - gaze.device_us
        if self._device_offset_us is not None and abs(offset_us - self._device_offset_us) > _JUMP_US:
            self._device_epoch += 1
        self._device_offset_us = offset_us
        host = self._system_clock.map(gaze.system_us * 1000)
        return MappedTime(
            host.host_ns, host.uncertainty_ns + _BRIDGE_UNCERTAINTY_NS, host.epoch + self._device_epoch
        )

    def _hand_over(self, gaze: ProGaze, mapped: MappedTime, arrival_ns: int) -> None:
        height, width = self._size
        seen = gaze.left_valid or gaze.right_valid
        sample = GazeSample(
            time_ns=mapped.host_ns,
            x_px=gaze.x * width,
            y_px=gaze.y * height,
            confidence=1.0 if seen else 0.0,
            device_time_ns=gaze.device_us * 1000,
            offset_uncertainty_ns=mapped.uncertainty_ns,
            left_valid=gaze.left_valid,
            right_valid=gaze.right_valid,
        )
        self._deliver(sample, arrival_ns=arrival_ns, epoch=mapped.epoch)


def _sdk_errors(module: Any) -> tuple[type[Exception], ...]:
    """Return the exception classes of the SDK."""
    members = (getattr(module, name) for name in dir(module))
    return tuple(each for each in members if isinstance(each, type) and issubclass(each, Exception))


def from_address(address: SourceAddress) -> TobiiProSource:
    """Return the source of a `tobii-pro://` URL."""
    size = address.size()
    if size is None:
        raise InputError(
            f"{address.url!r} states no screen size; open it with ?size=1920x1080 (width x height)"
        )
    return TobiiProSource(
        address.host,
        size=size,
        module=address.take("module"),
        name=address.url,
        timeout_s=address.timeout_s(),
        buffer_samples=address.buffer_samples(),
    )
