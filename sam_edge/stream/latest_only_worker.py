"""A worker thread with a mailbox of one job."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class LatestOnlyWorker(Generic[Job, Result]):
    """Works on the newest job in a thread of its own; a newer job replaces one that has not begun."""

    def __init__(self, work: Callable[[Job], Result | None], *, name: str) -> None:
        """Start the thread; `work` runs in it, one job at a time."""
        self._work = work
        self._change = threading.Condition()
        self._job: Job | None = None
        self._result: Result | None = None
        self._error: Exception | None = None
        self._busy = False
        self._forgotten = False
        self._stop = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, job: Job) -> None:
        """Put a job in the mailbox; it replaces one that waits there."""
        with self._change:
            self._job = job
            self._change.notify_all()

    def newest(self) -> Result | None:
        """Return the newest result, None before the first one. Raises, once, what the work raised meanwhile."""
        with self._change:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return self._result

    @property
    def busy(self) -> bool:
        """Whether a job is being worked on, or waits."""
        with self._change:
            return self._busy or self._job is not None

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until there is no work; return whether that came true in time."""
        with self._change:
            return self._change.wait_for(lambda: not self._busy and self._job is None, timeout_s)

    def finished(self, timeout_s: float) -> Result | None:
        """Wait until there is no work, at most a timeout, then return what `newest` returns."""
        self.wait_idle(timeout_s)
        return self.newest()

    def forget(self) -> None:
        """Drop the newest result, the job that waits, and the result of the job at work."""
        with self._change:
            self._job, self._result = None, None
            self._forgotten = self._busy

    def close(self, timeout_s: float = 10.0) -> None:
        """Stop the thread after the job it is in. Closing twice is allowed."""
        with self._change:
            self._stop = True
            self._change.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            # The work often refers to the worker's owner: a circle, which Python frees only when it looks for circles.
            self._work = _no_work

    def _run(self) -> None:
        while True:
            with self._change:
                self._busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: self._stop or self._job is not None)
                if self._stop or self._job is None:
                    return
                job, self._job, self._busy = self._job, None, True
                self._forgotten = False
            result: Result | None = None
            error: Exception | None = None
            try:
                result = self._work(job)
            except Exception as raised:  # any error is the caller's: `newest` raises it
                error = raised
            with self._change:
                if error is not None:
                    self._error = error
                elif not self._forgotten:
                    self._result = result


def _no_work(job: object) -> None:
    """Stand for the work of a worker that was closed."""
