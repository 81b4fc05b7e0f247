"""A real Lab Streaming Layer outlet on this computer, with channels as Pupil Labs' relay describes them."""

from __future__ import annotations

import itertools
import math
import os
import time

import pylsl
from fake_base import HEIGHT, WIDTH, position_of, present, wait_until

_numbers = itertools.count()
PUPIL_CHANNELS = (
    ("confidence", "Confidence", "normalized", "both"),
    ("norm_pos_x", "ScreenX", "normalized", "both"),
    ("norm_pos_y", "ScreenY", "normalized", "both"),
    ("gaze_point_3d_x", "DirectionX", "mm", "both"),
    ("gaze_point_3d_y", "DirectionY", "mm", "both"),
    ("gaze_point_3d_z", "DirectionZ", "mm", "both"),
    ("eye_center0_3d_x", "PositionX", "mm", "right"),
    ("eye_center0_3d_y", "PositionY", "mm", "right"),
    ("eye_center0_3d_z", "PositionZ", "mm", "right"),
    ("eye_center1_3d_x", "PositionX", "mm", "left"),
    ("eye_center1_3d_y", "PositionY", "mm", "left"),
    ("eye_center1_3d_z", "PositionZ", "mm", "left"),
)


class FakeLsl:
    """An outlet of its own name, so that tests can run side by side."""

    def __init__(self, channels: tuple[tuple[str, str, str, str], ...] = PUPIL_CHANNELS) -> None:
        self.name = f"fake_gaze_{os.getpid()}_{next(_numbers)}"
        self.channels = channels
        self.sent = 0
        self.outlet: pylsl.StreamOutlet | None = None
        self._make()
        self.url = f"lsl://?name={self.name}&source_id=id_{self.name}"
        self.options: dict[str, object] = {"size": (HEIGHT, WIDTH)}

    @property
    def connections(self) -> int:
        return int(present(self.outlet).have_consumers())

    def _make(self) -> None:
        info = pylsl.StreamInfo(
            self.name,
            "Gaze",
            len(self.channels),
            pylsl.IRREGULAR_RATE,
            pylsl.cf_double64,
            f"id_{self.name}",
        )
        described = info.desc().append_child("channels")
        for label, kind, unit, eye in self.channels:
            channel = described.append_child("channel")
            for name, value in (("label", label), ("type", kind), ("unit", unit), ("eye", eye)):
                if value:
                    channel.append_child_value(name, value)
        self.outlet = pylsl.StreamOutlet(info)

    def wait_ready(self) -> None:
        wait_until(lambda: bool(present(self.outlet).have_consumers()), "a consumer")

    def push(self, values: list[float], time_s: float | None = None) -> None:
        present(self.outlet).push_sample(values, pylsl.local_clock() if time_s is None else time_s)

    def send(self, count: int, *, interval_s: float = 0.0) -> None:
        for _ in range(count):
            now_s = max(getattr(self, "_last_s", 0.0) + 1e-6, pylsl.local_clock())
            self._last_s = now_s
            x, y = position_of(self.sent)
            rest = [10.0, -20.0, 500.0, 30.0, 10.0, -20.0, -30.0, 10.0, -20.0]
            self.push([0.9, x / WIDTH, 1.0 - y / HEIGHT, *rest[: len(self.channels) - 3]], now_s)
            self.sent += 1
            if interval_s:
                time.sleep(interval_s)

    def send_bad(self) -> None:
        count = len(self.channels)
        self.push([math.inf] * count)
        self.push([0.9] * count, 1e300)
        self.push([0.9] * count, -1e6)

    def drop(self) -> None:
        self.kill()
        self.revive()

    def kill(self) -> None:
        """End the outlet."""
        self.outlet = None

    def revive(self) -> None:
        """Open the outlet again, as another instance of the same stream."""
        self._make()

    def jump_clock(self, seconds: float) -> None:
        """Do nothing: an outlet of this computer shares its clock."""

    def stop(self) -> None:
        self.outlet = None
