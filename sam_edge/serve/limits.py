"""What a server accepts, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from sam_edge.errors import InputError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep one client from taking the machine from the others."""

    clients: int = 8
    """Most WebSocket clients at a time."""
    frame_bytes: int = 8 << 20
    """Most bytes of a message: 1920x1080 RGBA fits."""
    frame_pixels: int = 1 << 21
    """Most pixels of a frame: 1920x1080 fits."""
    frames_per_s: float = 120.0
    """Most frames a second of one client."""
    messages_per_s: float = 2000.0
    """Most messages a second of one client."""
    samples_per_s: float = 4000.0
    """Most gaze samples a second of one client."""
    eyes: int = 4
    """Most cameras that look at a person, of all clients: each keeps half a core busy at most."""
    face_bytes: int = 1 << 20
    """Most bytes of a face's picture."""
    face_pixels: int = 1 << 20
    """Most pixels of a face's picture: 1280x720 fits."""
    faces_per_s: float = 60.0
    """Most faces a second of one client."""
    hello_s: float = 5.0
    """Seconds in which a client has to say hello, and a new connection its first request."""
    idle_s: float = 30.0
    """Seconds of silence that end a connection; a picture over HTTP has to come in whole within them."""
    send_s: float = 10.0
    """Seconds that a client may take to read what is sent."""
    picture_bytes: int = 16 << 20
    """Most bytes of a picture over HTTP."""
    picture_pixels: int = 24 << 20
    """Most pixels of a picture over HTTP: 6000x4000 fits."""
    pictures: int = 2
    """Most pictures over HTTP that are worked on, or read in, at a time."""
    connections: int = 64
    """Most connections of any kind at a time."""

    def __post_init__(self) -> None:
        """Refuse limits that let nothing in.

        Raises:
            InputError: one is not positive.
        """
        for one in fields(self):
            if not getattr(self, one.name) > 0:
                raise InputError(
                    f"limits: {one.name} is {getattr(self, one.name)}; accepted: more than 0, see the defaults"
                )


class RateLimit:
    """A bucket that fills with time: so much a second, and a burst of half a second or more. Not thread-safe."""

    def __init__(
        self, per_s: float, *, burst: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin full. `burst` is what may come at once, at least half a second's worth."""
        self._per_s = per_s
        self._burst = max(burst, per_s / 2, 1.0)
        self._left = self._burst
        self._now = now
        self._at = now()

    def allows(self, amount: float = 1.0) -> bool:
        """Take `amount` from the bucket; False when there is not as much."""
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
