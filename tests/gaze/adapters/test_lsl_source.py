"""Lab Streaming Layer: channels by what they say, over real loopback streams."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from fake_base import HEIGHT, WIDTH, collect, number_of, present, wait_until
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import TrackerError
from sam_edge.gaze import registry
from sam_edge.gaze.adapters.lsl import LslSource
from sam_edge.gaze.adapters.lsl_layout import Channel, GazeLayout

pylsl = pytest.importorskip("pylsl")

from fake_lsl import PUPIL_CHANNELS, FakeLsl  # noqa: E402

NAN = math.nan


def layout(*channels: tuple[str, ...], size: tuple[int, int] | None = (100, 200)) -> GazeLayout:
    described = [Channel(*(channel + ("",) * (4 - len(channel)))) for channel in channels]
    return GazeLayout(described, size=size, stream="test")


def test_the_convention_of_pupil_labs() -> None:
    read = layout(*PUPIL_CHANNELS, size=(HEIGHT, WIDTH)).read
    gaze = present(read([0.8, 0.25, 0.9, 10.0, -20.0, 500.0, 30.0, 10.0, -20.0, -30.0, 10.0, -20.0]))
    assert (gaze.x_px, gaze.y_px) == pytest.approx((0.25 * WIDTH, 0.1 * HEIGHT))
    assert gaze.confidence == 0.8
    assert present(gaze.ray).origin_m == pytest.approx((0.0, 0.010, -0.020))
    assert gaze.depth_m == pytest.approx(math.hypot(10, -30, 520) / 1000)
    monocular = present(read([0.8, 0.25, 0.9, 10.0, -20.0, 500.0, 30.0, 10.0, -20.0, NAN, NAN, NAN]))
    assert present(monocular.ray).origin_m == pytest.approx((0.030, 0.010, -0.020))
    assert monocular.depth_m is None
    assert present(read([0.0, 0.25, 0.9] + [NAN] * 9)).confidence == 0.0


def test_the_order_of_channels_does_not_matter() -> None:
    read = layout(("y", "ScreenY", "pixels"), ("other", "Misc", "V"), ("x", "ScreenX", "pixels")).read
    gaze = present(read([7.0, 99.0, 5.0]))
    assert (gaze.x_px, gaze.y_px) == (5.0, 7.0)
    assert (gaze.left_valid, gaze.right_valid, gaze.confidence) == (None, None, 1.0)


def test_glasses_3() -> None:
    read = layout(("gaze2d.x", "", "normalized"), ("gaze2d.y", "", "normalized")).read
    gaze = present(read([0.5, 0.25]))
    assert (gaze.x_px, gaze.y_px) == (100.0, 25.0)


def test_both_eyes_of_the_tobii_pro_sdk() -> None:
    read = layout(
        ("left_gaze_point_on_display_area_x",),
        ("left_gaze_point_on_display_area_y",),
        ("left_gaze_point_validity",),
        ("left_pupil_validity",),
        ("right_gaze_point_on_display_area_0",),
        ("right_gaze_point_on_display_area_1",),
        ("right_gaze_point_validity",),
    ).read
    gaze = present(read([0.2, 0.4, 1.0, 0.0, 0.4, 0.8, 1.0]))
    assert (gaze.x_px, gaze.y_px) == pytest.approx((60.0, 60.0))
    one = present(read([0.2, 0.4, 0.0, 1.0, 0.4, 0.8, 1.0]))
    assert (one.x_px, one.y_px) == pytest.approx((80.0, 80.0))
    assert (one.left_valid, one.right_valid) == (False, True)
    assert math.isnan(present(read([NAN] * 7)).x_px)


@pytest.mark.parametrize(
    ("channels", "values", "expected"),
    [
        # Tobii Pro connector, Titta, Eye Tribe, Pupil Invisible relay, SMI: as these describe themselves.
        (
            (
                ("left_x", "ScreenX", "screencoords", "left"),
                ("left_y", "ScreenY", "screencoords", "left"),
                ("right_x", "ScreenX", "screencoords", "right"),
                ("right_y", "ScreenY", "screencoords", "right"),
            ),
            [0.1, 0.1, 0.3, 0.3],
            (40.0, 20.0),
        ),
        (
            (
                ("x.position_on_display_area.gaze_point.left_eye", "ScreenX", "normalized", "left"),
                ("y.position_on_display_area.gaze_point.left_eye", "ScreenY", "normalized", "left"),
            ),
            [0.5, 0.5],
            (100.0, 50.0),
        ),
        (
            (("Screen_X", "ScreenX", "pixels", "both"), ("Screen_Y", "ScreenY", "pixels", "both")),
            [3.0, 4.0],
            (3.0, 4.0),
        ),
        ((("xpos", "", "px"), ("ypos", "", "px")), [3.0, 4.0], (3.0, 4.0)),
        ((("gaze_x", "", "pixels"), ("gaze_y", "", "pixels")), [3.0, 4.0], (3.0, 4.0)),
        (
            (
                ("Screen_X_left", "ScreenX", "pixels", "left"),
                ("Screen_Y_left", "ScreenY", "pixels", "left"),
                ("Screen_X_both", "ScreenX", "pixels", "both"),
                ("Screen_Y_both", "ScreenY", "pixels", "both"),
            ),
            [1.0, 2.0, 3.0, 4.0],
            (3.0, 4.0),
        ),
    ],
)
def test_layouts_of_other_senders(
    channels: tuple[tuple[str, ...], ...], values: list[float], expected: tuple[float, float]
) -> None:
    gaze = present(layout(*channels).read(values))
    assert (gaze.x_px, gaze.y_px) == pytest.approx(expected)


@pytest.mark.parametrize(
    "channels",
    [
        (),
        (("a",), ("b",)),
        (("x", "", "volts"), ("y", "", "volts")),
        (("norm_pos_x",),),
        (("x", "ScreenX", "parsecs"), ("y", "ScreenY", "parsecs")),
    ],
)
def test_an_unknown_layout_lists_what_was_found(channels: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(TrackerError, match=r"no known gaze position.*channels are: ") as caught:
        layout(*channels)
    for channel in channels:
        assert repr(channel[0]) in str(caught.value)


def test_fractions_need_a_size() -> None:
    with pytest.raises(TrackerError, match="size=WIDTHxHEIGHT"):
        layout(*PUPIL_CHANNELS, size=None)
    gaze = layout(("x", "", "px"), ("y", "", "px"), size=None).read([1.0, 2.0])
    assert present(gaze).x_px == 1.0


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=0, max_size=14))
def test_any_values_are_read_or_refused(values: list[float]) -> None:
    gaze = layout(*PUPIL_CHANNELS).read(values)
    assert gaze is None or not (math.isinf(gaze.x_px) or math.isinf(gaze.y_px))


def test_lsl_times_are_host_times() -> None:
    fake = FakeLsl()
    with registry.open(fake.url, timeout=4.0, **fake.options) as source:
        fake.wait_ready()
        for _ in range(10):
            host_ns = time.monotonic_ns()
            fake.send(1)
            (sample,) = collect(source, 1)
            assert abs(sample.time_ns - host_ns) <= present(sample.offset_uncertainty_ns) + 3_000_000
            assert present(sample.offset_uncertainty_ns) < 50_000_000
    fake.stop()


def test_ten_times_the_stated_rate_is_nothing_special() -> None:
    fake = FakeLsl()
    with registry.open(fake.url, timeout=4.0, **fake.options) as source:
        fake.wait_ready()
        fake.send(5000)
        assert [number_of(sample) for sample in collect(source, 5000)] == list(range(5000))
    fake.stop()


def test_all_nan_stretches_are_invalid_samples() -> None:
    fake = FakeLsl()
    with registry.open(fake.url, timeout=4.0, **fake.options) as source:
        fake.wait_ready()
        for _ in range(20):
            fake.push([NAN] * len(PUPIL_CHANNELS))
        samples = collect(source, 20)
        assert not any(sample.valid for sample in samples)
        assert source.stats.invalid == 20
    fake.stop()


def test_two_streams_must_be_told_apart() -> None:
    kind = f"Gaze_{time.monotonic_ns()}"
    outlets = [
        pylsl.StreamOutlet(pylsl.StreamInfo("same", kind, 2, 0, pylsl.cf_double64, name))
        for name in ("a1", "b1")
    ]
    with pytest.raises(TrackerError, match=r"2 streams match .*Choose one by name or source_id"):
        registry.open(f"lsl://?type={kind}&name=same", timeout=3.0)
    with pytest.raises(TrackerError, match="no known gaze position"):
        registry.open(f"lsl://?type={kind}&source_id=b1", timeout=3.0)
    del outlets


def test_a_stream_of_text_is_no_gaze() -> None:
    info = pylsl.StreamInfo("text_as_gaze", "Gaze", 1, 0, pylsl.cf_string, "text_as_gaze")
    outlet = pylsl.StreamOutlet(info)
    with pytest.raises(TrackerError, match="does not hold floating point numbers"):
        registry.open("lsl://?name=text_as_gaze", timeout=3.0)
    del outlet


class CountedSyncs(LslSource):
    """Counts how often the clocks are compared before samples are passed on."""

    syncs = 0

    def _first_sync(self, inlet: Any) -> None:
        self.syncs += 1
        super()._first_sync(inlet)


def reconnect(fake: FakeLsl, source: CountedSyncs) -> None:
    """End the outlet, and open another one of the same stream."""
    before = source.stats.reconnects
    fake.drop()
    wait_until(lambda: source.stats.reconnects > before, "a reconnect")
    fake.wait_ready()


def test_a_sender_that_is_started_anew_keeps_its_clock_and_another_clock_is_noticed() -> None:
    fake = FakeLsl()
    source = CountedSyncs(stream=fake.name, source_id=f"id_{fake.name}", size=(HEIGHT, WIDTH), timeout_s=4.0)
    with source:
        fake.wait_ready()
        fake.send(1)
        collect(source, 1)
        reconnect(fake, source)
        host_ns = time.monotonic_ns()
        fake.send(1)
        (sample,) = collect(source, 1)
        assert abs(sample.time_ns - host_ns) <= present(sample.offset_uncertainty_ns) + 3_000_000
        assert source.syncs == 1
        reconnect(fake, source)
        # As from a computer that was started anew: its clock differs by more than a sample may be late.
        fake.push([0.9, 0.5, 0.5] + [NAN] * 9, pylsl.local_clock() + 3.0)
        collect(source, 1)
        assert source.syncs == 2
    fake.stop()
