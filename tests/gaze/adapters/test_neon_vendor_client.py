"""The fake Companion app against the vendor's own client: what it accepts, ours must read alike."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from fake_base import collect, present
from fake_companion import FakeCompanion

from sam_edge.gaze import registry

vendor = pytest.importorskip("pupil_labs.realtime_api", reason="pupil-labs-realtime-api is not installed")


def vendor_gaze(fake: FakeCompanion, count: int) -> tuple[list[Any], float]:
    """Read `count` gaze data, and the clock offset in milliseconds, through the vendor's client."""
    from pupil_labs.realtime_api.time_echo import TimeOffsetEstimator

    async def read() -> tuple[list[Any], float]:
        async with vendor.Device("127.0.0.1", fake.http.port) as device:
            status = await device.get_status()
            sensor = status.direct_gaze_sensor()
            estimate = await TimeOffsetEstimator("127.0.0.1", status.phone.time_echo_port).estimate()
            data = []
            async for datum in vendor.receive_gaze_data(sensor.url, run_loop=True):
                data.append(datum)
                if len(data) == count:
                    return data, estimate.time_offset_ms.mean
        raise AssertionError("the stream ended")

    return asyncio.run(asyncio.wait_for(read(), 20))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("length", [9, 17, 25, 65, 89, 105])
def test_ours_and_the_vendor_s_read_the_same(length: int) -> None:
    fake = FakeCompanion()
    fake.length = length
    stop = threading.Event()

    def pump() -> None:
        while not stop.is_set():
            if fake.rtsp.client_ports is not None:
                fake.send(1)
            stop.wait(0.004)

    pumping = threading.Thread(target=pump, daemon=True)
    pumping.start()
    try:
        theirs, offset_ms = vendor_gaze(fake, 40)
        with registry.open(fake.url, timeout=3.0) as source:
            ours = collect(source, 40)
    finally:
        stop.set()
        pumping.join()
        fake.stop()

    def point(datum: Any) -> tuple[float, float]:
        return (datum.left.x, datum.left.y) if length == 17 else (datum.x, datum.y)

    def number(x: float, y: float) -> int:
        return round(x) + 1000 * round(y)

    their_numbers = [number(*point(datum)) for datum in theirs]
    our_numbers = [number(sample.x_px, sample.y_px) for sample in ours]
    assert their_numbers == list(range(their_numbers[0], their_numbers[0] + 40))
    assert our_numbers == list(range(our_numbers[0], our_numbers[0] + 40))
    # Both clients relate a number to the same wall clock: the fake's media time is common to them.
    wall_of_theirs = theirs[0].timestamp_unix_seconds
    wall_of_ours = present(ours[0].device_time_ns) / 1e9
    assert abs(wall_of_theirs - fake.wall_ns(0) / 1e9) < 60
    assert 0 < wall_of_ours - wall_of_theirs < 60
    # The vendor's estimate is host wall clock minus phone; ours goes to the monotonic clock.
    import time

    ours_ms = (
        ours[-1].time_ns + (time.time_ns() - time.monotonic_ns()) - present(ours[-1].device_time_ns)
    ) / 1e6
    assert abs(ours_ms - offset_ms) < 3.0
