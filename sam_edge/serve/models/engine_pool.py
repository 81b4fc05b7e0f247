"""One engine, opened once for a single client and once more, with fewer threads, for several clients in parallel."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace

import numpy as np

from sam_edge.bundle import Bundle
from sam_edge.closing import Closing
from sam_edge.errors import SamEdgeError
from sam_edge.runtimes import RuntimeOptions, open_runtime
from sam_edge.runtimes.base import Runtime
from sam_edge.segmenter import Segmenter
from sam_edge.serve.models.fair_scheduler import PARALLEL_CLIENTS, FairScheduler, Priority, SharedRuntime
from sam_edge.stream.session import GazeSession

Shape = tuple[tuple[int, int], tuple[int, int] | None]
"""Frame size (height, width), and the encoder's input size that was asked for; None is by the frame."""
LOG = logging.getLogger("sam_edge.serve")


@dataclass(frozen=True, slots=True)
class SessionModels:
    """The models of one client's session. Both wait for their turn with those of other clients."""

    model: Segmenter
    """Encodes and decodes whole frames."""
    closeup_model: Segmenter
    """Encodes and decodes close-ups; its calls are urgent, because a frame of the camera waits for them."""


class EnginePool(Closing):
    """The instances of one engine, and the scheduler that clients share. Thread-safe.

    While several clients are active, two of them run in parallel with half of the threads each: this takes less time
    than one after the other with all threads. A background thread opens and warms up the instance for that.
    """

    def __init__(
        self, bundle: Bundle, name: str, options: RuntimeOptions, *, multi_client: bool = True
    ) -> None:
        """Open the instance for a single client.

        Args:
            bundle: the model.
            name: the runtime's name.
            options: of the instance for a single client. The second instance has half of its threads.
            multi_client: whether several clients may come; if not, there is no second instance.

        Raises:
            BundleError, EngineError, MissingExtraError: as `sam_edge.load`.
        """
        self.runtime: Runtime = open_runtime(bundle, name, options)
        """The instance for a single client."""
        threads = self.runtime.threads or 1
        # Only on the CPU do parallel inferences compete for threads.
        self._parallel = multi_client and self.runtime.device == "CPU" and threads >= PARALLEL_CLIENTS
        self.scheduler = FairScheduler(PARALLEL_CLIENTS if self._parallel else 1)
        self._bundle, self._name = bundle, name
        self._options = replace(options, threads=max(1, threads // PARALLEL_CLIENTS))
        self._lock = threading.Lock()
        self._warming = threading.Lock()
        self._warm: list[Shape] = []
        self._second: Runtime | None = None
        self._second_warm: list[Shape] = []
        self._preparing: threading.Thread | None = None
        self._closed = False

    @property
    def runtime_when_shared(self) -> Runtime:
        """The instance for several clients, or the first one until the second is warm for every shape in use."""
        with self._lock:
            if self._second is None or len(self._second_warm) < len(self._warm):
                return self.runtime
            return self._second

    def segmenter(self) -> Segmenter:
        """Return the model of a new client, with normal priority."""
        return Segmenter(self._shared_runtime(), self._bundle)

    def session_models(self) -> SessionModels:
        """Return the models of a new client's session."""
        runtime = self._shared_runtime()
        urgent = runtime.with_priority(Priority.URGENT)
        return SessionModels(Segmenter(runtime, self._bundle), Segmenter(urgent, self._bundle))

    def warm_up(self, model: Segmenter, shape: Shape) -> None:
        """Encode and decode once for a shape, unless that was done before: engines compile then.

        A background thread does the same for the second instance; nothing waits for it.

        Raises:
            EngineError: the engine failed.
        """
        with self._warming:
            if shape in self._warm:
                return
            run_once(model, shape)
        with self._lock:
            self._warm.append(shape)
            if self._parallel and self._preparing is None and not self._closed:
                self._preparing = threading.Thread(
                    target=self._prepare_second, name="sam-edge-second", daemon=True
                )
                self._preparing.start()

    def wait_until_prepared(self, timeout_s: float | None = None) -> None:
        """Wait until the second instance is ready, if there is to be one."""
        with self._lock:
            preparing = self._preparing
        if preparing is not None:
            preparing.join(timeout_s)

    def close(self) -> None:
        """Close both instances. Closing twice is allowed."""
        with self._lock:
            self._closed = True
        self.wait_until_prepared()
        self.runtime.close()
        if self._second is not None:
            self._second.close()

    def _shared_runtime(self) -> SharedRuntime:
        return SharedRuntime(
            self.runtime, self.scheduler, runtime_when_shared=lambda: self.runtime_when_shared
        )

    def _prepare_second(self) -> None:
        try:
            if self._second is None:
                second = open_runtime(self._bundle, self._name, self._options)
                with self._lock:
                    self._second = second
            while (shape := self._next_cold_shape()) is not None:
                run_once(Segmenter(self._second, self._bundle), shape)
                with self._lock:
                    self._second_warm.append(shape)
        except SamEdgeError:
            # `runtime_when_shared` stays the first instance. There is no second attempt.
            LOG.exception("the second engine instance cannot be opened; all clients share the first one")

    def _next_cold_shape(self) -> Shape | None:
        """Return a shape that the second instance is not warm for; None ends the background thread."""
        with self._lock:
            cold = [shape for shape in self._warm if shape not in self._second_warm]
            if cold and not self._closed:
                return cold[0]
            self._preparing = None
            return None


def run_once(model: Segmenter, shape: Shape) -> None:
    """Encode and decode everything that a session does, for one shape."""
    frame_size, size = shape
    with GazeSession(model, size=size, mode="live") as session:
        session.warm_up(np.zeros((*frame_size, 3), np.uint8))
