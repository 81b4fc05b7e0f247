"""What a server accepts: sizes, rates, numbers of clients, timeouts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from sam_edge.errors import InputError


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that keep one client from using up the machine."""

    clients: int = 8
    """Most WebSocket clients at the same time."""
    frame_bytes: int = 8 << 20
    """Most bytes of a WebSocket message: 1920x1080 RGBA fits."""
    frame_pixels: int = 1 << 21
    """Most pixels of a frame: 1920x1080 fits."""
    frames_per_s: float = 120.0
    """Most frames per second of one client."""
    messages_per_s: float = 2000.0
    """Most messages per second of one client."""
    samples_per_s: float = 4000.0
    """Most gaze samples per second of one client."""
    object_commands_per_s: float = 40.0
    """Most commands about objects per second of one client: each is answered by the list of all."""
    label_characters: int = 64
    """Most characters of an object's label. The protocol has room for 256 bytes of UTF-8."""
    webcams: int = 4
    """Most clients with webcam gaze at the same time: each uses half a core at most."""
    face_bytes: int = 1 << 20
    """Most bytes of a face frame."""
    face_pixels: int = 1 << 20
    """Most pixels of a face frame: 1280x720 fits."""
    faces_per_s: float = 60.0
    """Most face frames per second of one client."""
    hello_s: float = 5.0
    """Seconds that a client has to send hello, and that each HTTP request has to arrive."""
    idle_s: float = 30.0
    """A connection that is silent for this many seconds is closed. An image over HTTP must arrive within this time."""
    send_s: float = 10.0
    """Seconds that a client may take to read a message."""
    picture_bytes: int = 16 << 20
    """Most bytes of an image over HTTP."""
    picture_pixels: int = 24 << 20
    """Most pixels of an image over HTTP: 6000x4000 fits."""
    pictures: int = 2
    """Most images over HTTP that are received or processed at the same time."""
    connections: int = 64
    """Most TCP connections at the same time."""

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            InputError: a limit is not positive.
        """
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not value > 0:
                raise InputError(f"limits: {limit.name} is {value}; accepted: more than 0, see the defaults")


class RateLimit:
    """A token bucket: an amount per second, and bursts of half a second's amount or more. Not thread-safe."""

    def __init__(
        self, per_s: float, *, burst: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with a full bucket.

        Args:
            per_s: amount per second.
            burst: amount that may come at once; at least half a second's amount.
            now: returns seconds of a monotonic clock.
        """
        self._per_s = per_s
        self._burst = max(burst, per_s / 2, 1.0)
        self._left = self._burst
        self._now = now
        self._updated_s = now()

    def allows(self, amount: float = 1.0) -> bool:
        """Take `amount` from the bucket; return False, and take nothing, if the bucket holds less."""
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._updated_s) * self._per_s)
        self._updated_s = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
