"""The one interface of every inference engine: open a model, encode, decode, close. numpy in and out."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sam_edge.bundle import POINT_DECODER, Bundle, GraphEntry
from sam_edge.cores import available_cores
from sam_edge.errors import EngineError, InputError
from sam_edge.precision import replace_former_name

Built = TypeVar("Built")
Float = NDArray[np.float32]
SIZES_KEPT_OPEN = 4
"""Input sizes whose compiled graphs are kept. Opening one more lets the least recently used go."""


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How to run a model."""

    threads: int | None = None
    """Threads of one inference; None is every core that this process may use (`cores.available_cores`)."""
    precision: str | None = None
    """Number format of what the model leaves in floating point: `fp32`, or `bf16` where the engine and the CPU have it.
    None is `fp32`, but for `runtime="auto"` (`registry.preferred_precision`). It is always pinned, never left to the
    engine."""
    device: str = "CPU"
    """The engine's own name of the device."""
    pin_cores: bool = False
    """Whether every thread of an inference stays on one core. Steadier on a machine that is the model's alone, slower
    on one that is shared."""
    cache: Path | None = None
    """Folder that compiled models are kept in, so that opening one again takes a fraction of the time; None keeps
    nothing. Used by OpenVINO and ONNX Runtime."""

    def __post_init__(self) -> None:
        """Refuse impossible values, and replace a precision's former name.

        Raises:
            InputError: `threads` is not positive.
        """
        if self.precision is not None:
            object.__setattr__(self, "precision", replace_former_name(self.precision, stacklevel=4))
        if self.threads is not None and self.threads < 1:
            raise InputError(
                f"threads: {self.threads} is not accepted; give 1 or more, or None for every core"
            )

    @property
    def thread_count(self) -> int:
        """The number of threads, with None resolved."""
        return self.threads or available_cores()


@dataclass(frozen=True, slots=True)
class FollowerBatch:
    """What the follower sees of B objects: a crop of each, its carried mask, and two earlier crops."""

    image: NDArray[np.uint8]
    """RGB (B, side, side, 3)."""
    carried: Float
    """Logits (B, cells, cells) of the masks as motion carried them."""
    trusted_keys: Float
    """(B, heads, places, width): keys of crops whose masks are trusted."""
    trusted_mask: Float
    """(B, cells, cells), 0 to 1."""
    before_keys: Float
    """Keys of the crops before."""
    before_mask: Float
    """(B, cells, cells), 0 to 1."""

    def feed(self) -> dict[str, NDArray[Any]]:
        """Name the arrays as the graph does."""
        return {name: getattr(self, name) for name in self.__slots__}


class Runtime(ABC):
    """A model opened on an engine. Safe to call from several threads; a context manager."""

    name: str
    """The engine, as `sam_edge.load(runtime=...)` names it."""
    precision: str
    """The precision in use: the model's, and after a `+` the engine's for what the model leaves in floating point."""
    device: str
    """Where it runs."""
    threads: int
    """Threads of one inference."""

    @abstractmethod
    def encode(self, image: NDArray[np.uint8]) -> Float:
        """RGB uint8 (B, H, W, 3), sides multiples of 16, to embeddings float32 (B, 256, H / 16, W / 16).

        Raises:
            InputError: shape or type is not that.
            EngineError: the engine failed.
        """

    @abstractmethod
    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """Decode P prompts on one embedding.

        Args:
            embedding: float32 (1, 256, h, w).
            points: float32 (P, N, 2), input pixels; a pixel's own index is its place.
            labels: int32 (P, N): 1 object, 0 not, 2 and 3 a box's corners, -1 padding.
            mask: float32 (P, 1, 4h, 4w), logits.
            has_mask: float32 (P,): 0 where `mask` is to be ignored.

        Returns:
            Logits float32 (P, 4, 4h, 4w) and scores float32 (P, 4).

        Raises:
            InputError: shapes or types do not fit.
            EngineError: the engine failed.
        """

    def prepare_decoder(self, size: tuple[int, int]) -> None:  # noqa: B027 - most engines have nothing to prepare
        """Open what the first `decode` of one prompt on an input of (height, width) will need.

        Raises:
            SamEdgeError: as `decode` would.
        """

    def follow(self, crops: FollowerBatch) -> tuple[Float, Float, Float]:
        """Correct the carried masks of B objects, each on its own crop.

        Returns:
            Logits float32 (B, cells, cells), predicted IoU float32 (B,), and the crops' keys.

        Raises:
            EngineError: the bundle or the engine has no follower, or the engine failed.
        """
        raise EngineError(f"{self.name}: this engine has no follower; accepted: onnxruntime, openvino, fake")

    @abstractmethod
    def close(self) -> None:
        """Give back the engine's memory. Closing twice is allowed; any other call after it raises `EngineError`."""

    def __enter__(self) -> Runtime:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def check_image(image: NDArray[np.uint8]) -> None:
    """Refuse what no encoder takes.

    Raises:
        InputError: names the value and what is accepted.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise InputError(f"image: type {kind}; accepted: numpy uint8")
    shape = image.shape
    if (
        image.ndim != 4
        or shape[3] != 3
        or shape[0] < 1
        or min(shape[1:3]) < 64
        or shape[1] % 16
        or shape[2] % 16
    ):
        raise InputError(
            f"image: shape {shape}; accepted: (B, H, W, 3) with H and W multiples of 16, at least 64"
        )


def check_prompts(
    embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
) -> None:
    """Refuse prompts that do not fit together or do not fit the embedding.

    Raises:
        InputError: names the value and what is accepted.
    """
    if embedding.ndim != 4 or embedding.shape[:2] != (1, 256):
        raise InputError(f"embedding: shape {embedding.shape}; accepted: (1, 256, h, w)")
    prompts = points.shape[0] if points.ndim == 3 else 0
    if prompts < 1 or points.shape[2] != 2:
        raise InputError(f"points: shape {points.shape}; accepted: (P, N, 2) with P of 1 or more")
    expected = (prompts, 1, 4 * embedding.shape[2], 4 * embedding.shape[3])
    for name, value, shape in (
        ("labels", labels, points.shape[:2]),
        ("mask", mask, expected),
        ("has_mask", has_mask, (prompts,)),
    ):
        if value.shape != shape:
            raise InputError(f"{name}: shape {value.shape}; accepted: {shape}")
    for name, value, dtype in (
        ("embedding", embedding, np.float32),
        ("points", points, np.float32),
        ("labels", labels, np.int32),
        ("mask", mask, np.float32),
        ("has_mask", has_mask, np.float32),
    ):
        if value.dtype != dtype:
            raise InputError(f"{name}: type {value.dtype}; accepted: {np.dtype(dtype)}")


def graph_for(bundle: Bundle, role: str, size: tuple[int, int], engine: str) -> GraphEntry:
    """Choose the strictest graph of `role` that takes an input of (height, width), one made for `engine` first.

    Raises:
        InputError: none takes it.
    """
    graphs = [graph for graph in bundle.manifest.graphs_of(role) if graph.engine in ("", engine)]
    fitting = [g for g in graphs if size[0] % g.multiple_of == 0 and size[1] % g.multiple_of == 0]
    if fitting:
        return max(fitting, key=lambda graph: (graph.multiple_of, graph.engine == engine))
    steps = ", ".join(str(graph.multiple_of) for graph in graphs[-1:])
    raise InputError(
        f"size: {size[1]}x{size[0]} is not accepted by this bundle on {engine}; sides must be multiples of {steps}"
    )


def decoder_for(
    bundle: Bundle, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
) -> tuple[str, dict[str, NDArray[Any]]]:
    """Choose the decoder for these prompts, and name what goes into it.

    Without any mask prompt, a decoder that takes none does less work; not every bundle has one.
    """
    feed = {"embedding": embedding, "points": points, "labels": labels}
    if not has_mask.any() and bundle.manifest.has(POINT_DECODER):
        return POINT_DECODER, feed
    return "decoder", {**feed, "mask": mask, "has_mask": has_mask}


def first_decoder(bundle: Bundle) -> str:
    """Return the role of the decoder for prompts without a mask."""
    return POINT_DECODER if bundle.manifest.has(POINT_DECODER) else "decoder"


class KeptOpen(Generic[Built]):
    """Compiled graphs by the shape they are for: built when first needed, the least recently used let go.

    Safe to call from several threads: graphs of several shapes are built side by side, and each once.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._built: dict[tuple[int, ...], Future[Built]] = {}
        self._lock = threading.Lock()

    def get(self, shape: tuple[int, ...], build: Callable[[], Built]) -> Built:
        """Return what was built for `shape`, building it now if need be, or waiting for the thread that builds it."""
        with self._lock:
            known = self._built.pop(shape, None)
            slot: Future[Built] = Future() if known is None else known
            self._built[shape] = slot
            while len(self._built) > SIZES_KEPT_OPEN:
                self._built.pop(next(iter(self._built)))
        if known is not None:
            return slot.result()
        try:
            slot.set_result(build())
        except BaseException as error:
            with self._lock:
                if self._built.get(shape) is slot:
                    del self._built[shape]
            slot.set_exception(error)
            raise
        return slot.result()

    def clear(self) -> None:
        """Let all of them go."""
        with self._lock:
            self._built.clear()


def closed_error(name: str) -> EngineError:
    """Build the error of a call after `close`."""
    return EngineError(f"{name}: the model is closed; open it again with sam_edge.load")
