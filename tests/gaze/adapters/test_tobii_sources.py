"""Tobii: Glasses 3 over RTSP and WebSocket, and the Pro SDK's dictionaries."""

from __future__ import annotations

import importlib
import json
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fake_base import present

from sam_edge.gaze.source import GazeSource

pytest.importorskip("websockets")

from fake_base import HEIGHT, WIDTH, collect, number_of, read_until_error, wait_until
from fake_glasses import FakeGlasses, FakeGlassesSignals, gaze_object
from fake_pro import FakePro
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError, InputError, TrackerError
from sam_edge.gaze import registry
from sam_edge.gaze.adapters import tobii_g3, tobii_pro
from sam_edge.gaze.adapters.fields import json_object


@pytest.fixture
def glasses() -> Iterator[FakeGlasses]:
    fake = FakeGlasses()
    yield fake
    fake.stop()


@pytest.fixture
def signals() -> Iterator[FakeGlassesSignals]:
    fake = FakeGlassesSignals()
    yield fake
    fake.stop()


def open_glasses(fake: FakeGlasses, **options: object) -> GazeSource:
    source = registry.open(fake.url, **(fake.options | {"timeout": 3.0} | options))
    fake.wait_ready()
    return source


def test_gaze_is_pixels_and_the_ray_is_in_camera_space(glasses: FakeGlasses) -> None:
    with open_glasses(glasses) as source:
        glasses.send(1)
        (sample,) = collect(source, 1)
    assert (sample.x_px, sample.y_px) == (0.0, 0.0)
    assert (sample.left_valid, sample.right_valid) == (True, True)
    # Head unit: +x left, +y up. Camera: +x right, +y down.
    assert present(sample.ray).origin_m == pytest.approx((0.0, 0.010, -0.020))
    length = math.hypot(100, -60, 1000)
    assert present(sample.ray).direction == pytest.approx((100 / length, -60 / length, 1000 / length))
    assert sample.depth_m == pytest.approx(length / 1000)


def test_the_gaze_media_is_chosen_and_nothing_else(glasses: FakeGlasses) -> None:
    with open_glasses(glasses):
        setups = [request for request in glasses.rtsp.requests if request.startswith("SETUP")]
    assert [setup.rsplit("/", 1)[1] for setup in setups] == ["stream=2"]


def test_the_glasses_clock_is_asked_for(glasses: FakeGlasses) -> None:
    with open_glasses(glasses) as source:
        media_ns, host_ns = glasses.media_ns(), time.monotonic_ns()
        glasses.rtsp.send_control(glasses.rtsp.sender_report(media_ns, glasses.wall_ns(media_ns)))
        glasses.rtsp.send_media(glasses.rtsp.rtp(b"{}", media_ns))
        (sample,) = collect(source, 1)
    assert "system.time" in glasses.paths
    assert abs(sample.time_ns - host_ns) <= present(sample.offset_uncertainty_ns) + 200_000
    assert not sample.valid


def test_without_the_web_socket_arrival_counts(glasses: FakeGlasses) -> None:
    with open_glasses(glasses, clock="arrival") as source:
        glasses.send(5, interval_s=0.002)
        samples = collect(source, 5)
    assert glasses.accepted == 0
    assert abs(samples[-1].time_ns - time.monotonic_ns()) < 500_000_000


def test_absent_fields_mean_that_nothing_was_measured() -> None:
    empty = tobii_g3.parse_gaze({})
    assert math.isnan(empty.x)
    assert (empty.left_valid, empty.right_valid, empty.ray) == (False, False, None)
    one = gaze_object(5)
    one["eyeright"] = {}
    parsed = tobii_g3.parse_gaze(one)
    assert (parsed.left_valid, parsed.right_valid) == (True, False)
    assert present(parsed.ray).origin_m == pytest.approx((-0.030, 0.010, -0.020))


def test_the_clock_s_text_says_its_resolution() -> None:
    at = 1_714_566_600_000_000_000
    assert tobii_g3.parse_time("2024-05-01T12:30:00Z") == (at, 1_000_000_000)
    assert tobii_g3.parse_time("2024-05-01T12:30:00.25Z") == (at + 250_000_000, 10_000_000)
    assert tobii_g3.parse_time("2024-05-01T12:30:00.123456") == (at + 123_456_000, 1000)
    for wrong in (None, 5, "", "yesterday", "2024-13-01T12:30:00Z", "2024-05-01T12:30:00+02:00"):
        with pytest.raises(TrackerError, match="time"):
            tobii_g3.parse_time(wrong)


def test_signals_need_to_be_kept_alive(signals: FakeGlassesSignals) -> None:
    with open_glasses(signals) as source:
        signals.send(3)
        assert [number_of(sample) for sample in collect(source, 3)] == [0, 1, 2]
        signals.send_message({"signal": 99, "body": [1.0, {}]})
        signals.send_message({"id": 12345, "body": True})
        signals.send(1)
        assert number_of(collect(source, 1)[0]) == 3
    assert signals.paths[:2] == ["rudimentary:gaze", "rudimentary!keepalive"]


def test_a_refused_signal_is_an_error(signals: FakeGlassesSignals, monkeypatch: pytest.MonkeyPatch) -> None:
    original = json.loads
    monkeypatch.setattr(
        "fake_glasses.json.loads", lambda text: original(text.replace("rudimentary:gaze", "nothing"))
    )
    with pytest.raises(TrackerError, match=r"refuses rudimentary:gaze|rudimentary"):
        registry.open(signals.url, **(signals.options | {"timeout": 1.0}))


@pytest.mark.parametrize("option", [{"via": "pigeon"}, {"clock": "sundial"}])
def test_unknown_options_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="accepted are"):
        tobii_g3.TobiiGlassesSource("host", **option)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(["gaze2d", "gaze3d", "eyeleft", "eyeright"]),
    JSON | st.dictionaries(st.sampled_from(["gazeorigin", "gazedirection"]), JSON | st.just([1.0, 2.0, 3.0])),
)


@given(FIELDS)
def test_any_gaze_object_is_read_or_refused(message: dict[str, object]) -> None:
    try:
        parsed = tobii_g3.parse_gaze(message)
    except GazeDataError:
        return
    assert not math.isinf(parsed.x)


@given(st.binary(max_size=300))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        assert isinstance(json_object(data, limit=200, what="it"), dict)
    except GazeDataError:
        return


@pytest.fixture
def pro() -> FakePro:
    return FakePro()


def open_pro(fake: FakePro, **options: object) -> GazeSource:
    source = registry.open(fake.url, **(fake.options | {"timeout": 3.0} | options))
    fake.wait_ready()
    return source


def test_the_valid_eyes_are_averaged(pro: FakePro) -> None:
    with open_pro(pro) as source:
        good = pro.dictionary(0, pro.system_us())
        left, right = "left_gaze_point_on_display_area", "right_gaze_point_on_display_area"
        nan = (math.nan, math.nan)
        variants: list[dict[str, object]] = [
            {left: (0.2, 0.4), right: (0.4, 0.8)},
            {left: (0.2, 0.4), right: nan, "right_gaze_point_validity": 0},
            {left: (0.9, 0.9), "left_gaze_point_validity": 0, right: (0.4, 0.8)},
            {left: nan, right: nan, "left_gaze_point_validity": 0, "right_gaze_point_validity": 0},
            {left: nan, right: nan},
        ]
        for step, variant in enumerate(variants):
            stamps = {"system_time_stamp": pro.system_us() + step, "device_time_stamp": 10**9 + step}
            pro.push(good | variant | stamps)
        samples = collect(source, 5)
    points = [(sample.x_px, sample.y_px) for sample in samples[:3]]
    assert points[0] == pytest.approx((0.3 * WIDTH, 0.6 * HEIGHT))
    assert points[1] == pytest.approx((0.2 * WIDTH, 0.4 * HEIGHT))
    assert points[2] == pytest.approx((0.4 * WIDTH, 0.8 * HEIGHT))
    assert [(s.left_valid, s.right_valid) for s in samples] == [
        (True, True),
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]
    assert source.stats.invalid == 2


def test_times_are_microseconds_of_the_sdk_s_clock(pro: FakePro) -> None:
    with open_pro(pro) as source:
        host_ns = time.monotonic_ns()
        pro.send(1)
        (sample,) = collect(source, 1)
    assert abs(sample.time_ns - host_ns) <= present(sample.offset_uncertainty_ns) + 2_000_000
    assert sample.device_time_ns == pytest.approx((host_ns / 1e9 + pro.offset_s + 900.0) * 1e9, abs=5e6)


def test_a_device_clock_in_another_unit_is_an_error(pro: FakePro) -> None:
    pro.rate = 1e-3
    with open_pro(pro) as source, pytest.raises(TrackerError, match="times the host's rate"):
        read_until_error(source, lambda: pro.send(1))


def test_the_wanted_tracker_is_found_or_named(pro: FakePro) -> None:
    with registry.open("tobii-pro://", **pro.options) as source:
        pro.send(1)
        assert collect(source, 1)
    with pytest.raises(TrackerError, match="finds these trackers: TP-1; wanted is TP-2"):
        registry.open("tobii-pro://TP-2", timeout=0.3, **pro.options)


def test_errors_of_the_sdk_are_ours(pro: FakePro) -> None:
    pro.gone = True
    with pytest.raises(TrackerError, match="ConnectionFailedError: no tracker"):
        registry.open(pro.url, timeout=0.3, **pro.options)


def test_a_missing_sdk_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ImportError(name)

    source = tobii_pro.TobiiProSource(size=(8, 8))
    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(TrackerError, match="pip install tobii-research"):
        source.open()


def test_unplugging_is_noticed(pro: FakePro) -> None:
    with open_pro(pro, timeout=0.4) as source:
        pro.drop()
        with pytest.raises(TrackerError, match=r"no gaze for 0\.4 s"):
            read_until_error(source)
        wait_until(lambda: pro.callback is not None, "a new subscription")
