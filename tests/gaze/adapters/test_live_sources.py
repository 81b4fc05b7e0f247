"""What every live source must do, whatever the tracker: the same tests against a fake of each."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("zmq")
pytest.importorskip("msgpack")
pytest.importorskip("websockets")

from fake_base import LiveFake, collect, number_of, present, read_until_error, wait_until
from fake_companion import FakeCompanion, FakeInvisible
from fake_core import FakeCore
from fake_gazepoint import FakeGazepoint
from fake_glasses import FakeGlasses, FakeGlassesSignals
from fake_headset import FakeHeadset, FakeWebHeadset
from fake_pro import FakePro

from sam_edge.errors import SessionError, TrackerError
from sam_edge.gaze import registry
from sam_edge.gaze.adapters.buffered import BufferedSource
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.source import GazeSource

if TYPE_CHECKING:
    from fake_lsl import FakeLsl


def make_lsl() -> FakeLsl:
    pytest.importorskip("pylsl")
    from fake_lsl import FakeLsl

    return FakeLsl()


FAKES: dict[str, Callable[[], Any]] = {
    "pupil-core": FakeCore,
    "neon": FakeCompanion,
    "invisible": FakeInvisible,
    "tobii-g3-rtsp": FakeGlasses,
    "tobii-g3-websocket": FakeGlassesSignals,
    "tobii-pro": FakePro,
    "gazepoint": FakeGazepoint,
    "lsl": make_lsl,
    "ray-udp": FakeHeadset,
    "ray-ws": FakeWebHeadset,
}
LISTENERS = {"ray-udp", "ray-ws"}
"""Sources that wait for the tracker to come to them."""
DATAGRAMS = {"neon", "invisible", "tobii-g3-rtsp", "ray-udp"}
"""Transports on which the system itself may lose packets."""


@pytest.fixture(params=sorted(FAKES))
def fake(request: pytest.FixtureRequest) -> Iterator[LiveFake]:
    tracker = FAKES[request.param]()
    tracker.id = request.param
    yield tracker
    tracker.stop()


@contextmanager
def opened(fake: LiveFake, **options: object) -> Iterator[GazeSource]:
    """The fake's source, connected, with the fake ready to send."""
    with registry.open(fake.url, **(fake.options | {"timeout": 4.0} | options)) as source:
        if fake.id in LISTENERS:
            fake.attach(source)
        fake.wait_ready()
        yield source


def send_all(fake: LiveFake, source: GazeSource, count: int) -> None:
    """Send and wait until all of it has arrived."""
    before = source.stats.received + source.stats.dropped
    fake.send(count)
    wait_until(
        lambda: source.stats.received + source.stats.dropped >= before + count,
        f"{count} samples of {fake.id}",
    )


def test_samples_come_in_order_and_complete(fake: LiveFake) -> None:
    with opened(fake) as source:
        began_ns = time.monotonic_ns()
        fake.send(150, interval_s=0.001)
        samples = collect(source, 150)
        ended_ns = time.monotonic_ns()
        assert [number_of(sample) for sample in samples] == list(range(150))
        times = [sample.time_ns for sample in samples]
        assert times == sorted(times)
        # Host time, to within what the sources themselves say of it and a scheduler's delay.
        slack_ns = max(present(sample.offset_uncertainty_ns) for sample in samples) + 100_000_000
        assert began_ns - slack_ns <= times[0] <= times[-1] <= ended_ns + slack_ns
        assert all(sample.device_time_ns is not None for sample in samples)
        report = source.stats
        assert report.received == 150
        assert (report.dropped, report.lost, report.malformed, report.duplicates, report.dropped_late) == (
            0,
        ) * 5
        assert (report.reconnects, report.clock_jumps, report.invalid) == (0, 0, 0)


def test_bad_packets_are_counted_and_harm_nothing(fake: LiveFake) -> None:
    with opened(fake) as source:
        fake.send(20, interval_s=0.001)
        before = collect(source, 20)
        for _ in range(20):
            fake.send_bad()
        fake.send(20, interval_s=0.001)
        after = collect(source, 20)
        assert [number_of(sample) for sample in before + after] == list(range(40))
        assert source.stats.malformed >= 3 * 20
        assert all(math.isfinite(sample.x_px) for sample in before + after)


def test_a_silent_tracker_is_an_error_and_may_come_back(fake: LiveFake) -> None:
    with opened(fake, timeout=0.4) as source:
        with pytest.raises(TrackerError, match=r"no gaze for 0\.4 s"):
            read_until_error(source)
        assert not source.finished

        def came_back() -> bool:
            # The source may be connecting anew just now: what is sent meanwhile is lost on the way.
            fake.send(1)
            try:
                return bool(source.read(0.05))
            except TrackerError:
                return False

        wait_until(came_back, "samples after the silence", 15.0)


def test_a_lost_connection_is_made_again(fake: LiveFake) -> None:
    with opened(fake, timeout=1.0) as source:
        fake.send(20, interval_s=0.001)
        samples = collect(source, 20)
        fake.drop()

        def back() -> bool:
            fake.send(1)
            time.sleep(0.02)
            try:
                samples.extend(source.read())
            except TrackerError:
                return False
            return source.stats.reconnects > 0 and len(samples) > 25

        wait_until(back, "samples after the reconnection", 15.0)
        assert source.stats.reconnects == 1
        numbers = [number_of(sample) for sample in samples]
        assert numbers[:20] == list(range(20))
        assert numbers == sorted(set(numbers))
        times = [sample.time_ns for sample in samples]
        assert times == sorted(times)


def test_a_flood_keeps_the_newest_and_counts_the_rest(fake: LiveFake) -> None:
    with opened(fake, buffer=100) as source:
        if fake.id in DATAGRAMS:
            for _ in range(10):
                send_all(fake, source, 100)
        else:
            send_all(fake, source, 1000)
        samples = source.read()
        assert [number_of(sample) for sample in samples] == list(range(900, 1000))
        assert source.stats.dropped == 900
        assert source.stats.received == 100


def test_closing_is_prompt_and_final(fake: LiveFake) -> None:
    with opened(fake) as source:
        fake.send(5, interval_s=0.001)
        collect(source, 5)
        source.close()
        source.close()
        assert source.read(5.0) == []
        assert source.finished
        assert list(source) == []
        assert not [thread for thread in threading.enumerate() if thread.name == f"gaze {source.name}"]
        assert isinstance(source, BufferedSource)
        with pytest.raises(SessionError, match="was closed"):
            source.open()


def test_a_clock_that_jumps_is_mapped_anew(fake: LiveFake) -> None:
    if fake.id == "lsl":
        pytest.skip("an outlet of this computer shares its clock")
    with opened(fake) as source:
        fake.send(60, interval_s=0.002)
        collect(source, 60)
        for jump_s in (100.0, -50.0):
            fake.jump_clock(jump_s)
            jumps = source.stats.clock_jumps

            def settled(jumps: int = jumps) -> bool:
                fake.send(1)
                now_ns = time.monotonic_ns()
                samples = source.read(0.02)
                near = [sample for sample in samples if abs(sample.time_ns - now_ns) < 500_000_000]
                assert len(near) == len(samples), f"off by {samples[0].time_ns - now_ns} ns"
                return bool(samples) and source.stats.clock_jumps > jumps

            wait_until(settled, f"a jump of {jump_s} s found", 10.0)


def test_making_a_source_opens_nothing(fake: LiveFake) -> None:
    address = SourceAddress(fake.url, fake.options)
    source = registry._table()[address.scheme][1](address)
    time.sleep(0.02)
    assert fake.connections == 0
    with pytest.raises(SessionError, match="not open"):
        source.read()
    source.close()
    assert source.finished


@pytest.mark.parametrize(
    "url",
    [
        "pupil-core://127.0.0.1:1?size=8x8",
        "neon://127.0.0.1:1",
        "tobii-g3://127.0.0.1:1",
        "tobii-g3://127.0.0.1:1?via=websocket",
        "tobii-g3://127.0.0.1:1?clock=arrival&rtsp_port=1",
        "gazepoint://127.0.0.1:1",
        "neon://name.invalid",
        "lsl://?name=nobody_has_this_name&timeout=0.5",
    ],
)
def test_an_unreachable_tracker_is_a_clear_error(url: str) -> None:
    if url.startswith("lsl"):
        pytest.importorskip("pylsl")
    options = {} if "timeout" in url else {"timeout": 0.3}
    with pytest.raises(TrackerError, match="cannot be reached within"):
        registry.open(url, **options)
