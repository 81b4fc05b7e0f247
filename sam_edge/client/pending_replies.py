"""Commands that were sent and are not yet answered."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from sam_edge.wire.kinds import MessageKind


class PendingReplies:
    """Numbers the commands of each kind, and keeps a future for each. Safe for several threads."""

    def __init__(self) -> None:
        """Start without commands."""
        self._lock = threading.Lock()
        self._last_id = 0
        self._waiting: dict[tuple[int, int], Future[Any]] = {}

    def add(self, kind: MessageKind) -> tuple[int, Future[Any]]:
        """Return the number of a new command, and the future of its answer."""
        reply: Future[Any] = Future()
        with self._lock:
            self._last_id = (self._last_id + 1) % (1 << 32)
            self._waiting[kind, self._last_id] = reply
            return self._last_id, reply

    def resolve(self, kind: MessageKind, command_id: int, value: object) -> None:
        """Set the answer of a command, if one waits under this number."""
        reply = self._take(kind, command_id)
        if reply is not None:
            reply.set_result(value)

    def fail(self, kind: int, command_id: int, error: Exception) -> bool:
        """Set the error of a command; return whether one waited under this number."""
        reply = self._take(kind, command_id)
        if reply is not None:
            reply.set_exception(error)
        return reply is not None

    def fail_all(self, error: Exception) -> None:
        """Set an error for all commands that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for reply in waiting.values():
            reply.set_exception(error)

    def _take(self, kind: int, command_id: int) -> Future[Any] | None:
        with self._lock:
            return self._waiting.pop((kind, command_id), None)
