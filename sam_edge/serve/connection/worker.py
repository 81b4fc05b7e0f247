"""A worker thread of one connection: waits for work, does one piece after another, ends when it is stopped."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from sam_edge.wire.errors import ErrorCode
from sam_edge.wire.messages import ErrorReply, ServerMessage

LOG = logging.getLogger("sam_edge.serve")


class ConnectionThread(ABC):
    """Base of the threads that serve one client.

    Other threads add work while they hold `_changed`, and notify it.
    """

    def __init__(self, send: Callable[[ServerMessage], None], name: str) -> None:
        """Prepare; `_start` starts the thread. `send` takes messages to the client, and is called from the thread."""
        self._send = send
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def stop(self) -> None:
        """Make the thread end after its current piece of work, without waiting for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout_s: float = 15.0) -> None:
        """Wait until the thread has ended."""
        self._thread.join(timeout_s)

    @abstractmethod
    def _work(self) -> bool:
        """Wait for a piece of work and do it; return False when the worker was stopped."""

    @abstractmethod
    def _release(self) -> None:
        """Free what the thread holds, when it ends."""

    def _start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            while self._work():
                pass
        except Exception:  # an error in the server: report it to this client; other clients are not affected
            LOG.exception("%s failed", self._thread.name)
            self._send(
                ErrorReply(
                    ErrorCode.ENGINE_FAILED, "server: an internal error; its log says more", fatal=True
                )
            )
        finally:
            self._release()
