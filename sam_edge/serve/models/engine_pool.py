"""An engine that is open: as it serves one party, and as it serves several at a time."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import numpy as np

from sam_edge.bundle import Bundle
from sam_edge.errors import SamEdgeError
from sam_edge.runtimes import RuntimeOptions, open_runtime
from sam_edge.runtimes.base import Runtime
from sam_edge.segmenter import Segmenter
from sam_edge.serve.models.fair_scheduler import AT_A_TIME, FairScheduler, SharedRuntime
from sam_edge.stream.session import GazeSession

Shape = tuple[tuple[int, int], tuple[int, int] | None]
"""Of frames (height, width), and the encoder's input that was asked for."""
LOG = logging.getLogger("sam_edge.serve")


class EnginePool:
    """One engine, and the turns on it. Thread-safe.

    While several parties share it, two of them are served at a time with half of the threads each: that takes less than
    one after the other with all of them. It is open a second time for that, made ready by a thread beside what goes on.
    """

    def __init__(self, bundle: Bundle, name: str, options: RuntimeOptions, *, several: bool = True) -> None:
        """Open it for who is alone.

        Args:
            bundle: the model.
            name: the runtime's.
            options: for who is alone; two at a time have half of its threads each.
            several: whether more than one party may come.

        Raises:
            BundleError, EngineError, MissingExtraError: as `sam_edge.load`.
        """
        self.runtime: Runtime = open_runtime(bundle, name, options)
        """For who is alone."""
        threads = self.runtime.threads or 1
        # Elsewhere than on the processor an inference does not cost threads.
        self._divides = several and self.runtime.device == "CPU" and threads >= AT_A_TIME
        self.turns = FairScheduler(AT_A_TIME if self._divides else 1)
        self._bundle, self._name = bundle, name
        self._options = replace(options, threads=max(1, threads // AT_A_TIME))
        self._lock = threading.Lock()
        self._warming = threading.Lock()
        self._warm: list[Shape] = []
        self._second: Runtime | None = None
        self._second_warm: list[Shape] = []
        self._preparing: threading.Thread | None = None
        self._closed = False

    @property
    def for_several(self) -> Runtime:
        """What serves several parties at a time; until that is ready for all that they send, what serves one."""
        with self._lock:
            if self._second is None or len(self._second_warm) < len(self._warm):
                return self.runtime
            return self._second

    def segmenter(self) -> Segmenter:
        """Return a model that takes turns with the others."""
        return Segmenter(SharedRuntime(self.runtime, self.turns, lambda: self.for_several), self._bundle)

    def warm_up(self, model: Segmenter, shape: Shape) -> None:
        """Encode and decode once for frames of a shape, unless that was done: engines compile then.

        What serves several is made ready for them, too, by a thread: nobody waits for it.

        Raises:
            EngineError: the engine failed.
        """
        with self._warming:
            if shape in self._warm:
                return
            run_once(model, shape)
        with self._lock:
            self._warm.append(shape)
            if self._divides and self._preparing is None and not self._closed:
                self._preparing = threading.Thread(target=self._prepare, name="sam-edge-second", daemon=True)
                self._preparing.start()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until what serves several is ready, where there is to be one."""
        with self._lock:
            preparing = self._preparing
        if preparing is not None:
            preparing.join(timeout_s)

    def close(self) -> None:
        """Close what is open. Closing twice is allowed."""
        with self._lock:
            self._closed = True
        self.wait()
        self.runtime.close()
        if self._second is not None:
            self._second.close()

    def _prepare(self) -> None:
        try:
            if self._second is None:
                second = open_runtime(self._bundle, self._name, self._options)
                with self._lock:
                    self._second = second
            while (shape := self._missing()) is not None:
                run_once(Segmenter(self._second, self._bundle), shape)
                with self._lock:
                    self._second_warm.append(shape)
        except SamEdgeError:
            # `for_several` stays what serves one, and nothing tries again.
            LOG.exception("several clients share the engine as it was opened for one")

    def _missing(self) -> Shape | None:
        """Return a shape that the second has not had; None, and the thread is to end, when there is none."""
        with self._lock:
            missing = [shape for shape in self._warm if shape not in self._second_warm]
            if missing and not self._closed:
                return missing[0]
            self._preparing = None
            return None


def run_once(model: Segmenter, shape: Shape) -> None:
    """Encode and decode everything that a session does, for frames of a shape."""
    frame_size, size = shape
    with GazeSession(model, size=size, mode="live") as session:
        session.warm_up(np.zeros((*frame_size, 3), np.uint8))
