"""The engines that a server offers: each opened once, when it is first asked for, and shared."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from sam_edge.bundle import Bundle, open_bundle
from sam_edge.errors import SamEdgeError
from sam_edge.geometry import default_size
from sam_edge.runtimes import RuntimeOptions, choose_engine, engines, open_runtime
from sam_edge.runtimes.base import Runtime
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter
from sam_edge.serve.turns import SharedRuntime, Turns
from sam_edge.serve.wire import Code, ProtocolError
from sam_edge.stream.session import GazeSession

SIZES = ((224, 448), (448, 224), (448, 448), (448, 672), (672, 448), (672, 896), (896, 672))
"""Encoder inputs (height, width) that clients may ask for."""
NOT_OFFERED = ("torch", "fake")
"""Engines that are for tests and for export; they serve when they are the server's own choice."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An engine that clients may ask for."""

    name: str
    """Its name."""
    runtime: Runtime | None
    """It, when it is open."""


class Engines:
    """A bundle on the engines of this machine, for several parties. A context manager; thread-safe."""

    def __init__(
        self,
        bundle: str | Path | None = None,
        *,
        runtime: str = "auto",
        threads: int | None = None,
        precision: str | None = None,
    ) -> None:
        """Open a bundle on the server's own engine.

        Args:
            bundle: its folder; None is the model that ships in the package.
            runtime: the server's own engine, as `sam_edge.load` takes it.
            threads: threads of one inference.
            precision: as `sam_edge.load` takes it, for the server's own engine.

        Raises:
            BundleError, EngineError, MissingExtraError: as `sam_edge.load`.
        """
        self.bundle: Bundle = open_bundle(bundle if bundle is not None else DEFAULT_BUNDLE)
        self._threads = threads
        self.default = choose_engine(self.bundle) if runtime == "auto" else runtime
        options = RuntimeOptions(threads=threads, precision=precision)
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Runtime, Turns]] = {
            self.default: (open_runtime(self.bundle, runtime, options), Turns())
        }
        self._warm: set[tuple[str, tuple[int, int]]] = set()
        self._warming = threading.Lock()
        self._shared: dict[str, Segmenter] = {}

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What clients may ask for, the server's own choice first."""
        target = self.bundle.manifest.target
        others = [
            info.name
            for info in engines().values()
            if info.installed and target in info.targets and info.name not in (*NOT_OFFERED, self.default)
        ]
        with self._lock:
            known = {name: runtime for name, (runtime, _) in self._open.items()}
        return tuple(Offer(name, known.get(name)) for name in (self.default, *sorted(others)))

    def segmenter(self, name: str = "", *, shared: bool = False) -> Segmenter:
        """Return a model that takes turns with the others.

        Args:
            name: an engine on offer; empty is the server's own choice. Opens it when nobody did.
            shared: whether it is that of everybody who asks so, who count as one; else it is the caller's own.

        Raises:
            ProtocolError: it is not on offer, or cannot be opened.
        """
        name = name or self.default
        accepted = [offer.name for offer in self.offers]
        if name not in accepted:
            raise ProtocolError(
                f"engine: {name!r} is not offered; accepted: {', '.join(accepted)}", Code.SETTING
            )
        with self._lock:
            if name not in self._open:
                try:
                    opened = open_runtime(self.bundle, name, RuntimeOptions(threads=self._threads))
                except SamEdgeError as error:
                    raise ProtocolError(f"engine: {error}", Code.SETTING) from error
                self._open[name] = (opened, Turns())
            runtime, turns = self._open[name]
            if not shared:
                return Segmenter(SharedRuntime(runtime, turns), self.bundle)
            if name not in self._shared:
                self._shared[name] = Segmenter(SharedRuntime(runtime, turns), self.bundle)
            return self._shared[name]

    def check_size(self, size: tuple[int, int] | None) -> tuple[int, int] | None:
        """Return an encoder input (height, width) that clients may ask for; None is by the frame.

        Raises:
            ProtocolError: it is none of `SIZES`.
        """
        if size is not None and size not in SIZES:
            accepted = ", ".join(f"{width}x{height}" for height, width in SIZES)
            raise ProtocolError(
                f"size: {size[1]}x{size[0]} is not offered; accepted: {accepted}", Code.SETTING
            )
        return size

    def warm_up(
        self, model: Segmenter, frame_size: tuple[int, int], size: tuple[int, int] | None = None
    ) -> None:
        """Encode and decode once for frames of (height, width), unless that was done: engines compile then.

        Raises:
            EngineError: the engine failed.
        """
        key = (model.runtime.name, size or default_size(frame_size))
        with self._warming:
            if key in self._warm:
                return
            with GazeSession(model, size=size, in_thread=True) as session:
                session.warm_up(np.zeros((*frame_size, 3), np.uint8))
            self._warm.add(key)

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn now."""
        with self._lock:
            return sum(turns.waiting for _, turns in self._open.values())

    def close(self) -> None:
        """Close every engine. Closing twice is allowed."""
        with self._lock:
            for runtime, _ in self._open.values():
                runtime.close()

    def __enter__(self) -> Engines:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
