"""A fake RTSP server: one media over RTP/UDP with RTCP sender reports."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import struct

from fake_base import TcpFake, present, receive_until, wait_until

NTP_TO_UNIX_S = 2_208_988_800


class FakeLogin:
    """Asks for a user and a password, as `basic` or `digest`."""

    def __init__(self, user: str, password: str, kind: str = "digest") -> None:
        self.user, self.password, self.kind = user, password, kind
        self.nonce = 1
        self.lasts = 1000
        """Requests that a number is good for."""

    def challenge(self) -> str:
        basic = 'WWW-Authenticate: Basic realm="camera, front"\r\n'
        stale = ", stale=TRUE" if self.nonce > 1 else ""
        digest = f'WWW-Authenticate: Digest realm="camera, front", nonce="n{self.nonce}"{stale}\r\n'
        return {"basic": basic, "digest": basic + digest, "kerberos": "WWW-Authenticate: Negotiate\r\n"}[
            self.kind
        ]

    def accepts(self, method: str, url: str, authorization: str) -> bool:
        if self.kind == "basic":
            both = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return authorization == f"Basic {both}"
        secret = _md5(f"{self.user}:camera, front:{self.password}")
        expected = _md5(f"{secret}:n{self.nonce}:{_md5(f'{method}:{url}')}")
        if f'response="{expected}"' not in authorization:
            return False
        self.lasts -= 1
        if self.lasts == 0:
            self.nonce, self.lasts = self.nonce + 1, 1000
        return True


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class FakeRtsp:
    """Speaks RTSP like the real servers do, and sends what it is told to."""

    def __init__(self, sdp: str, *, clock_hz: int, source: int = 0x1234) -> None:
        self.sdp = sdp
        self.clock_hz = clock_hz
        self.source = source
        self.sequence = 65_530
        self.first_ticks = 0xFFFF_F000
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.client_ports: tuple[int, int] | None = None
        self.requests: list[str] = []
        self.fragment = False
        self.login: FakeLogin | None = None
        self.server = TcpFake(self._serve)
        self.port = self.server.port

    def _serve(self, connection: socket.socket) -> None:
        rest = b""
        while True:
            head, rest = receive_until(connection, b"\r\n\r\n", rest)
            lines = head.decode().split("\r\n")
            method, url, _ = lines[0].split(" ")
            fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
            self.requests.append(f"{method} {url}")
            if self.login is not None and not self.login.accepts(
                method, url, fields.get("authorization", "")
            ):
                refusal = (
                    f"RTSP/1.0 401 Unauthorized\r\nCSeq: {fields['cseq']}\r\n{self.login.challenge()}\r\n"
                )
                connection.sendall(refusal.encode())
                continue
            extra, body, ports = "", "", None
            if method == "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY\r\n"
            elif method == "DESCRIBE":
                extra, body = "Content-Type: application/sdp\r\n", self.sdp
            elif method == "SETUP":
                first, second = present(re.search(r"client_port=(\d+)-(\d+)", fields["transport"])).groups()
                ports = int(first), int(second)
                extra = f"Transport: {fields['transport']}\r\nSession: 4711;timeout=60\r\n"
            answer = (
                f"RTSP/1.0 200 OK\r\nCSeq: {fields['cseq']}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
            for part in [answer[:7], answer[7:30], answer[30:]] if self.fragment else [answer]:
                connection.sendall(part)
            if ports is not None:
                self.setup_ports = ports
            if method == "PLAY":
                self.client_ports = self.setup_ports
            elif method == "TEARDOWN":
                self.client_ports = None
                return

    def wait_playing(self) -> None:
        """Wait until a client plays."""
        wait_until(lambda: self.client_ports is not None, "a client that plays")

    def ticks(self, media_ns: int) -> int:
        """RTP timestamp of an instant of the media clock; starts just before its wrap-around."""
        return (self.first_ticks + media_ns * self.clock_hz // 1_000_000_000) & 0xFFFF_FFFF

    def rtp(self, payload: bytes, media_ns: int, *, sequence: int | None = None) -> bytes:
        """The bytes of an RTP packet; takes the next sequence number unless one is given."""
        if sequence is None:
            sequence, self.sequence = self.sequence, (self.sequence + 1) & 0xFFFF
        return struct.pack("!BBHII", 0x80, 96, sequence, self.ticks(media_ns), self.source) + payload

    def sender_report(self, media_ns: int, wall_ns: int) -> bytes:
        """The bytes of a compound RTCP packet: sender report and source description."""
        seconds, rest_ns = divmod(wall_ns, 1_000_000_000)
        fraction = (rest_ns << 32) // 1_000_000_000
        report = struct.pack(
            "!BBHIIIIII",
            0x80,
            200,
            6,
            self.source,
            (seconds + NTP_TO_UNIX_S) & 0xFFFF_FFFF,
            fraction,
            self.ticks(media_ns),
            1,
            9,
        )
        description = struct.pack("!BBHI", 0x81, 202, 2, self.source) + b"\x01\x01a\x00"
        return report + description

    def send_media(self, data: bytes) -> None:
        """Send a datagram to the client's RTP port."""
        if self.client_ports is not None:
            with contextlib.suppress(ConnectionRefusedError):
                self.udp.sendto(data, ("127.0.0.1", self.client_ports[0]))

    def send_control(self, data: bytes) -> None:
        """Send a datagram to the client's RTCP port."""
        if self.client_ports is not None:
            with contextlib.suppress(ConnectionRefusedError):
                self.udp.sendto(data, ("127.0.0.1", self.client_ports[1]))

    def drop(self) -> None:
        """Cut the connection."""
        self.client_ports = None
        self.server.drop()

    def stop(self) -> None:
        """Stop for good."""
        self.drop()
        self.server.stop()
        self.udp.close()
