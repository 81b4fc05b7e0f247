"""Gazepoint trackers: the OpenGaze API v2, XML lines over TCP.

Facts from the OpenGaze API manual (https://www.gazept.com/dl/Gazepoint_API_v2.0.pdf). Positions are fractions of the
screen, origin top-left; they may leave 0..1. The protocol has no round trip for its clock, so times are mapped by
arrival.
"""

from __future__ import annotations

import math
import time
from xml.etree import ElementTree

from sam_edge.errors import GazeDataError, TrackerError
from sam_edge.gaze.adapters.base import ConnectionLost, LiveSource
from sam_edge.gaze.adapters.fields import nanoseconds
from sam_edge.gaze.adapters.net import LineReader, TcpStream
from sam_edge.gaze.adapters.rtp import SequenceTracker
from sam_edge.gaze.address import SourceAddress
from sam_edge.gaze.clocks import ArrivalClock, host_now_ns
from sam_edge.gaze.samples import GazeSample

_LINE_LIMIT = 8192
_BEST = "ENABLE_SEND_POG_BEST"
_WANTED = (
    "ENABLE_SEND_COUNTER",
    "ENABLE_SEND_TIME",
    "ENABLE_SEND_TIME_TICK",
    "ENABLE_SEND_POG_LEFT",
    "ENABLE_SEND_POG_RIGHT",
    _BEST,
)
_BEGIN = "ENABLE_SEND_DATA"
_UNCONFIRMED_ROUNDS = 3
"""Rounds of requests after which data is started without all confirmations: old firmware supports fewer."""
_ASK_AGAIN_S = 1.0
_COUNTER_BITS = 32


def parse_line(line: bytes) -> tuple[str, dict[str, str]]:
    """Parse one XML element of a line into its name and attributes.

    Raises:
        GazeDataError: it is not a single element, or holds a declaration or an entity.
    """
    if b"<!" in line or b"<?" in line or b"&" in line:
        raise GazeDataError("an OpenGaze line holds a declaration or an entity")
    if len(line) > _LINE_LIMIT:
        raise GazeDataError(f"an OpenGaze line is longer than {_LINE_LIMIT} bytes")
    try:
        element = ElementTree.fromstring(line.decode("ascii"))
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError) as error:
        raise GazeDataError(f"an OpenGaze line is not XML: {str(error)[:80]}") from error
    return element.tag, dict(element.attrib)


def _number(fields: dict[str, str], name: str) -> float:
    text = fields.get(name)
    if text is None:
        raise GazeDataError(f"a record has no field {name}")
    try:
        value = float(text[:40])
    except ValueError as error:
        raise GazeDataError(f"the field {name} is {text[:40]!r}; a number is accepted") from error
    if not math.isfinite(value):
        raise GazeDataError(f"the field {name} is {text[:40]!r}; a finite number is accepted")
    return value


def _flag(fields: dict[str, str], name: str) -> bool | None:
    return None if name not in fields else _number(fields, name) != 0.0


class GazepointSource(LiveSource):
    """Gaze of a Gazepoint tracker through Gazepoint Control."""

    def __init__(
        self,
        host: str,
        port: int = 4242,
        *,
        size: tuple[int, int] | None = None,
        name: str | None = None,
        timeout_s: float = 5.0,
        buffer_samples: int = 8192,
    ) -> None:
        """Describe the source.

        Args:
            host: name or address of the computer that runs Gazepoint Control.
            port: port of the OpenGaze API.
            size: (height, width) of the screen in pixels; None asks the tracker.
            name: name of the source in messages.
            timeout_s: see `LiveSource`.
            buffer_samples: see `LiveSource`.
        """
        super().__init__(
            name or f"gazepoint://{host}:{port}", timeout_s=timeout_s, buffer_samples=buffer_samples
        )
        self._host = host
        self._port = port
        self._configured_size = size
        self._clock = ArrivalClock()

    def _serve(self) -> None:
        stream = TcpStream(self._host, self._port, stopping=self._stopping, timeout_s=self._timeout_s)
        try:
            self._follow(stream)
        finally:
            stream.close()

    def _follow(self, stream: TcpStream) -> None:
        session = _Session(self._configured_size)
        lines = LineReader(limit=_LINE_LIMIT)
        ask_at = start_s = time.monotonic()
        skipped = 0
        while not self._stopping.is_set():
            if time.monotonic() >= ask_at or session.may_start:
                # Gazepoint Control drops requests just after it accepted a connection: ask until it confirms.
                ask_at = time.monotonic() + _ASK_AGAIN_S
                stream.send(session.requests())
            data = stream.receive()
            arrival_ns = host_now_ns()
            for line in lines.feed(data):
                self._take_line(line, session, arrival_ns)
            self._count("malformed", lines.skipped - skipped)
            skipped = lines.skipped
            self._check(session, start_s)

    def _take_line(self, line: bytes, session: _Session, arrival_ns: int) -> None:
        try:
            tag, fields = parse_line(line)
            if tag == "ACK":
                session.learn(fields)
            elif tag == "REC":
                self._take_record(fields, session, arrival_ns)
            elif tag != "NACK":
                raise GazeDataError(f"an OpenGaze line is called {tag[:40]!r}; known are ACK, NACK and REC")
        except GazeDataError:
            self._count("malformed")
            return
        if not session.answered:
            session.answered = True
            self._connected()

    def _take_record(self, fields: dict[str, str], session: _Session, arrival_ns: int) -> None:
        if "CNT" in fields:
            self._count("lost", session.numbering.add(int(_number(fields, "CNT")) % (1 << _COUNTER_BITS)))
        if "BPOGX" not in fields and _BEST in session.unconfirmed:
            return
        device_ns = session.device_ns(fields)
        seen = _flag(fields, "BPOGV") is True
        x, y = _number(fields, "BPOGX"), _number(fields, "BPOGY")
        left, right = _flag(fields, "LPOGV"), _flag(fields, "RPOGV")
        if session.size is None:
            self._count("dropped")
            return
        mapped = self._clock.observe(device_ns, arrival_ns)
        height, width = session.size
        sample = GazeSample(
            time_ns=mapped.host_ns,
            x_px=x * width if seen else math.nan,
            y_px=y * height if seen else math.nan,
            confidence=1.0 if seen else 0.0,
            device_time_ns=device_ns,
            offset_uncertainty_ns=mapped.uncertainty_ns,
            left_valid=left,
            right_valid=right,
        )
        self._deliver(sample, arrival_ns=arrival_ns, epoch=mapped.epoch)

    def _check(self, session: _Session, start_s: float) -> None:
        waited_s = time.monotonic() - start_s
        if not session.answered:
            if waited_s > self._timeout_s:
                raise ConnectionLost("no OpenGaze server answers there")
            return
        if session.size is None and waited_s > self._timeout_s / 2:
            raise TrackerError(
                f"{self.name} does not report the size of its screen; open it with ?size=1920x1080"
            )
        self._check_silence("no record came; is the tracker's camera connected?")


class _Session:
    """State of one connection: the requests sent to the tracker and its answers."""

    def __init__(self, size: tuple[int, int] | None) -> None:
        self.size = size
        self.unconfirmed = set(_WANTED)
        self.answered = False
        self.numbering = SequenceTracker(bits=_COUNTER_BITS)
        self._rounds = 0
        self._start_requested = False
        self._started = False
        self._ticks_hz: float | None = None
        self._by_ticks: bool | None = None

    @property
    def may_start(self) -> bool:
        """Whether everything that records need is known, and data was not started yet."""
        return not self.unconfirmed and self.size is not None and not self._start_requested

    def requests(self) -> bytes:
        """Return the requests that are still unanswered. Data is started last, so that every record is usable."""
        lines = [] if self.size is not None else ['<GET ID="SCREEN_SIZE" />']
        if self.unconfirmed and self._ticks_hz is None:
            lines.append('<GET ID="TIME_TICK_FREQUENCY" />')
        lines += [f'<SET ID="{name}" STATE="1" />' for name in _WANTED if name in self.unconfirmed]
        overdue = self._rounds >= _UNCONFIRMED_ROUNDS and self.size is not None
        if not self._started and (self.may_start or overdue or self._start_requested):
            self._start_requested = True
            lines.append(f'<SET ID="{_BEGIN}" STATE="1" />')
        self._rounds += 1
        return "".join(f"{line}\r\n" for line in lines).encode("ascii")

    def learn(self, fields: dict[str, str]) -> None:
        """Process an acknowledgement."""
        name = fields.get("ID", "")
        self.unconfirmed.discard(name)
        self._started = self._started or name == _BEGIN
        if name == "SCREEN_SIZE" and self.size is None:
            height, width = _number(fields, "HEIGHT"), _number(fields, "WIDTH")
            if not (1 <= height <= 65536 and 1 <= width <= 65536):
                raise GazeDataError(f"SCREEN_SIZE is {width:g}x{height:g}")
            self.size = (int(height), int(width))
        elif name == "TIME_TICK_FREQUENCY":
            hz = _number(fields, "FREQ")
            if not 1.0 <= hz <= 1e12:
                raise GazeDataError(f"TIME_TICK_FREQUENCY is {hz:g}")
            self._ticks_hz = hz

    def device_ns(self, fields: dict[str, str]) -> int:
        """Return the time of a record: from the tick counter if its rate is known, else from seconds since calibration.

        The first record decides, because the two clocks have different zeros.
        """
        if self._by_ticks is None:
            self._by_ticks = self._ticks_hz is not None and "TIME_TICK" in fields
        if self._by_ticks and self._ticks_hz is not None:
            return nanoseconds(_number(fields, "TIME_TICK") / self._ticks_hz, "TIME_TICK")
        return nanoseconds(_number(fields, "TIME"), "TIME")


def from_address(address: SourceAddress) -> GazepointSource:
    """Return the source of a `gazepoint://` URL."""
    return GazepointSource(
        address.need_host(),
        address.port or 4242,
        size=address.size(),
        name=address.url,
        timeout_s=address.timeout_s(),
        buffer_samples=address.buffer_samples(),
    )
