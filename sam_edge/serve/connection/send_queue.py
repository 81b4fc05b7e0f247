"""Messages that wait to be sent to one client: added by threads, taken by the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from sam_edge.wire.messages import ErrorReply, FrameSelection, ServerMessage

MAX_MESSAGES = 512
"""Messages that wait, at most. A client that does not read them is disconnected."""
MAX_SELECTIONS = 2
"""Selections that wait, at most. The session waits before it adds another one."""


class SendQueue:
    """Messages in order. Only `put` of a selection may wait for room."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start empty. `loop` is the event loop that takes messages."""
        self._loop = loop
        self._changed = threading.Condition()
        self._messages: deque[ServerMessage] = deque()
        self._selections = 0
        self._last: ErrorReply | None = None
        self._closed = False
        self._not_empty = asyncio.Event()

    def put(self, message: ServerMessage) -> None:
        """Add a message, from any thread. A selection may wait for room: not from the event loop's thread."""
        with self._changed:
            if isinstance(message, FrameSelection):
                self._changed.wait_for(lambda: self._selections < MAX_SELECTIONS or self._closed)
                self._selections += 1
            if self._closed:
                return
            self._messages.append(message)
        self._wake_loop()

    @property
    def overfull(self) -> bool:
        """Whether more than `MAX_MESSAGES` wait."""
        with self._changed:
            return len(self._messages) > MAX_MESSAGES

    def close(self, last: ErrorReply | None = None) -> None:
        """Discard what waits, and send `last` as the last message. Later calls have no effect."""
        with self._changed:
            if self._closed:
                return
            self._closed, self._last = True, last
            self._messages.clear()
            self._changed.notify_all()
        self._wake_loop()

    async def take(self) -> ServerMessage | None:
        """Wait for the next message; None when the queue is closed and its last message was taken."""
        while True:
            with self._changed:
                self._not_empty.clear()
                if self._messages:
                    message = self._messages.popleft()
                    if isinstance(message, FrameSelection):
                        self._selections -= 1
                        self._changed.notify_all()
                    return message
                if self._closed:
                    last, self._last = self._last, None
                    return last
            await self._not_empty.wait()

    def _wake_loop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._not_empty.set)
        except RuntimeError:
            # The loop is closed: nothing takes messages any more.
            return
