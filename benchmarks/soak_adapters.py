"""The part of the soak that drives every gaze source against its fake tracker, with faults."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "gaze" / "adapters"))

from fake_base import LiveFake, number_of
from fake_companion import FakeCompanion, FakeInvisible
from fake_core import FakeCore
from fake_gazepoint import FakeGazepoint
from fake_glasses import FakeGlasses, FakeGlassesSignals
from fake_headset import FakeHeadset, FakeWebHeadset
from fake_pro import FakePro
from soak_figures import Figures, run_threads

from sam_edge.errors import TrackerError
from sam_edge.gaze import registry
from sam_edge.gaze.source import GazeSource

FAKES: dict[str, Callable[[], Any]] = {
    "pupil-core": FakeCore,
    "neon": FakeCompanion,
    "invisible": FakeInvisible,
    "tobii-g3-rtsp": FakeGlasses,
    "tobii-g3-websocket": FakeGlassesSignals,
    "tobii-pro": FakePro,
    "gazepoint": FakeGazepoint,
    "ray-udp": FakeHeadset,
    "ray-ws": FakeWebHeadset,
}
LISTENERS = ("ray-udp", "ray-ws")
SILENCE_TIMEOUT_S, LONG_TIMEOUT_S = 0.5, 4.0
"""A source connects anew where its tracker falls silent for this long, seconds. The first one is for the sources that
notice a lost tracker by its silence alone."""
NOTICE_SILENCE = ("tobii-pro", "pupil-core", "ray-udp")
HANG_S = 20.0
"""A source that does not come back within this many seconds hangs."""
OFF_LIMIT_NS = 150_000_000
"""The time of a sample that arrives now may be off by this much."""
CLOCK_STEPS_S = (-0.3, 0.3, -5.0, 60.0)


def with_lsl() -> dict[str, Callable[[], Any]]:
    """Return the fakes, with Lab Streaming Layer where its library is installed."""
    try:
        from fake_lsl import FakeLsl
    except ImportError:
        return FAKES
    return {**FAKES, "lsl": FakeLsl}


class SourceSoak:
    """One source, its fake, and one fault after the other."""

    def __init__(
        self, name: str, make: Callable[[], Any], figures: Figures, *, rate_hz: float, seed: int
    ) -> None:
        self.name = name
        self._fake: LiveFake = make()
        self._figures = figures
        self._interval_s = 1 / rate_hz
        self._random = random.Random(seed)
        self._faults: tuple[tuple[str, Callable[[], None]], ...] = (
            ("loss", self._lose),
            ("flood", self._flood),
            ("bad packets", self._send_bad),
            ("clock step", self._step_clock),
            ("cut", self._fake.drop),
            ("kill", self._kill),
        )
        self._problem = ""

    def run(self, stopping: threading.Event) -> None:
        """Drive the source until `stopping` is set."""
        with ExitStack() as stack:
            stack.callback(self._fake.stop)
            options = self._fake.options | {
                "timeout": SILENCE_TIMEOUT_S if self.name in NOTICE_SILENCE else LONG_TIMEOUT_S
            }
            source = stack.enter_context(self._open(options))
            if self.name in LISTENERS:
                self._fake.attach(source)
            self._fake.wait_ready()
            self._until_right(source, "start", stopping)
            while not stopping.is_set():
                self._stream(source, self._random.uniform(3.0, 6.0), stopping)
                fault, cause = self._random.choice(self._faults)
                cause()
                self._until_right(source, fault, stopping)

    def _open(self, options: dict[str, object]) -> GazeSource:
        """Open the source; on a busy machine the first try may be too slow."""
        for _ in range(5):
            with suppress(TrackerError):
                return registry.open(self._fake.url, **options)
        return registry.open(self._fake.url, **options)

    def _stream(self, source: GazeSource, seconds: float, stopping: threading.Event) -> None:
        """Send and read without a fault; every sample must be near its time."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s and not stopping.wait(self._interval_s):
            self._fake.send(1)
            for sample in self._read(source):
                self._figures.count("samples")
                if abs(sample.time_ns - time.monotonic_ns()) > OFF_LIMIT_NS + 50_000_000:
                    self._figures.count("late or early samples")

    def _until_right(self, source: GazeSource, fault: str, stopping: threading.Event) -> None:
        """Send until a new sample comes at its right time, and note how long that took."""
        began_s = time.monotonic()
        mark = self._fake.sent  # type: ignore[attr-defined]
        while not stopping.is_set():
            self._fake.send(1)
            now_ns = time.monotonic_ns()
            if any(
                number_of(sample) >= mark and abs(sample.time_ns - now_ns) < OFF_LIMIT_NS
                for sample in self._read(source)
            ):
                self._figures.recoveries.append((self.name, fault, time.monotonic() - began_s))
                return
            if time.monotonic() - began_s > HANG_S:
                self._figures.faults.append(
                    f"{self.name}: not back {HANG_S:g} s after {fault}; {self._problem}"[:400]
                )
                return
            stopping.wait(self._interval_s)

    def _read(self, source: GazeSource) -> list[Any]:
        try:
            samples = source.read()
        except TrackerError as error:
            self._problem = str(error)
            self._figures.count("silences reported")
            return []
        return samples

    def _lose(self) -> None:
        """Lose a few samples, with their numbers where the protocol numbers its packets."""
        lost = self._random.randrange(1, 20)
        for owner in (self._fake, getattr(self._fake, "rtsp", None)):
            if hasattr(owner, "sequence"):
                owner.sequence = (owner.sequence + lost) % (1 << (32 if owner is self._fake else 16))  # type: ignore[union-attr]
        time.sleep(lost * self._interval_s)

    def _flood(self) -> None:
        self._fake.send(1000)

    def _send_bad(self) -> None:
        for _ in range(50):
            self._fake.send_bad()

    def _step_clock(self) -> None:
        self._fake.jump_clock(self._random.choice(CLOCK_STEPS_S))

    def _kill(self) -> None:
        """Switch the tracker off for some seconds."""
        self._fake.kill()
        time.sleep(self._random.uniform(0.5, 5.0))
        self._fake.revive()


def soak_adapters(
    figures: Figures, stopping: threading.Event, *, rate_hz: float, tick: Callable[[], None]
) -> None:
    """Drive all sources at once, each in a thread, until `stopping` is set; `tick` is called all the time."""
    soaks = [
        SourceSoak(name, make, figures, rate_hz=rate_hz, seed=seed)
        for seed, (name, make) in enumerate(with_lsl().items())
    ]
    threads = [
        threading.Thread(target=guard, args=(soak, figures, stopping), name=f"soak {soak.name}", daemon=True)
        for soak in soaks
    ]
    run_threads(threads, stopping, tick, figures, hang_s=HANG_S)


def guard(soak: SourceSoak, figures: Figures, stopping: threading.Event) -> None:
    """Run one source; an error that it raises is a fault."""
    try:
        soak.run(stopping)
    except Exception as error:
        figures.faults.append(f"{soak.name}: {type(error).__name__}: {error}"[:300])
