"""H.264 over RTP to frames: packets to access units (RFC 6184), access units to pictures (through PyAV)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import GazeDataError

START_CODE = b"\x00\x00\x00\x01"
ACCESS_UNIT_LIMIT = 1 << 24
"""Most bytes of an access unit: a key frame of 4K takes a tenth of it."""
_SINGLE = range(1, 24)
_STAP_A, _FU_A = 24, 28
_IDR = 5


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """The coded bytes of one picture."""

    data: bytes
    """NAL units, each after a start code (Annex B)."""
    timestamp: int
    """Number that its packets carried."""
    has_key_frame: bool
    """Whether decoding can begin here."""


class Depacketizer:
    """Collects the NAL units of an access unit from RTP payloads in order.

    After a loss, access units are withheld until a key frame: the pictures between build on what is missing.
    """

    def __init__(self) -> None:
        """Begin before the first key frame."""
        self._units: list[bytes] = []
        self._size = 0
        self._fragment: bytearray | None = None
        self._timestamp: int | None = None
        self._is_broken = False
        self._needs_key_frame = True
        self.damaged = 0
        """Access units that were withheld."""

    def lose(self) -> None:
        """Note that packets are missing before the next one."""
        self._is_broken = True
        self._fragment = None

    def add(self, payload: bytes, timestamp: int, *, marker: bool) -> Iterator[AccessUnit]:
        """Take the next payload; yield the access units that are complete.

        Args:
            payload: content of an RTP packet.
            timestamp: its time; equal for all packets of an access unit.
            marker: whether it is the last packet of its access unit.

        Raises:
            GazeDataError: it is of a kind that is not read, truncated, or the access unit is too large.
        """
        if self._timestamp is not None and timestamp != self._timestamp:
            yield from self._finish()
        self._timestamp = timestamp
        try:
            self._take(payload)
        except GazeDataError:
            self.lose()
            raise
        if marker:
            yield from self._finish()

    def _take(self, payload: bytes) -> None:
        if not payload:
            raise GazeDataError("an H.264 packet is empty")
        kind = payload[0] & 0x1F
        if kind in _SINGLE:
            self._append(payload)
        elif kind == _STAP_A:
            self._split(payload[1:])
        elif kind == _FU_A:
            self._join(payload)
        else:
            raise GazeDataError(f"an H.264 packet is of kind {kind}; read are 1 to 24 and 28")

    def _split(self, rest: bytes) -> None:
        while rest:
            size = int.from_bytes(rest[:2], "big")
            if len(rest) < 2 or not 1 <= size <= len(rest) - 2:
                raise GazeDataError("an aggregated H.264 packet is truncated")
            self._append(rest[2 : 2 + size])
            rest = rest[2 + size :]

    def _join(self, payload: bytes) -> None:
        if len(payload) < 3:
            raise GazeDataError("a fragment of an H.264 unit is truncated")
        begins, ends = bool(payload[1] & 0x80), bool(payload[1] & 0x40)
        if begins:
            self._fragment = bytearray([payload[0] & 0xE0 | payload[1] & 0x1F])
        if self._fragment is None:
            # Its beginning is missing.
            self._is_broken = True
            return
        self._fragment += payload[2:]
        if len(self._fragment) > ACCESS_UNIT_LIMIT:
            raise GazeDataError(f"an H.264 unit has more than {ACCESS_UNIT_LIMIT} bytes")
        if ends:
            self._append(bytes(self._fragment))
            self._fragment = None

    def _append(self, unit: bytes) -> None:
        self._size += len(unit)
        if self._size > ACCESS_UNIT_LIMIT:
            raise GazeDataError(f"an H.264 picture has more than {ACCESS_UNIT_LIMIT} bytes")
        self._units.append(unit)

    def _finish(self) -> Iterator[AccessUnit]:
        units, broken = self._units, self._is_broken or self._fragment is not None
        timestamp = self._timestamp
        self._units, self._size, self._fragment = [], 0, None
        self._is_broken, self._timestamp = False, None
        if not units and not broken:
            return
        has_key_frame = any(unit[0] & 0x1F == _IDR for unit in units)
        self._needs_key_frame = broken or (self._needs_key_frame and not has_key_frame)
        if self._needs_key_frame:
            self.damaged += 1
            return
        if timestamp is not None:
            yield AccessUnit(b"".join(START_CODE + unit for unit in units), timestamp, has_key_frame)


class Decoder:
    """Decodes access units to pictures."""

    def __init__(self, parameter_sets: bytes = b"") -> None:
        """Begin; `parameter_sets` are those of the session description, each after a start code."""
        self._context = av.CodecContext.create("h264", "r")
        # Frame threads would hold pictures back.
        self._context.thread_count = 1
        self._parameter_sets = parameter_sets

    def decode(self, unit: AccessUnit) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield the pictures that are ready: the timestamp of each, and the picture as RGB (H, W, 3).

        Raises:
            GazeDataError: it cannot be decoded.
        """
        data, self._parameter_sets = self._parameter_sets + unit.data, b""
        packet = av.Packet(data)
        packet.pts = unit.timestamp
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError as error:
            raise GazeDataError(f"H.264: {error}") from error
        for frame in frames:
            if frame.pts is not None and not frame.is_corrupt:
                yield int(frame.pts), np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def parameter_sets(format_parameters: str) -> bytes:
    """Return the parameter sets that an SDP `fmtp` line holds, each after a start code; empty where it holds none."""
    matched = re.search(r"sprop-parameter-sets=([^;\s]+)", format_parameters)
    if matched is None:
        return b""
    try:
        units = [base64.b64decode(part, validate=True) for part in matched[1].split(",")]
    except binascii.Error:
        return b""
    return b"".join(START_CODE + unit for unit in units if unit)
