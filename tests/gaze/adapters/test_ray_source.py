"""Ray packets: both forms, the projection against OpenCV and by hand, senders, and hostile packets."""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.adapters.ray import RaySource
from sam_edge.gaze.adapters.ray_packets import Packet

pytest.importorskip("websockets")

from fake_base import collect, number_of, present, read_until_error, wait_until
from fake_headset import FakeHeadset
from hypothesis import given
from hypothesis import strategies as st

from sam_edge.errors import GazeDataError, InputError, TrackerError
from sam_edge.gaze import registry
from sam_edge.gaze.adapters.ray_packets import (
    CameraPacket,
    EyeState,
    PacketHead,
    PointPacket,
    RayPacket,
    decode,
    encode_binary,
    encode_json,
)
from sam_edge.gaze.adapters.ray_projection import Pose, RayCamera, Vector
from sam_edge.gaze.samples import GazeRay

HEAD = PacketHead(7, 1_000_000_000, 999_000_000)
CAMERA = RayCamera(640, 480, 500.0, 510.0, 320.0, 240.0)
QUARTER = math.sqrt(0.5)

floats = st.floats(-100, 100, width=32)
vectors = st.tuples(floats, floats, floats)
heads = st.builds(
    PacketHead, st.integers(0, 2**32 - 1), st.integers(-(2**63), 2**63 - 1), st.none() | st.integers(1, 2**62)
)
maybe = st.none() | st.booleans()
states = st.builds(EyeState, st.booleans(), st.floats(0, 1, width=32), maybe, maybe)
depths = st.none() | st.floats(0.125, 100, width=32)
poses = st.builds(
    Pose, vectors, st.sampled_from([(0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, 0.0), (0.0, -1.0, 0.0, 0.0)])
)
axes = st.sampled_from(["openxr", "camera"])
rays = st.builds(
    RayPacket,
    heads,
    states,
    vectors,
    vectors,
    depths,
    axes,
    st.sampled_from(["head", "world", "camera"]),
    st.none() | poses,
)
points = st.builds(PointPacket, heads, states, floats, floats, depths)
cameras = st.builds(
    RayCamera,
    st.integers(1, 65535),
    st.integers(1, 65535),
    st.floats(1, 1000, width=32),
    st.floats(1, 1000, width=32),
    floats,
    floats,
    st.tuples(floats, floats, floats, floats, floats),
    poses,
    axes,
)
packets = rays | points | st.builds(CameraPacket, heads, cameras)


@given(packets)
def test_what_is_written_is_read_again(packet: Packet) -> None:
    assert decode(encode_binary(packet)) == packet
    assert decode(encode_json(packet)) == packet
    assert decode(encode_json(packet).encode()) == packet


def test_the_binary_form_is_as_documented() -> None:
    packet = RayPacket(
        HEAD,
        EyeState(True, 0.5, True, False),
        (0.25, 0.5, 0.75),
        (0.0, 0.0, -1.0),
        depth_m=2.0,
        axes="openxr",
        space="world",
        head_pose=Pose((1.0, 2.0, 3.0), (0.0, 1.0, 0.0, 0.0)),
    )
    flags = 0b0000_0001_0010_1111
    expected = struct.pack("!4sBBHIqq", b"SEGZ", 1, 1, flags, 7, 1_000_000_000, 999_000_000)
    expected += struct.pack("!15f", 0.5, 2.0, 0.25, 0.5, 0.75, 0, 0, -1, 1, 2, 3, 0, 1, 0, 0)
    assert encode_binary(packet) == expected
    assert len(expected) == 88
    assert len(encode_binary(PointPacket(HEAD, EyeState(), 1.0, 2.0))) == 44
    assert len(encode_binary(CameraPacket(HEAD, CAMERA))) == 96


@given(
    st.binary(max_size=120)
    | st.tuples(packets, st.integers(0, 95), st.integers(0, 255)).map(
        lambda parts: bytes(
            byte if index != parts[1] else parts[2] for index, byte in enumerate(encode_binary(parts[0]))
        )
    )
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        packet = decode(data)
    except GazeDataError:
        return
    if isinstance(packet, RayPacket):
        try:
            CAMERA.ray(
                packet.origin_m, packet.direction, space=packet.space, axes=packet.axes, head=packet.head_pose
            )
        except GazeDataError:
            return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(packets, st.integers(0, 11), JSON)
def test_any_field_is_read_or_refused(packet: Packet, index: int, value: object) -> None:
    fields = json.loads(encode_json(packet))
    fields[sorted(fields)[index % len(fields)]] = value
    try:
        decode(json.dumps(fields))
    except GazeDataError:
        return


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "an object is accepted"),
        (b'{"sam_edge_ray": 2}', "version 2; accepted is 1"),
        (b'{"sam_edge_ray": true}', "version True"),
        (b"SEGZ", "shorter than its header"),
        (encode_binary(CameraPacket(HEAD, CAMERA))[:-1], "accepted is 96"),
        (b"SEGZ\x02" + bytes(40), "version 2"),
        (b"SEGZ\x01\x09" + bytes(40), "kind 9"),
        (b"[" * 4000, "not JSON"),
        (b"x" * 5000, "at most 4096"),
        (struct.pack("!4sBBHIqq4f", b"SEGZ", 1, 2, 0x8000, 1, 1, 1, 1, 1, 1, 1), "flags 0x8000"),
        (b'{"sam_edge_ray": 1, "seq": 1, "time_ns": 99999999999999999999, "kind": "ray"}', "time_ns"),
        (b'{"sam_edge_ray": 1, "seq": 1, "time_ns": 1, "kind": "ray", "space": "moon"}', "'moon'"),
        (b'{"sam_edge_ray": 1, "seq": 1, "time_ns": 1, "kind": "camera", "size": [0, 0]}', "focal_px"),
    ],
)
def test_wrong_packets_say_what_is_accepted(data: bytes, message: str) -> None:
    with pytest.raises(GazeDataError, match=message):
        decode(data)


def to_vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = values.tolist()
    return x, y, z


def test_the_projection_agrees_with_opencv() -> None:
    rng = np.random.default_rng(1)
    distortion = (0.1, -0.05, 0.002, -0.003, 0.01)
    camera = replace(CAMERA, distortion=distortion)
    matrix = np.array([[500.0, 0, 320.0], [0, 510.0, 240.0], [0, 0, 1]])
    for _ in range(50):
        point = rng.uniform((-1, -1, 1.5), (1, 1, 5))
        expected, _ = cv2.projectPoints(
            point.reshape(1, 3), np.zeros(3), np.zeros(3), matrix, np.array(distortion)
        )
        distance = float(np.linalg.norm(point))
        ray = GazeRay((0.0, 0.0, 0.0), to_vector(point / distance))
        assert camera.project(ray, distance) == pytest.approx(tuple(expected.ravel()))


def test_openxr_axes_are_turned_into_the_camera_s() -> None:
    # Two metres ahead, half a metre to the right, a quarter up: in an image right of and above the centre.
    ray = CAMERA.ray((0.0, 0.0, 0.0), (0.5, 0.25, -2.0), space="head", axes="openxr", head=None)
    x, y = present(CAMERA.project(ray, math.hypot(0.5, 0.25, 2.0)))
    assert (x, y) == pytest.approx((320 + 500 * 0.25, 240 - 510 * 0.125))


def test_the_head_and_the_camera_may_be_turned() -> None:
    # The head has turned left by 90 degrees: its forward (-z) is the world's -x.
    head = Pose((1.0, 1.6, 0.0), (0.0, QUARTER, 0.0, QUARTER))
    ray = CAMERA.ray((1.0, 1.6, 0.0), (-1.0, 0.0, 0.0), space="world", axes="openxr", head=head)
    assert ray.direction == pytest.approx((0.0, 0.0, 1.0))
    assert ray.origin_m == pytest.approx((0.0, 0.0, 0.0))
    # A camera 4 cm above the eyes, turned down by 30 degrees.
    half = math.radians(-15)
    camera = replace(CAMERA, pose=Pose((0.0, 0.04, 0.0), (math.sin(half), 0.0, 0.0, math.cos(half))))
    ray = camera.ray((0.0, 0.0, 0.0), (0.0, 0.0, -1.0), space="head", axes="openxr", head=None)
    x, y = present(camera.project(ray, 1000.0))
    assert (x, y) == pytest.approx((320.0, 240 - 510 * math.tan(math.radians(30))), abs=0.1)
    assert ray.origin_m == pytest.approx((0.0, 0.04 * math.cos(half * 2), 0.04 * math.sin(-half * 2)))


def test_camera_axes_need_no_turning() -> None:
    camera = replace(CAMERA, axes="camera")
    ray = camera.ray((0.0, 0.0, 0.0), (0.1, 0.2, 1.0), space="head", axes="camera", head=None)
    assert camera.project(ray, 5.0) == pytest.approx((370.0, 342.0))
    with pytest.raises(GazeDataError, match="both must be the same"):
        camera.ray((0.0, 0.0, 0.0), (0.1, 0.2, 1.0), space="head", axes="openxr", head=None)
    with pytest.raises(GazeDataError, match="without a head pose"):
        CAMERA.ray((0.0, 0.0, 0.0), (0.1, 0.2, 1.0), space="world", axes="openxr", head=None)


def test_what_lies_behind_has_no_pixel() -> None:
    behind = GazeRay((0.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    assert CAMERA.project(behind, 2.0) is None
    assert CAMERA.depth_covariance(behind, 2.0) is None


def test_an_unknown_depth_is_uncertainty_along_the_parallax() -> None:
    beside = GazeRay((0.05, 0.0, 0.0), (0.0, 0.0, 1.0))
    xx, xy, yy = present(CAMERA.depth_covariance(beside, 2.0))
    half = 500 * 0.05 * (3 / 2 - 1 / 1000) / 2
    assert (xx, xy, yy) == pytest.approx((half * half / 3, 0.0, 0.0))


@pytest.fixture
def headset() -> Iterator[FakeHeadset]:
    fake = FakeHeadset()
    yield fake
    fake.stop()


def open_rays(fake: FakeHeadset, **options: object) -> RaySource:
    source = registry.open(fake.url, **({"timeout": 3.0} | options))
    assert isinstance(source, RaySource)
    fake.attach(source)
    return source


def ray_packet(fake: FakeHeadset, **changes: Any) -> RayPacket:
    now_ns = fake.now_ns()
    fake.sequence = (fake.sequence + 1) % 2**32
    packet = RayPacket(
        PacketHead(fake.sequence, now_ns, now_ns), EyeState(), (0.0, 0.0, 0.0), (0.0, 0.0, -1.0)
    )
    return replace(packet, **changes)


def test_rays_wait_for_a_camera(headset: FakeHeadset) -> None:
    with open_rays(headset, timeout=0.5) as source:
        headset.send_bytes(encode_binary(ray_packet(headset)))
        with pytest.raises(TrackerError, match="no camera packet"):
            read_until_error(source)
        assert source.stats.dropped == 1
        head = PacketHead((headset.sequence + 1) % 2**32, headset.now_ns())
        headset.sequence += 1
        headset.send_bytes(encode_json(CameraPacket(head, CAMERA)))
        headset.send_bytes(encode_binary(ray_packet(headset)))
        (sample,) = collect(source, 1)
        assert (sample.x_px, sample.y_px) == pytest.approx((320.0, 240.0))
        assert present(sample.ray).direction == pytest.approx((0.0, 0.0, 1.0))
        assert source.stats.lost == 0
        assert source.camera == CAMERA


def test_depth_is_used_or_assumed(headset: FakeHeadset) -> None:
    with open_rays(headset, camera=CAMERA, distance_m=4.0) as source:
        for depth_m in (None, 1.0):
            packet = ray_packet(headset, origin_m=(0.03, 0.0, 0.0), depth_m=depth_m)
            headset.send_bytes(encode_binary(packet))
            time.sleep(0.002)
        assumed, known = collect(source, 2)
    assert assumed.x_px == pytest.approx(320 + 500 * 0.03 / 4, rel=1e-5)
    assert assumed.covariance_px2 is not None
    assert known.x_px == pytest.approx(320 + 500 * 0.03, rel=1e-5)
    assert (known.depth_m, known.covariance_px2) == (1.0, None)


def test_untracked_gaze_is_invalid(headset: FakeHeadset) -> None:
    with open_rays(headset, camera=CAMERA) as source:
        headset.send_bytes(
            encode_binary(ray_packet(headset, state=EyeState(tracked=False, left_valid=False)))
        )
        (sample,) = collect(source, 1)
    assert not sample.valid
    assert sample.ray is None
    assert (sample.left_valid, sample.right_valid) == (False, None)


def test_predicted_gaze_lies_in_the_future(headset: FakeHeadset) -> None:
    with open_rays(headset, camera=CAMERA) as source:
        packet = ray_packet(headset)
        sent_ns = present(packet.head.sent_ns)
        host_ns = time.monotonic_ns()
        headset.send_bytes(
            encode_binary(replace(packet, head=replace(packet.head, time_ns=sent_ns + 50_000_000)))
        )
        (sample,) = collect(source, 1)
        assert abs(sample.time_ns - host_ns - 50_000_000) < 20_000_000
        headset.send_bytes(
            encode_binary(replace(packet, head=replace(packet.head, time_ns=sent_ns + 10**12)))
        )
        wait_until(lambda: source.stats.malformed == 1, "a malformed packet")


def test_one_sender_at_a_time(headset: FakeHeadset) -> None:
    with open_rays(headset) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        headset.send(3)
        collect(source, 3)
        other.sendto(encode_binary(headset.packet(50, headset.now_ns())), ("127.0.0.1", headset.port))
        headset.sequence -= 1
        wait_until(lambda: source.stats.foreign == 1, "a foreign packet")
        headset.send(1)
        assert number_of(collect(source, 1)[0]) == 3
        assert source.stats.lost == 0


def test_reordered_and_lost_packets_are_told_apart(headset: FakeHeadset) -> None:
    with open_rays(headset) as source:
        now_ns = headset.now_ns()
        packets = [encode_binary(headset.packet(number, now_ns + number * 1_000_000)) for number in range(8)]
        for index in (0, 1, 3, 2, 2, 7):
            headset.send_bytes(packets[index])
        wait_until(lambda: source.stats.received >= 5 and source.stats.duplicates >= 1, "five packets")
        assert [number_of(sample) for sample in source.read()] == [0, 1, 2, 3, 7]
        assert (source.stats.reordered, source.stats.duplicates, source.stats.lost) == (1, 1, 3)


def test_a_clock_in_another_unit_is_an_error(headset: FakeHeadset) -> None:
    headset.rate = 1e-6
    with open_rays(headset) as source, pytest.raises(TrackerError, match="times the host's rate"):
        read_until_error(source, lambda: headset.send(1))
    assert source.finished


def test_a_second_headset_on_the_web_socket_is_turned_away() -> None:
    from fake_headset import FakeWebHeadset
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    fake = FakeWebHeadset()
    try:
        with open_rays(fake) as source:
            fake.send(2)
            collect(source, 2)
            second = connect(f"ws://127.0.0.1:{fake.port}/", close_timeout=0.2, proxy=None)
            with second as client, pytest.raises(ConnectionClosed):
                client.recv(timeout=5.0)
            assert source.stats.foreign == 1
            fake.send(1)
            assert number_of(collect(source, 1)[0]) == 2
    finally:
        fake.stop()


def test_a_taken_port_is_a_clear_error(headset: FakeHeadset) -> None:
    with open_rays(headset) as source, pytest.raises(TrackerError, match="in use"):
        registry.open(f"ray+udp://127.0.0.1:{source.port}", timeout=0.3)


@pytest.mark.parametrize("options", [{"camera": 5}, {"distance_m": "far"}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="accepted is"):
        registry.open("ray+udp://127.0.0.1:0", **options)
