"""Fuzz targets: what arrives by network, one packet or message an input."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

from sam_edge.gaze.adapters import ray_packets, rtp, rtsp
from sam_edge.gaze.adapters.ray_packets import (
    CameraPacket,
    EyeState,
    Packet,
    PacketHead,
    PointPacket,
    RayPacket,
)
from sam_edge.gaze.adapters.ray_projection import Pose, RayCamera
from sam_edge.wire import protocol
from tests.fuzz.target import FuzzTarget


def targets() -> Iterator[FuzzTarget]:
    """Yield the targets."""
    yield FuzzTarget("ray-packet", ray_packets.decode, _ray_packets)
    yield FuzzTarget("wire-client", protocol.decode_client_message, _wire_messages)
    yield FuzzTarget("wire-server", protocol.decode_server_message, _wire_messages)
    yield FuzzTarget("rtp", rtp.parse_rtp, _rtp_packets)
    yield FuzzTarget("rtcp", rtp.parse_sender_reports, _rtcp_packets)
    yield FuzzTarget("sdp", lambda data: rtsp.parse_sdp(data.decode("utf-8", "replace")), _descriptions)


def _wire_messages() -> list[bytes]:
    from tests.wire.test_protocol import KNOWN

    return KNOWN


def _ray_packets() -> list[bytes]:
    pose = Pose((1.0, 2.0, 3.0), (0.0, 1.0, 0.0, 0.0))
    head, state = PacketHead(3, 1_000_000, 1_200_000), EyeState(True, 0.5, True, False)
    packets: tuple[Packet, ...] = (
        RayPacket(head, state, (0.0, 0.0, 0.0), (0.0, 0.0, -1.0), 2.0, space="world", head_pose=pose),
        PointPacket(PacketHead(4, 1), EyeState(), 320.0, 240.5),
        CameraPacket(head, RayCamera(640, 480, 500.0, 500.0, 320.0, 240.0, pose=pose)),
    )
    binary = [ray_packets.encode_binary(packet) for packet in packets]
    return binary + [ray_packets.encode_json(packet).encode() for packet in packets]


def _rtp_packets() -> list[bytes]:
    head = struct.pack("!BBHII", 0x80, 97, 9, 1000, 77)
    full = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0x80 | 97, 9, 1000, 77)
    return [head + b"gaze", full + bytes(8) + struct.pack("!HHI", 0xBEDE, 1, 5) + b"gaze\0\0\0\4"]


def _rtcp_packets() -> list[bytes]:
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, 77, 3_900_000_000, 1 << 31, 1000, 1, 4)
    return [report, struct.pack("!BBHI", 0x81, 202, 1, 77) + report]


def _descriptions() -> list[bytes]:
    media = (
        "m=application 0 RTP/AVP 99\r\na=rtpmap:99 com.pupillabs.gaze1/90000\r\na=control:?camera=gaze\r\n"
    )
    return [f"v=0\r\ns=x\r\n{media}".encode(), json.dumps({"v": 0}).encode()]
