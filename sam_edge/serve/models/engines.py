"""The engines that a server offers: each opened once, when it is first asked for, and shared."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sam_edge.bundle import Bundle, open_bundle
from sam_edge.errors import SamEdgeError
from sam_edge.runtimes import RuntimeOptions, choose_engine, engines
from sam_edge.runtimes.base import Runtime
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter
from sam_edge.serve.models.engine_pool import EnginePool
from sam_edge.wire.binary import Code, ProtocolError

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
        several: bool = True,
    ) -> None:
        """Open a bundle on the server's own engine.

        Args:
            bundle: its folder; None is the model that ships in the package.
            runtime: the server's own engine, as `sam_edge.load` takes it.
            threads: threads of one inference.
            precision: as `sam_edge.load` takes it, for the server's own engine.
            several: whether more than one party may come: engines are then open a second time, for two at a time.

        Raises:
            BundleError, EngineError, MissingExtraError: as `sam_edge.load`.
        """
        self.bundle: Bundle = open_bundle(bundle if bundle is not None else DEFAULT_BUNDLE)
        self._threads = threads
        self.default = choose_engine(self.bundle) if runtime == "auto" else runtime
        options = RuntimeOptions(threads=threads, precision=precision)
        self._lock = threading.Lock()
        self._several = several
        self._open = {self.default: EnginePool(self.bundle, runtime, options, several=several)}
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
            known = {name: opened.runtime for name, opened in self._open.items()}
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
                    options = RuntimeOptions(threads=self._threads)
                    opened = EnginePool(self.bundle, name, options, several=self._several)
                except SamEdgeError as error:
                    raise ProtocolError(f"engine: {error}", Code.SETTING) from error
                self._open[name] = opened
            if not shared:
                return self._open[name].segmenter()
            if name not in self._shared:
                self._shared[name] = self._open[name].segmenter()
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
        self.opened(model.runtime.name).warm_up(model, (frame_size, size))

    def opened(self, name: str) -> EnginePool:
        """Return an engine that is open."""
        with self._lock:
            return self._open[name]

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn now."""
        with self._lock:
            return sum(opened.turns.waiting for opened in self._open.values())

    def close(self) -> None:
        """Close every engine. Closing twice is allowed."""
        with self._lock:
            for opened in self._open.values():
                opened.close()

    def __enter__(self) -> Engines:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
