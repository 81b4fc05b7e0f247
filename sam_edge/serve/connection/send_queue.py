"""What goes out to one client: put in by threads, taken out by the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from sam_edge.wire.messages import ErrorReply, FrameSelection, ServerMessage

MOST = 512
"""Answers that wait to be sent, at most: who does not read is let go."""
SELECTIONS = 2
"""Selections that wait to be sent, at most: the session waits until they are gone."""


class SendQueue:
    """Answers in order. Whoever puts in a selection waits for room; nobody else does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin empty. `loop` takes the answers out."""
        self._loop = loop
        self._changed = threading.Condition()
        self._answers: deque[ServerMessage] = deque()
        self._selections = 0
        self._last: ErrorReply | None = None
        self._ended = False
        self._there = asyncio.Event()

    def put(self, answer: ServerMessage) -> None:
        """Put in an answer, from any thread but the loop's when it is a selection."""
        with self._changed:
            if isinstance(answer, FrameSelection):
                self._changed.wait_for(lambda: self._selections < SELECTIONS or self._ended)
                self._selections += 1
            if self._ended:
                return
            self._answers.append(answer)
        self._wake()

    @property
    def overfull(self) -> bool:
        """Whether the client has not read for long."""
        with self._changed:
            return len(self._answers) > MOST

    def end(self, last: ErrorReply | None = None) -> None:
        """Let go of what waits, and say `last` as the last thing. The first call counts."""
        with self._changed:
            if self._ended:
                return
            self._ended, self._last = True, last
            self._answers.clear()
            self._changed.notify_all()
        self._wake()

    async def take(self) -> ServerMessage | None:
        """Wait for the next answer; None when nothing more will come."""
        while True:
            with self._changed:
                self._there.clear()
                if self._answers:
                    answer = self._answers.popleft()
                    if isinstance(answer, FrameSelection):
                        self._selections -= 1
                        self._changed.notify_all()
                    return answer
                if self._ended:
                    last, self._last = self._last, None
                    return last
            await self._there.wait()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._there.set)
        except RuntimeError:
            # The loop is closed: nobody takes anything out any more.
            return
