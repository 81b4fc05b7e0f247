"""Pupil Core: positions, rays, pairs of eyes, frame size, and hostile messages."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from fake_base import present

from sam_edge.gaze.source import GazeSource

pytest.importorskip("zmq")
pytest.importorskip("msgpack")

import msgpack
from fake_base import HEIGHT, WIDTH, collect, number_of, read_until_error, wait_until
from fake_core import FakeCore
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError, TrackerError
from sam_edge.gaze import registry
from sam_edge.gaze.adapters.pupil_core import PupilCoreSource, parse_gaze


@pytest.fixture
def capture() -> Iterator[FakeCore]:
    fake = FakeCore()
    yield fake
    fake.stop()


def open_capture(fake: FakeCore, **options: object) -> GazeSource:
    source = registry.open(fake.url, **(fake.options | {"timeout": 3.0} | options))
    fake.wait_ready()
    return source


def test_positions_are_flipped_and_rays_are_metres(capture: FakeCore) -> None:
    with open_capture(capture) as source:
        now_s = capture.now_s()
        host_ns = time.monotonic_ns()
        capture.publish("gaze.3d.01.", capture.datum(0, now_s) | {"norm_pos": [0.25, 0.9]})
        (sample,) = collect(source, 1)
    assert (sample.x_px, sample.y_px) == pytest.approx((0.25 * WIDTH, 0.1 * HEIGHT))
    assert sample.confidence == pytest.approx(0.95)
    assert (sample.left_valid, sample.right_valid) == (True, True)
    assert present(sample.ray).origin_m == pytest.approx((0.0, 0.010, -0.020))
    length = math.hypot(10, -30, 520)
    assert present(sample.ray).direction == pytest.approx((10 / length, -30 / length, 520 / length))
    assert sample.depth_m == pytest.approx(length / 1000)
    assert abs(sample.time_ns - host_ns) <= present(sample.offset_uncertainty_ns) + 1_000_000
    assert sample.device_time_ns == pytest.approx(now_s * 1e9, abs=1000)


def test_one_eye_has_a_ray_but_no_depth(capture: FakeCore) -> None:
    with open_capture(capture) as source:
        capture.publish("gaze.3d.0.", capture.datum(1, capture.now_s(), "gaze.3d.0."))
        (sample,) = collect(source, 1)
    assert (sample.left_valid, sample.right_valid) == (False, True)
    assert present(sample.ray).direction == (0.0, 0.0, 1.0)
    assert sample.depth_m is None


def test_the_2d_pipeline_has_no_ray(capture: FakeCore) -> None:
    with open_capture(capture) as source:
        datum = capture.datum(7, capture.now_s(), "gaze.2d.1.")
        del datum["gaze_point_3d"]
        capture.publish("gaze.2d.1.", datum)
        (sample,) = collect(source, 1)
    assert number_of(sample) == 7
    assert sample.ray is None
    assert (sample.left_valid, sample.right_valid) == (True, False)


def test_monocular_repetitions_of_a_pair_are_duplicates(capture: FakeCore) -> None:
    with open_capture(capture) as source:
        time_s = capture.now_s()
        pair = capture.datum(1, time_s)
        capture.publish("gaze.3d.01.", pair)
        # The same pupil datum again, for one eye; then another one that belongs to no pair.
        capture.publish("gaze.3d.0.", capture.datum(2, time_s, "gaze.3d.0."))
        capture.publish("gaze.3d.1.", capture.datum(3, time_s + 0.005, "gaze.3d.1."))
        assert [number_of(sample) for sample in collect(source, 2)] == [1, 3]
        assert source.stats.duplicates == 1


def test_pairs_without_base_data_are_known_by_time(capture: FakeCore) -> None:
    with open_capture(capture) as source:
        time_s = capture.now_s()
        capture.publish("gaze.3d.01.", capture.datum(1, time_s) | {"base_data": []})
        capture.publish("gaze.3d.0.", capture.datum(2, time_s + 0.0001, "gaze.3d.0.") | {"base_data": []})
        capture.publish("gaze.3d.0.", capture.datum(3, time_s + 0.02, "gaze.3d.0.") | {"base_data": []})
        assert [number_of(sample) for sample in collect(source, 2)] == [1, 3]
        assert source.stats.duplicates == 1


def test_low_confidence_is_passed_on_and_none_is_invalid(capture: FakeCore) -> None:
    with open_capture(capture) as source:
        for step, confidence in enumerate((0.2, 0.0, 7.0)):
            datum = capture.datum(step, capture.now_s() + step * 0.01)
            capture.publish("gaze.3d.01.", datum | {"confidence": confidence})
        samples = collect(source, 3)
    assert [sample.confidence for sample in samples] == [0.2, 0.0, 1.0]
    assert [sample.valid for sample in samples] == [True, False, True]
    assert source.stats.invalid == 1


def test_the_frame_size_comes_from_the_video() -> None:
    fake = FakeCore(with_size=False)
    try:
        with open_capture(fake) as source:
            wait_until(lambda: b"frame.world" in fake.subscribed, "a subscription to frames")
            fake.send(5)
            assert source.read(0.1) == []
            frame = {"topic": "frame.world", "width": WIDTH, "height": HEIGHT, "index": 1, "format": "bgr"}
            fake.publish("frame.world", frame, bytes(64))
            assert [number_of(sample) for sample in collect(source, 5)] == [0, 1, 2, 3, 4]
            wait_until(lambda: b"frame.world" not in fake.subscribed, "the end of the subscription")
    finally:
        fake.stop()


def test_an_unknown_frame_size_says_what_to_do() -> None:
    fake = FakeCore(with_size=False)
    try:
        with open_capture(fake, timeout=0.4) as source:
            with pytest.raises(TrackerError, match="no gaze"):
                read_until_error(source, lambda: fake.send(1))
            with pytest.raises(TrackerError, match=r"size=1280x720, or start the Frame Publisher"):
                read_until_error(source, lambda: fake.send(1))
    finally:
        fake.stop()


def test_frames_of_impossible_size_are_malformed() -> None:
    fake = FakeCore(with_size=False)
    try:
        with open_capture(fake) as source:
            for frame in (
                {},
                {"width": 0, "height": 5},
                {"width": 1e9, "height": 5},
                {"width": "x", "height": 1},
                3,
            ):
                fake.publish("frame.world", frame)
            wait_until(lambda: source.stats.malformed == 5, "five malformed frames")
    finally:
        fake.stop()


def test_another_server_than_pupil_remote_is_an_error(
    capture: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "_answer", lambda _question: capture._remote.send_string("hello"))
    with pytest.raises(TrackerError, match="is this Pupil Remote"):
        registry.open(capture.url, timeout=1.0, size="8x8")


def test_a_clock_in_another_unit_is_an_error(capture: FakeCore) -> None:
    capture.rate = 1000.0
    with open_capture(capture) as source, pytest.raises(TrackerError, match="times the host's rate"):
        read_until_error(source, lambda: capture.send(1))
    assert source.finished


def test_gaze_in_another_unit_than_the_clock_is_an_error(capture: FakeCore) -> None:
    with open_capture(capture) as source:
        for number in range(250):
            capture.publish("gaze.3d.01.", capture.datum(number, capture.now_s() * 1000 + number))
        with pytest.raises(TrackerError, match="in a row are wrong"):
            read_until_error(source)
        assert source.stats.malformed >= 200


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "norm_pos",
    "timestamp",
    "confidence",
    "base_data",
    "gaze_point_3d",
    "eye_centers_3d",
    "gaze_normals_3d",
    "eye_center_3d",
    "gaze_normal_3d",
)


@given(st.text(max_size=20), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_datum_is_read_or_refused(topic: str, datum: object) -> None:
    try:
        parsed = parse_gaze(topic, datum)
    except GazeDataError:
        return
    assert 0.0 <= parsed.confidence <= 1.0
    assert not math.isinf(parsed.x)


GOOD = msgpack.packb(FakeCore.datum(5, 1.0), use_bin_type=True)
unpacker = PupilCoreSource("127.0.0.1", size=(8, 8))
unpacker._prepare()


@given(
    st.binary(max_size=60)
    | st.integers(0, len(GOOD)).map(lambda cut: GOOD[:cut] + b"\xc7\xff\x01" + GOOD[cut:])
)
def test_any_bytes_are_unpacked_or_refused(data: bytes) -> None:
    try:
        parse_gaze("gaze.3d.01.", unpacker._unpack(data))
    except GazeDataError:
        return


@pytest.mark.parametrize(
    "data", [b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b""]
)
def test_bombs_are_refused_without_growth(data: bytes) -> None:
    with pytest.raises(GazeDataError):
        unpacker._unpack(data)
