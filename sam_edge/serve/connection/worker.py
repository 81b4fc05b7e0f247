"""What works for one client in a thread of its own: begins, does one thing after another, ends when it is told to."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.messages import ErrorReply, ServerMessage

LOG = logging.getLogger("sam_edge.serve")


class ConnectionThread(ABC):
    """A thread for one client. What waits for it is changed with `_changed` held, and told by it."""

    def __init__(self, say: Callable[[ServerMessage], None], name: str) -> None:
        """Prepare; `_begin` starts the thread when all that it needs is there."""
        self._say = say
        self._changed = threading.Condition()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def stop(self) -> None:
        """Let the thread end after what it does now, without waiting for it."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()

    def join(self, timeout_s: float = 15.0) -> None:
        """Wait until the thread has ended."""
        self._thread.join(timeout_s)

    @abstractmethod
    def _turn(self) -> bool:
        """Do what is to be done next; False when that is to end."""

    @abstractmethod
    def _end(self) -> None:
        """Close what the thread has opened."""

    def _begin(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception:  # a fault of the server's own: the client is told, and the others go on
            LOG.exception("%s failed", self._thread.name)
            self._say(
                ErrorReply(
                    ErrorCode.ENGINE_FAILED, "server: an internal error; its log says more", fatal=True
                )
            )
        finally:
            self._end()
