"""RTP packets, RTCP sender reports, and the timeline that they define (RFC 3550)."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from sam_edge.errors import GazeDataError
from sam_edge.gaze.clocks import ClockMap, MappedTime

_RTP_HEADER = struct.Struct("!BBHII")
_SENDER_REPORT = struct.Struct("!BBHIIIIII")
_SENDER_REPORT_TYPE = 200
_NTP_TO_UNIX_S = 2_208_988_800
_RESTART = 3000
_MISSING_LIMIT = 4096
_REPORT_UNCERTAINTY_NS = 500_000
"""Assumed scheduling jitter of the sender's reports."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """A parsed RTP packet."""

    sequence: int
    """Number of the packet, modulo 65536."""
    timestamp: int
    """Sampling instant in ticks of the media's clock, modulo 2**32."""
    source: int
    """Synchronisation source (SSRC)."""
    payload_type: int
    """Format number, as in the session description."""
    payload: bytes
    """Content without header and padding."""
    marker: bool = False
    """The header's marker bit: in video, the last packet of a picture."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """An RTCP sender report: one instant on the sender's media clock and wall clock."""

    source: int
    """Synchronisation source (SSRC)."""
    wall_ns: int
    """The sender's wall clock, nanoseconds since 1970."""
    timestamp: int
    """The same instant in ticks of the media's clock, modulo 2**32."""


def parse_rtp(data: bytes) -> RtpPacket:
    """Parse an RTP packet.

    Raises:
        GazeDataError: it is truncated, of another version, or its lengths contradict each other.
    """
    if len(data) < _RTP_HEADER.size:
        raise GazeDataError(f"an RTP packet of {len(data)} bytes is shorter than its header")
    first, second, sequence, timestamp, source = _RTP_HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise GazeDataError(f"RTP version {first >> 6}; accepted is 2")
    start = _RTP_HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < start + 4:
            raise GazeDataError("an RTP packet ends in its header extension")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            raise GazeDataError("an RTP packet claims padding of no length")
        end -= padding
    if start > end:
        raise GazeDataError("an RTP packet is shorter than its header states")
    return RtpPacket(sequence, timestamp, source, second & 0x7F, data[start:end], bool(second & 0x80))


def parse_sender_reports(data: bytes) -> list[SenderReport]:
    """Return the sender reports of a compound RTCP packet; other kinds are skipped.

    Raises:
        GazeDataError: it is truncated or of another version.
    """
    reports = []
    while data:
        if len(data) < 4 or data[0] >> 6 != 2:
            raise GazeDataError("an RTCP packet is truncated or not of version 2")
        length = 4 * (int.from_bytes(data[2:4], "big") + 1)
        if length > len(data):
            raise GazeDataError("an RTCP packet is shorter than its header states")
        if data[1] == _SENDER_REPORT_TYPE:
            if length < _SENDER_REPORT.size:
                raise GazeDataError("an RTCP sender report is too short")
            _, _, _, source, seconds, fraction, timestamp, _, _ = _SENDER_REPORT.unpack_from(data)
            wall_ns = (seconds - _NTP_TO_UNIX_S) * 1_000_000_000 + (fraction * 1_000_000_000 >> 32)
            reports.append(SenderReport(source, wall_ns, timestamp))
        data = data[length:]
    return reports


class SequenceTracker:
    """Counts lost packets by their sequence numbers; a late packet is not lost."""

    def __init__(self, *, bits: int = 16) -> None:
        """Count numbers that wrap at `bits` bits."""
        self._modulus = 1 << bits
        self._highest: int | None = None
        self._missing: deque[int] = deque(maxlen=_MISSING_LIMIT)

    def add(self, number: int) -> int:
        """Add the next packet's number; return the change of the count of lost packets (-1 for a late packet)."""
        if self._highest is None:
            self._highest = number
            return 0
        ahead = (number - self._highest) % self._modulus
        if 0 < ahead <= _RESTART:
            self._missing.extend((self._highest + step) % self._modulus for step in range(1, ahead))
            self._highest = number
            return ahead - 1
        if number in self._missing:
            self._missing.remove(number)
            return -1
        if _RESTART < ahead < self._modulus - _RESTART:
            self._highest = number
            self._missing.clear()
        return 0


class RtpTimeline:
    """Maps RTP timestamps of one sender to its wall clock, by its sender reports."""

    def __init__(self, clock_rate_hz: int) -> None:
        """Make a timeline of a media clock that ticks at `clock_rate_hz`."""
        self._rate_hz = clock_rate_hz
        self._newest: int | None = None
        self._map = ClockMap(window=16, jump_tolerance_ns=50_000_000)

    @property
    def ready(self) -> bool:
        """True after the first sender report."""
        return self._map.ready

    def report(self, report: SenderReport) -> bool:
        """Add a sender report; return True when the sender's wall clock jumped."""
        return self._map.observe(self._media_ns(report.timestamp), report.wall_ns, _REPORT_UNCERTAINTY_NS)

    def forget(self) -> None:
        """Drop the mapping until the next sender report, because the wall clock was set."""
        self._map = ClockMap(window=16, jump_tolerance_ns=50_000_000)

    def wall(self, timestamp: int) -> MappedTime:
        """Return the sender's wall clock (nanoseconds since 1970, as `host_ns`) of an RTP timestamp."""
        return self._map.map(self._media_ns(timestamp))

    def _media_ns(self, timestamp: int) -> int:
        """Return an RTP timestamp as nanoseconds of the media clock, without its wrap-around."""
        if self._newest is None:
            self._newest = timestamp
        ahead = (timestamp - self._newest + 0x80000000) % 0x100000000 - 0x80000000
        ticks = self._newest + ahead
        self._newest = max(self._newest, ticks)
        return ticks * 1_000_000_000 // self._rate_hz
