"""Numbered pictures as H.264 over RTP (RFC 6184), and a Companion app whose scene camera sends them."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
from fake_companion import FakeCompanion
from fake_rtsp import FakeRtsp
from numpy.typing import NDArray

CLOCK_HZ = 90_000
HEIGHT, WIDTH = 240, 320
BITS = 10
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=world\r\nt=0 0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000\r\n"
    f"a=control:trackID=1\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/{CLOCK_HZ}\r\n"
    "a=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n"
)
MTU = 1200


def picture(number: int) -> NDArray[np.uint8]:
    """A picture that shows a number as black and white columns, RGB."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    for bit in range(BITS):
        image[:, bit * 32 : (bit + 1) * 32] = 235 if number >> bit & 1 else 20
    # Texture, so that a picture takes several packets.
    image[200:] = np.random.default_rng(number).integers(0, 255, (HEIGHT - 200, WIDTH, 3), dtype=np.uint8)
    return image


def number_shown(image: NDArray[np.uint8]) -> int:
    """The number that a decoded picture shows."""
    return sum(int(image[50:150, bit * 32 + 8 : bit * 32 + 24].mean() > 128) << bit for bit in range(BITS))


class Encoder:
    """Encodes pictures without delay; every `key_every`-th is a key frame."""

    def __init__(self, key_every: int = 10) -> None:
        self._context: Any = av.CodecContext.create("libx264", "w")
        self._context.width, self._context.height = WIDTH, HEIGHT
        self._context.pix_fmt = "yuv420p"
        self._context.time_base = Fraction(1, 30)
        self._context.options = {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "slices=1"}
        self._context.gop_size = key_every

    def units(self, image: NDArray[np.uint8]) -> list[bytes]:
        """The NAL units of a picture, without start codes."""
        packets = self._context.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))
        data = b"".join(bytes(packet) for packet in packets)
        parts = data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
        return [part for part in parts if part]


def payloads(units: list[bytes]) -> list[bytes]:
    """The RTP payloads of a picture: small units together, large ones in fragments."""
    small = [unit for unit in units if len(unit) <= 100]
    made = []
    if len(small) > 1:
        made.append(b"\x78" + b"".join(struct.pack("!H", len(unit)) + unit for unit in small))
    else:
        made += small
    for unit in units:
        if 100 < len(unit) <= MTU:
            made.append(unit)
        elif len(unit) > MTU:
            pieces = [unit[1:][begin : begin + MTU] for begin in range(0, len(unit) - 1, MTU)]
            for index, piece in enumerate(pieces):
                flags = (index == 0) << 7 | (index == len(pieces) - 1) << 6 | unit[0] & 0x1F
                made.append(bytes([unit[0] & 0xE0 | 28, flags]) + piece)
    return made


def send_picture(rtsp: FakeRtsp, parts: list[bytes], media_ns: int, *, leave_out: int | None = None) -> None:
    """Send the packets of a picture; the last one has the marker. `leave_out`: an index that never arrives."""
    for index, part in enumerate(parts):
        packet = bytearray(rtsp.rtp(part, media_ns))
        if index == len(parts) - 1:
            packet[1] |= 0x80
        if index != leave_out:
            rtsp.send_media(bytes(packet))


class FakeCompanionVideo(FakeCompanion):
    """A Companion app that sends its scene camera's pictures, too."""

    def __init__(self, *, echo: bool = True) -> None:
        super().__init__(echo=echo)
        self.video = FakeRtsp(SDP, clock_hz=CLOCK_HZ, source=0x4321)
        self.encoder = Encoder()
        self.pictures = 0

    def _status(self) -> dict[str, Any]:
        status = super()._status()
        for part in status["result"]:
            if part["data"].get("sensor") == "world":
                part["data"]["port"] = self.video.port
        return status

    def report(self) -> None:
        """Relate the pictures' clock to the phone's."""
        media_ns = self.media_ns()
        self.video.send_control(self.video.sender_report(media_ns, self.wall_ns(media_ns)))

    def take_picture(self) -> tuple[int, int, list[bytes]]:
        """Take the next numbered picture: its number, its time on the phone's media clock, its packets."""
        number, self.pictures = self.pictures, self.pictures + 1
        media_ns = self.media_ns()
        return number, media_ns, payloads(self.encoder.units(picture(number)))

    def host_of(self, media_ns: int) -> int:
        """The host's time of an instant of the media clock."""
        return self.host_ns(self.wall_ns(media_ns))

    def stop(self) -> None:
        self.video.stop()
        super().stop()
