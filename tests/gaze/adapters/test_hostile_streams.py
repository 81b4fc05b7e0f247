"""Noise on true sockets: random bytes and torn packets between good samples, which must all arrive."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("zmq")
pytest.importorskip("msgpack")
pytest.importorskip("websockets")

from fake_base import collect, number_of
from fake_companion import FakeCompanion, payload
from fake_core import FakeCore
from fake_gazepoint import FakeGazepoint
from fake_headset import FakeHeadset

from sam_edge.gaze import registry
from sam_edge.gaze.adapters.ray_packets import (
    CameraPacket,
    EyeState,
    PacketHead,
    RayPacket,
    encode_binary,
    encode_json,
)
from sam_edge.gaze.adapters.ray_projection import RayCamera

ROUNDS = 40


def noise(rng: random.Random, good: bytes) -> bytes:
    """Random bytes, or the beginning of a good packet followed by random bytes."""
    kept = rng.choice([0, rng.randrange(len(good))])
    return good[:kept] + rng.randbytes(rng.randrange(1, 200))


def disturb_gazepoint(fake: FakeGazepoint, rng: random.Random) -> None:
    record = fake.record(0, 1.0).split('TIME="')[0].encode()
    line = noise(rng, record).replace(b"\n", b"").replace(b">", b"")
    fake.send_text(line.decode("latin-1").encode("ascii", "replace").decode() + "\r\n")


def disturb_companion(fake: FakeCompanion, rng: random.Random) -> None:
    torn = fake.rtsp.rtp(payload(1.0, 1.0), 0, sequence=0)[:11]
    fake.rtsp.send_media(noise(rng, torn)[:11])
    fake.rtsp.send_control(noise(rng, b"\x80\xc8\x00\x40"))


def disturb_core(fake: FakeCore, rng: random.Random) -> None:
    fake.publish_raw(b"gaze.3d.01.", b"\xc1" + noise(rng, b"\x87\xa5topic"))
    fake.publish_raw(b"gaze." + rng.randbytes(8), noise(rng, b"\x81\xa9norm_pos\x92"))


def disturb_headset(fake: FakeHeadset, rng: random.Random) -> None:
    head = PacketHead(0, 1)
    ray = RayPacket(head, EyeState(), (0.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    camera = CameraPacket(head, RayCamera(8, 8, 1.0, 1.0, 4.0, 4.0))
    for packet in (ray, camera):
        fake.send_bytes(noise(rng, encode_binary(packet)[:27]))
        fake.send_bytes(noise(rng, encode_json(packet).encode()[:20]) + b"\xff")


@pytest.mark.parametrize(
    ("make", "disturb"),
    [
        (FakeGazepoint, disturb_gazepoint),
        (FakeCompanion, disturb_companion),
        (FakeCore, disturb_core),
        (FakeHeadset, disturb_headset),
    ],
)
def test_noise_between_good_samples_costs_none(
    make: Callable[[], Any], disturb: Callable[[random.Random, Any], None]
) -> None:
    rng = random.Random(11)
    fake = make()
    try:
        with registry.open(fake.url, **(fake.options | {"timeout": 4.0})) as source:
            if isinstance(fake, FakeHeadset):
                fake.attach(source)
            fake.wait_ready()
            numbers: list[int] = []
            for _ in range(ROUNDS):
                disturb(fake, rng)
                fake.send(1)
                numbers += [number_of(sample) for sample in collect(source, 1)]
            assert numbers == list(range(ROUNDS))
            assert source.stats.malformed >= ROUNDS
    finally:
        fake.stop()


def test_a_flood_of_bad_packets_takes_no_memory() -> None:
    rng = random.Random(12)
    fake = FakeHeadset()
    try:
        with registry.open(fake.url, timeout=4.0) as source:
            fake.attach(source)
            fake.send(1)
            collect(source, 1)
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(10):
                for _ in range(100):
                    fake.send_bytes(noise(rng, b'{"sam_edge_ray": 1, "seq": '))
                fake.send(1)
                collect(source, 1)
            after, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert source.stats.malformed > 500
            assert after - before < 500_000
    finally:
        fake.stop()
