"""One media stream of an RTSP server: control over TCP, RTP and RTCP over UDP (RFC 2326, RFC 4566)."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sam_edge.closing import Closing
from sam_edge.errors import GazeDataError, TrackerError
from sam_edge.gaze.adapters.base import POLL_S, ConnectionLost
from sam_edge.gaze.adapters.net import HasFileno, TcpStream, header_fields, readable
from sam_edge.gaze.adapters.rtp import (
    RtpPacket,
    RtpTimeline,
    SenderReport,
    SequenceTracker,
    parse_rtp,
    parse_sender_reports,
)
from sam_edge.gaze.adapters.rtsp_login import Authenticator, RtspLogin, mask_login, parse_challenges
from sam_edge.gaze.buffer import StatName
from sam_edge.gaze.clocks import ArrivalClock, ClockMap, MappedTime, host_now_ns

_ANSWER_LIMIT = 65536
_HELD_LIMIT = 4096
_SENDER_LIMIT = 4
_DATAGRAMS_A_TURN = 512
_LOGIN_ATTEMPTS = 3
"""Times a request is sent: without a login, with it, and once more where the server's number was too old."""


@dataclass(frozen=True, slots=True)
class SdpMedia:
    """One media section of a session description."""

    kind: str
    """`video`, `audio`, `application` ..."""
    payload_type: int
    """Format number of its RTP packets."""
    encoding: str
    """Name of the format, lower case."""
    clock_rate_hz: int
    """Ticks of its RTP timestamps in a second."""
    control: str
    """URL of its SETUP request, absolute or relative."""
    format_parameters: str = ""
    """Content of its `fmtp` attribute."""


@dataclass(frozen=True, slots=True)
class RtpDatum:
    """The payload of one RTP packet with its times."""

    payload: bytes
    """Content of the packet."""
    wall: MappedTime
    """The sender's wall clock at the sampling instant: `host_ns` holds nanoseconds since 1970."""
    arrival_ns: int
    """Host time of its arrival, monotonic nanoseconds."""
    marker: bool = False
    """The packet's marker bit: in video, the last packet of a picture."""
    missing: int = 0
    """Packets that are missing before this one; -1: this one is late."""
    timestamp: int = 0
    """Sampling instant in ticks of the media's clock, modulo 2**32."""

    def host_time(self, synced: ClockMap | None, arrival: ArrivalClock) -> MappedTime:
        """Map the sampling instant to host time.

        Args:
            synced: maps the sender's wall clock, where observations of both clocks exist; else None.
            arrival: learns the sender's wall clock from the times of arrival, and maps it where `synced` is None.
        """
        wall = self.wall
        host = arrival.observe(wall.host_ns, self.arrival_ns) if synced is None else synced.map(wall.host_ns)
        return MappedTime(host.host_ns, host.uncertainty_ns + wall.uncertainty_ns, host.epoch + wall.epoch)


def parse_sdp(text: str) -> list[SdpMedia]:
    """Return the media sections with a usable format of a session description."""
    media = []
    for section in re.split(r"(?m)^m=", text)[1:]:
        first, *rest = section.splitlines() or [""]
        words = first.split()
        if len(words) < 4 or not words[3].isdecimal():
            continue
        attributes = [line[2:] for line in rest if line.startswith("a=")]
        mapping = next((a for a in attributes if a.startswith(f"rtpmap:{words[3]} ")), "")
        matched = re.fullmatch(r"rtpmap:\d+ ([^/\s]+)/(\d{1,9})(/\S*)?", mapping.strip())
        if matched is None or int(matched[2]) == 0:
            continue
        control = next((a[len("control:") :].strip() for a in attributes if a.startswith("control:")), "")
        parameters = next((a for a in attributes if a.startswith(f"fmtp:{words[3]} ")), "").partition(" ")[2]
        media.append(
            SdpMedia(words[0], int(words[3]), matched[1].lower(), int(matched[2]), control, parameters)
        )
    return media


class RtspStream(Closing):
    """A playing media stream. `poll` returns its data, `close` ends it."""

    def __init__(
        self,
        url: str,
        *,
        choose: Callable[[SdpMedia], bool],
        stopping: threading.Event,
        timeout_s: float,
        count: Callable[[StatName, int], None],
        first_epoch: int = 0,
        wanted: str = "gaze stream; switch gaze on in the tracker",
        login: RtspLogin | None = None,
    ) -> None:
        """Connect, set up the first media that `choose` accepts, and play.

        Args:
            url: `rtsp://host:port/path`.
            choose: returns whether a media section is the wanted one.
            stopping: set to end every wait.
            timeout_s: longest wait for an answer, and for the first sender report.
            count: receives counts for the source's stats.
            first_epoch: epoch of the first data; after a reconnect, the `epoch` of the previous stream.
            wanted: what is missing where no media is accepted, and what to do; ends a message.
            login: user and password, for a server that asks for them.

        Raises:
            ConnectionLost: the server cannot be reached or closed the connection.
            TrackerError: the server refuses, or offers no such media.
        """
        matched = re.fullmatch(r"rtsp://(\[[^\]]+\]|[^/:]+):(\d+)(/[!-~]*)?", url)
        if matched is None:
            raise TrackerError(
                f"{mask_login(url)!r} is not the address of an RTSP stream; accepted is rtsp://host:port/path"
            )
        self._url, self._shown = url, mask_login(url)
        self._stopping = stopping
        self._timeout_s = timeout_s
        self._count = count
        self._wanted = wanted
        self._login = login
        self._authenticator = Authenticator(login)
        self._sequence = 0
        self._session = ""
        self._session_s = 60.0
        self._senders: dict[int, _Sender] = {}
        self.epoch = first_epoch
        self._unparsed = b""
        self._alive_method = "OPTIONS"
        self._control = TcpStream(
            matched[1].strip("[]"), int(matched[2]), stopping=stopping, timeout_s=timeout_s
        )
        try:
            self._rtp, self._rtcp = self._bind_pair()
        except OSError as error:
            self._control.close()
            raise ConnectionLost(f"no pair of UDP ports is free: {error}") from error
        try:
            self._media = self._set_up(choose)
        except TrackerError:
            self.close()
            raise
        self._playing_since = time.monotonic()
        self._requested_at = time.monotonic()

    @property
    def media(self) -> SdpMedia:
        """The media that plays."""
        return self._media

    def poll(self, others: Sequence[HasFileno] = ()) -> tuple[list[RtpDatum], list[HasFileno]]:
        """Wait briefly; return the data that arrived, and the `others` that have data to read.

        Raises:
            ConnectionLost: the server closed the connection, or sends no sender report.
        """
        ready = readable([self._control, self._rtp, self._rtcp, *others], POLL_S)
        if self._control in ready:
            self._drop_late_answers()
        if self._rtcp in ready:
            self._read_reports()
        data = self._flush()
        if self._rtp in ready:
            data += self._read_packets()
        self.epoch = max([self.epoch, *(datum.wall.epoch for datum in data)])
        self._keep_alive()
        return data, [each for each in others if each in ready]

    def forget_wall_clock(self) -> None:
        """Hold back data until the next sender report, because the sender's wall clock was set."""
        for sender in self._senders.values():
            sender.timeline.forget()

    def close(self) -> None:
        """End the session and close the sockets."""
        if self._session:
            with contextlib.suppress(TrackerError, OSError):
                self._send("TEARDOWN", self._url, {})
        self._control.close()
        self._rtp.close()
        self._rtcp.close()

    def _set_up(self, choose: Callable[[SdpMedia], bool]) -> SdpMedia:
        public, _ = self._request("OPTIONS", self._url, {})
        if "GET_PARAMETER" in public.get("public", ""):
            self._alive_method = "GET_PARAMETER"
        headers, body = self._request("DESCRIBE", self._url, {"Accept": "application/sdp"})
        offered = parse_sdp(body.decode("utf-8", "replace"))
        media = next((each for each in offered if choose(each)), None)
        if media is None:
            names = ", ".join(f"{each.kind} {each.encoding}" for each in offered) or "nothing"
            raise TrackerError(f"{self._shown} offers {names}, but no {self._wanted}")
        base = headers.get("content-base") or headers.get("content-location") or self._url
        control = self._resolve(base, media.control)
        rtp_port = self._rtp.getsockname()[1]
        transport = f"RTP/AVP;unicast;client_port={rtp_port}-{rtp_port + 1}"
        headers, _ = self._request("SETUP", control, {"Transport": transport})
        self._session, _, timeout = headers.get("session", "").partition(";")
        matched = re.search(r"timeout=(\d{1,6})", timeout)
        self._session_s = max(2.0, float(matched[1])) if matched else 60.0
        self._request("PLAY", self._url, {"Range": "npt=0.000-"})
        return media

    def _resolve(self, base: str, control: str) -> str:
        if control.startswith("rtsp://"):
            return control
        return f"{base.rstrip('/')}/{control}" if control not in ("", "*") else base

    def _bind_pair(self) -> tuple[socket.socket, socket.socket]:
        problem = OSError("no even port")
        for _ in range(50):
            first = socket.socket(self._control.family, socket.SOCK_DGRAM)
            second = socket.socket(self._control.family, socket.SOCK_DGRAM)
            try:
                first.bind((self._control.local_host, 0))
                port = first.getsockname()[1]
                if port % 2 == 0:
                    second.bind((self._control.local_host, port + 1))
                    first.setblocking(False)
                    second.setblocking(False)
                    first.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                    return first, second
            except OSError as error:
                problem = error
            first.close()
            second.close()
        raise problem

    def _send(self, method: str, url: str, headers: dict[str, str]) -> int:
        self._sequence += 1
        fields = {"CSeq": str(self._sequence), "User-Agent": "sam-edge", **headers}
        if self._session:
            fields["Session"] = self._session
        authorization = self._authenticator.header(method, url)
        if authorization is not None:
            fields["Authorization"] = authorization
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._control.send(f"{method} {url} RTSP/1.0\r\n{lines}\r\n".encode("latin-1", "replace"))
        return self._sequence

    def _request(self, method: str, url: str, headers: dict[str, str]) -> tuple[dict[str, str], bytes]:
        number, attempts = self._send(method, url, headers), 1
        deadline = time.monotonic() + self._timeout_s
        while not self._stopping.is_set():
            answer = self._next_answer()
            if answer is not None:
                status, fields, body = answer
                if fields.get("cseq") not in (None, str(number)):
                    continue
                if status == 401:
                    self._answer_challenge(fields.get("www-authenticate", ""), attempts)
                    number, attempts = self._send(method, url, headers), attempts + 1
                    continue
                if status >= 500:
                    raise ConnectionLost(f"{self._shown} answers {method} with status {status}")
                if status != 200:
                    raise TrackerError(
                        f"{self._shown} answers {method} with status {status}; accepted is 200"
                    )
                return fields, body
            if time.monotonic() > deadline:
                raise ConnectionLost(f"{self._shown} does not answer {method} within {self._timeout_s:g} s")
            self._unparsed += self._control.receive()
            if len(self._unparsed) > _ANSWER_LIMIT:
                raise TrackerError(f"{self._shown} answers {method} with more than {_ANSWER_LIMIT} bytes")
        raise ConnectionLost("stopped while waiting for an answer")

    def _answer_challenge(self, asked: str, attempts: int) -> None:
        """Take a refusal's challenge; raise `TrackerError` where the same request would be refused again."""
        if self._authenticator.take(asked) and attempts < _LOGIN_ATTEMPTS:
            return
        if self._login is None:
            raise TrackerError(
                f"{self._shown} asks for a user and a password; write them into the address, special characters "
                "percent-encoded: rtsp://USER:PASSWORD@HOST/PATH"
            )
        kinds = ", ".join(sorted({each.scheme for each in parse_challenges(asked)})) or "nothing known"
        raise TrackerError(
            f"{self._shown} refuses user and password; check both. It asks for {kinds}; accepted are basic, and "
            "digest with MD5 or SHA-256"
        )

    def _next_answer(self) -> tuple[int, dict[str, str], bytes] | None:
        head, separator, rest = self._unparsed.partition(b"\r\n\r\n")
        if not separator:
            return None
        fields = header_fields(head)
        length = fields.get("content-length", "0")
        size = int(length) if length.isdecimal() and len(length) < 9 else 0
        if len(rest) < size:
            return None
        self._unparsed = rest[size:]
        matched = re.match(rb"\s*RTSP/1\.\d (\d{3})", head)
        if matched is None:
            raise TrackerError(f"{self._shown} does not speak RTSP: {head[:40]!r}; check address and port")
        return int(matched[1]), fields, rest[:size]

    def _drop_late_answers(self) -> None:
        self._unparsed += self._control.receive(0.0)
        while (answer := self._next_answer()) is not None:
            # The server's number has become too old: the next request uses the new one.
            if answer[0] == 401:
                self._authenticator.take(answer[1].get("www-authenticate", ""))
        if len(self._unparsed) > _ANSWER_LIMIT:
            raise ConnectionLost(f"{self._shown} floods its control connection")

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now - self._requested_at > self._session_s / 3:
            self._requested_at = now
            self._send(self._alive_method, self._url, {})
        reported = any(sender.timeline.ready for sender in self._senders.values())
        if not reported and now - self._playing_since > self._timeout_s:
            raise ConnectionLost(
                "no RTCP sender report arrives, so the packets' times are unknown; "
                f"check that UDP port {self._rtcp.getsockname()[1]} is not blocked"
            )

    def _datagrams(self, source: socket.socket) -> list[bytes]:
        datagrams = []
        expected = self._control.peer_host
        for _ in range(_DATAGRAMS_A_TURN):
            try:
                data, sender = source.recvfrom(65536)
            except BlockingIOError:
                break
            if sender[0] == expected:
                datagrams.append(data)
            else:
                self._count("foreign", 1)
        return datagrams

    def _sender(self, number: int) -> _Sender:
        if number not in self._senders:
            while len(self._senders) >= _SENDER_LIMIT:
                del self._senders[next(iter(self._senders))]
            first_epoch = self.epoch + 1 if self._senders else self.epoch
            self._senders[number] = _Sender(self._media.clock_rate_hz, first_epoch)
        return self._senders[number]

    def _read_reports(self) -> None:
        for data in self._datagrams(self._rtcp):
            for report in self._reports(data):
                self._sender(report.source).timeline.report(report)

    def _reports(self, data: bytes) -> list[SenderReport]:
        try:
            return parse_sender_reports(data)
        except GazeDataError:
            self._count("malformed", 1)
            return []

    def _read_packets(self) -> list[RtpDatum]:
        ready = []
        for data in self._datagrams(self._rtp):
            arrival_ns = host_now_ns()
            try:
                packet = parse_rtp(data)
            except GazeDataError:
                self._count("malformed", 1)
                continue
            if packet.payload_type != self._media.payload_type:
                self._count("malformed", 1)
                continue
            sender = self._sender(packet.source)
            missing = sender.numbering.add(packet.sequence)
            self._count("lost", missing)
            if sender.timeline.ready:
                ready.append(sender.datum(packet, arrival_ns, missing))
                continue
            if len(sender.held) == _HELD_LIMIT:
                sender.held.popleft()
                self._count("dropped", 1)
            sender.held.append((packet, arrival_ns, missing))
        return ready

    def _flush(self) -> list[RtpDatum]:
        ready = []
        for sender in self._senders.values():
            while sender.held and sender.timeline.ready:
                ready.append(sender.datum(*sender.held.popleft()))
        return ready


class _Sender:
    """State of one synchronisation source."""

    def __init__(self, clock_rate_hz: int, first_epoch: int) -> None:
        self.timeline = RtpTimeline(clock_rate_hz)
        self.numbering = SequenceTracker()
        self.held: deque[tuple[RtpPacket, int, int]] = deque()
        self._first_epoch = first_epoch

    def datum(self, packet: RtpPacket, arrival_ns: int, missing: int) -> RtpDatum:
        wall = self.timeline.wall(packet.timestamp)
        mapped = MappedTime(wall.host_ns, wall.uncertainty_ns, self._first_epoch + wall.epoch)
        return RtpDatum(packet.payload, mapped, arrival_ns, packet.marker, missing, packet.timestamp)
