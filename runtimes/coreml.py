"""Core ML on macOS. Packages have fixed sizes: one encoder and one decoder an input size, one prompt a call."""

from __future__ import annotations

import importlib
import platform
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.bundle import Bundle, GraphEntry
from sam_edge.errors import BundleError, EngineError, InputError, MissingExtraError
from sam_edge.runtimes.base import (
    Float,
    KeptOpen,
    Runtime,
    RuntimeOptions,
    check_image,
    check_prompts,
    closed_error,
)

EMPTY = -2
"""Label of a point slot that holds nothing. The decoder's result is that of a prompt without it."""
COMPUTE_UNITS = {"CPU": "CPU_ONLY", "GPU": "CPU_AND_GPU", "NPU": "CPU_AND_NE", "AUTO": "ALL"}
"""Names of devices as other engines have them, and Core ML's own names of the units that it may use."""

Feed = dict[str, NDArray[Any]]
Execute = Callable[[Feed], Mapping[str, NDArray[Any]]]


class PackageRuntime(Runtime):
    """A bundle of Core ML packages; a subclass executes them."""

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Read nothing yet; packages open when their size is first used.

        Raises:
            InputError: an option is not one of Core ML's.
        """
        if options.precision is not None:
            raise InputError(
                f"precision: {options.precision!r} is not accepted by {self.name}: it is fixed in the packages, here "
                f"{bundle.manifest.precision}; leave it out"
            )
        self.threads = options.thread_count
        self.precision = bundle.manifest.precision
        self._bundle = bundle
        self._lock = threading.Lock()
        self._encoders: KeptOpen[Execute] = KeptOpen()
        self._decoders: KeptOpen[Execute] = KeptOpen()
        self._closed = False

    @abstractmethod
    def _open(self, package: Path) -> Execute:
        """Open a package: a function from inputs by name to outputs by name.

        `image` is uint8 (H, W, 3), all other inputs are as the manifest describes them. Called by several threads.
        """

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`. The images of a batch are encoded one by one."""
        check_image(image)
        execute = self._executor("encoder", (image.shape[1], image.shape[2]))
        return np.concatenate([output(execute({"image": item}), "embedding") for item in image])

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`. Prompts are decoded one by one.

        Raises:
            InputError: also when a prompt has more points than the decoder has slots.
        """
        check_prompts(embedding, points, labels, mask, has_mask)
        size = (16 * embedding.shape[2], 16 * embedding.shape[3])
        points, labels = fill_slots(points, labels, self._slots(size))
        execute = self._executor("decoder", size)
        results = [
            execute(
                {
                    "embedding": embedding,
                    "points": points[index : index + 1],
                    "labels": labels[index : index + 1],
                    "mask": mask[index : index + 1],
                    "has_mask": has_mask[index : index + 1],
                }
            )
            for index in range(len(points))
        ]
        logits, scores = (
            np.concatenate([output(result, name) for result in results]) for name in ("logits", "scores")
        )
        return logits, scores

    def close(self) -> None:
        """See `Runtime.close`."""
        with self._lock:
            self._closed = True
            self._encoders.clear()
            self._decoders.clear()

    def _executor(self, role: str, size: tuple[int, int]) -> Execute:
        with self._lock:
            if self._closed:
                raise closed_error(self.name)
            executors = self._encoders if role == "encoder" else self._decoders
            return executors.get(size, lambda: self._open(self._bundle.path_of(self._graph(role, size))))

    def _graph(self, role: str, size: tuple[int, int]) -> GraphEntry:
        graphs = {input_size(graph): graph for graph in self._bundle.manifest.graphs_of(role)}
        if size not in graphs:
            sizes = ", ".join(f"{width}x{height}" for height, width in sorted(graphs))
            raise InputError(
                f"size: {size[1]}x{size[0]} is not in this bundle; accepted: {sizes}. Export it with --sizes"
            )
        return graphs[size]

    def _slots(self, size: tuple[int, int]) -> int:
        graph = self._graph("decoder", size)
        return int(next(entry.shape[1] for entry in graph.inputs if entry.name == "points"))


class CoreML(PackageRuntime):
    """Core ML itself, through coremltools on macOS."""

    name = "coreml"

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Check machine and options; packages open when their size is first used.

        Raises:
            EngineError: this is not macOS.
            MissingExtraError: coremltools or Pillow is not installed.
            InputError: an option is not one of Core ML's.
        """
        if platform.system() != "Darwin":
            raise EngineError(
                f"coreml: Core ML runs on macOS and iOS, this is {platform.system()}; `sam-edge verify` measures such "
                "a bundle here, and a bundle for onnx runs here"
            )
        units = COMPUTE_UNITS.get(options.device, options.device)
        if units not in COMPUTE_UNITS.values():
            accepted = ", ".join([*COMPUTE_UNITS, *COMPUTE_UNITS.values()])
            raise InputError(f"device: {options.device!r} is not accepted by coreml; accepted: {accepted}")
        if options.threads is not None:
            raise InputError(
                f"threads: {options.threads} is not accepted by coreml, which chooses itself; leave it out"
            )
        super().__init__(bundle, options)
        self.device = units
        self._tools, self._as_image = import_coreml()

    def _open(self, package: Path) -> Execute:
        try:
            model = self._tools.models.MLModel(
                str(package), compute_units=self._tools.ComputeUnit[self.device]
            )
        except Exception as error:  # Core ML's errors come as RuntimeError or plain Exception, as it pleases
            raise BundleError(f"bundle: Core ML cannot open {package}: {error}") from error

        def execute(feed: Feed) -> Mapping[str, NDArray[Any]]:
            if "image" in feed:
                feed = {**feed, "image": self._as_image(feed["image"])}
            try:
                return dict(model.predict(feed))
            except Exception as error:  # as above
                raise EngineError(f"coreml failed: {error}") from error

        return execute


def import_coreml() -> tuple[Any, Callable[[NDArray[Any]], Any]]:
    """Import coremltools, and Pillow, whose images it takes as input.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    try:
        import coremltools
    except ImportError as error:
        raise MissingExtraError("coremltools", extra="coreml", purpose="running on Core ML") from error
    try:
        pillow = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise MissingExtraError("pillow", extra="coreml", purpose="passing images to Core ML") from error
    return coremltools, pillow.fromarray


def input_size(graph: GraphEntry) -> tuple[int, int]:
    """Return the input size (height, width) that a graph is fixed to.

    Raises:
        BundleError: its description names none.
    """
    for entry in graph.inputs:
        if entry.name == "image":
            return int(entry.shape[1]), int(entry.shape[2])
        if entry.name == "embedding":
            return 16 * int(entry.shape[2]), 16 * int(entry.shape[3])
    raise BundleError(f"bundle: {graph.file} has neither an image nor an embedding among its inputs")


def fill_slots(points: Float, labels: NDArray[np.int32], slots: int) -> tuple[Float, NDArray[np.int32]]:
    """Add empty points to (P, N, 2) points and (P, N) labels until there are `slots`.

    Raises:
        InputError: there are more points than slots.
    """
    missing = slots - points.shape[1]
    if missing < 0:
        raise InputError(
            f"points: {points.shape[1]} in a prompt (a box counts as two, a prompt without one as one more); accepted "
            f"by this bundle: up to {slots}"
        )
    return (
        np.pad(points, ((0, 0), (0, missing), (0, 0))),
        np.pad(labels, ((0, 0), (0, missing)), constant_values=EMPTY),
    )


def output(outputs: Mapping[str, NDArray[Any]], name: str) -> Float:
    """Take one output as float32."""
    return np.asarray(outputs[name], np.float32)


def open_coreml(bundle: Bundle, options: RuntimeOptions) -> Runtime:
    """Open a bundle of Core ML packages on Core ML."""
    return CoreML(bundle, options)
