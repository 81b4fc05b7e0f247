"""The engines that a server offers. Each is opened when a client first asks for it, and then shared."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from sam_edge.bundle import Bundle, open_bundle
from sam_edge.closing import Closing
from sam_edge.errors import EngineError, InputError, SamEdgeError
from sam_edge.runtimes import RuntimeOptions, choose_engine, engines
from sam_edge.runtimes.base import Runtime
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter
from sam_edge.serve.models.engine_pool import EnginePool, SessionModels

SIZES = ((224, 448), (448, 224), (448, 448), (448, 672), (672, 448), (672, 896), (896, 672))
"""Encoder input sizes (height, width) that clients may ask for."""
NOT_OFFERED = ("torch", "fake")
"""Engines for tests and export. They are only used as the server's default engine."""


@dataclass(frozen=True, slots=True)
class EngineOffer:
    """An engine that clients may ask for."""

    name: str
    """The engine's name, as `sam_edge.load(runtime=...)` takes it."""
    runtime: Runtime | None
    """The engine's instance for a single client; None while it is not open."""


class Engines(Closing):
    """One bundle on the engines of this machine, shared by clients. Thread-safe."""

    def __init__(
        self,
        bundle: str | Path | None = None,
        *,
        runtime: str = "auto",
        threads: int | None = None,
        precision: str | None = None,
        multi_client: bool = True,
    ) -> None:
        """Open a bundle on the server's default engine.

        Args:
            bundle: its folder; None is the model that ships in the package.
            runtime: the default engine, as `sam_edge.load` takes it.
            threads: threads of one inference; None is every core that this process may use.
            precision: of the default engine, as `sam_edge.load` takes it.
            multi_client: whether several clients may come. Engines are then opened a second time, so that two clients
                run in parallel.

        Raises:
            BundleError, EngineError, MissingExtraError: as `sam_edge.load`.
        """
        self.bundle: Bundle = open_bundle(bundle if bundle is not None else DEFAULT_BUNDLE)
        self._threads = threads
        self.default = choose_engine(self.bundle) if runtime == "auto" else runtime
        options = RuntimeOptions(threads=threads, precision=precision)
        self._lock = threading.Lock()
        self._multi_client = multi_client
        self._pools = {self.default: EnginePool(self.bundle, runtime, options, multi_client=multi_client)}
        self._request_segmenters: dict[EnginePool, Segmenter] = {}

    @property
    def offers(self) -> tuple[EngineOffer, ...]:
        """The engines that clients may ask for; the default engine comes first."""
        target = self.bundle.manifest.target
        others = [
            info.name
            for info in engines().values()
            if info.installed and target in info.targets and info.name not in (*NOT_OFFERED, self.default)
        ]
        with self._lock:
            runtimes = {name: pool.runtime for name, pool in self._pools.items()}
        return tuple(EngineOffer(name, runtimes.get(name)) for name in (self.default, *sorted(others)))

    def segmenter(self, name: str = "") -> Segmenter:
        """Return the model of a new client, with normal priority.

        Args:
            name: an engine on offer; empty is the default engine. It is opened if it is not open yet.

        Raises:
            InputError: the engine is not on offer.
            EngineError: the engine cannot be opened.
        """
        return self._open(name).segmenter()

    def session_models(self, name: str = "") -> SessionModels:
        """Return the models of a new client's session. Arguments and errors as `segmenter`."""
        return self._open(name).session_models()

    def request_segmenter(self, name: str = "") -> Segmenter:
        """Return the model of all HTTP requests: together they count as one client. Otherwise as `segmenter`."""
        pool = self._open(name)
        with self._lock:
            if pool not in self._request_segmenters:
                self._request_segmenters[pool] = pool.segmenter()
            return self._request_segmenters[pool]

    def warm_up(
        self, model: Segmenter, frame_size: tuple[int, int], size: tuple[int, int] | None = None
    ) -> None:
        """Encode and decode once, unless that was done before: engines compile then.

        Args:
            model: from one of this object's methods.
            frame_size: (height, width) of the frames, pixels.
            size: the encoder's input (height, width); None is by the frame.

        Raises:
            EngineError: the engine failed.
        """
        self.pool(model.runtime.name).warm_up(model, (frame_size, size))

    def pool(self, name: str) -> EnginePool:
        """Return the pool of an engine that is open."""
        with self._lock:
            return self._pools[name]

    @property
    def waiting(self) -> int:
        """Number of calls that wait for their turn now, on all engines."""
        with self._lock:
            return sum(pool.scheduler.waiting for pool in self._pools.values())

    def close(self) -> None:
        """Close every engine. Closing twice is allowed."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _open(self, name: str) -> EnginePool:
        name = name or self.default
        accepted = [offer.name for offer in self.offers]
        if name not in accepted:
            raise InputError(f"engine: {name!r} is not offered; accepted: {', '.join(accepted)}")
        with self._lock:
            if name not in self._pools:
                options = RuntimeOptions(threads=self._threads)
                try:
                    self._pools[name] = EnginePool(
                        self.bundle, name, options, multi_client=self._multi_client
                    )
                except SamEdgeError as error:
                    raise EngineError(f"engine: {name!r} cannot be opened: {error}") from error
            return self._pools[name]


def check_offered_size(size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return an encoder input size (height, width) that clients may ask for; None is by the frame.

    Raises:
        InputError: the size is not in `SIZES`.
    """
    if size is not None and size not in SIZES:
        accepted = ", ".join(f"{width}x{height}" for height, width in SIZES)
        raise InputError(f"size: {size[1]}x{size[0]} is not offered; accepted: {accepted}")
    return size
