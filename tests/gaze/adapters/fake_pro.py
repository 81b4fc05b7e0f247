"""A stub of the Tobii Pro SDK's module: the functions that the adapter calls, and its callback dictionaries."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import TypeAlias

from fake_base import HEIGHT, WIDTH, position_of, wait_until

GazeCallback: TypeAlias = Callable[[object], None]
"""Takes the dictionary of a gaze sample."""


class ConnectionFailedError(Exception):
    """What the stub raises when the tracker is gone, as the SDK has errors of its own."""


class FakePro:
    """The module, and the tracker behind it."""

    def __init__(self) -> None:
        self.offset_s = 50_000.0
        self.device_offset_s = 900.0
        self.rate = 1.0
        self.sent = 0
        self.callback: GazeCallback | None = None
        self.subscriptions = 0
        self.gone = False
        self.module = SimpleNamespace(
            EYETRACKER_GAZE_DATA="gaze",
            ConnectionFailedError=ConnectionFailedError,
            find_all_eyetrackers=self._find,
            get_system_time_stamp=self.system_us,
        )
        self.serial_number = "TP-1"
        self.address = "tobii-prp://TP-1"
        self.url = "tobii-pro://TP-1"
        self.options: dict[str, object] = {"module": self.module, "size": (HEIGHT, WIDTH)}

    @property
    def connections(self) -> int:
        return self.subscriptions

    def system_us(self) -> int:
        return round((time.monotonic() + self.offset_s) * 1e6)

    def _find(self) -> list[FakePro]:
        if self.gone:
            raise ConnectionFailedError("no tracker")
        return [self]

    def subscribe_to(self, kind: str, callback: GazeCallback, *, as_dictionary: bool) -> None:
        assert kind == "gaze"
        assert as_dictionary
        self.subscriptions += 1
        self.callback = callback

    def unsubscribe_from(self, _kind: str, _callback: GazeCallback) -> None:
        self.callback = None

    def wait_ready(self) -> None:
        wait_until(lambda: self.callback is not None, "a subscription")

    def dictionary(self, number: int, system_us: int) -> dict[str, object]:
        x, y = position_of(number)
        point = (x / WIDTH, y / HEIGHT)
        return {
            "device_time_stamp": round((system_us + self.device_offset_s * 1e6) * self.rate),
            "system_time_stamp": system_us,
            "left_gaze_point_on_display_area": point,
            "left_gaze_point_validity": 1,
            "right_gaze_point_on_display_area": point,
            "right_gaze_point_validity": 1,
            "left_pupil_diameter": math.nan,
        }

    def push(self, fields: object) -> None:
        if self.callback is not None:
            self.callback(fields)

    def send(self, count: int, *, interval_s: float = 0.0) -> None:
        for _ in range(count):
            now_us = max(getattr(self, "_last_us", 0) + 1, self.system_us())
            self._last_us = now_us
            self.push(self.dictionary(self.sent, now_us))
            self.sent += 1
            if interval_s:
                time.sleep(interval_s)

    def send_bad(self) -> None:
        good = self.dictionary(0, self.system_us())
        self.push(None)
        self.push({})
        self.push(good | {"device_time_stamp": 1.5})
        self.push(good | {"system_time_stamp": 2**70})
        self.push(good | {"left_gaze_point_on_display_area": (math.inf, 0.0)})

    def drop(self) -> None:
        """The tracker is unplugged for a moment: the SDK goes on, nothing comes."""
        self.callback = None

    def kill(self) -> None:
        """Unplug the tracker."""
        self.gone = True
        self.callback = None

    def revive(self) -> None:
        """Plug the tracker in again."""
        self.gone = False

    def jump_clock(self, seconds: float) -> None:
        self.device_offset_s += seconds

    def stop(self) -> None:
        self.callback = None
