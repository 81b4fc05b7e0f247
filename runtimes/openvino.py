"""OpenVINO: the fastest engine on x86 CPUs, also for Intel GPUs and NPUs."""

from __future__ import annotations

import io
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from sam_edge.bundle import FOLLOWER, Bundle, GraphEntry
from sam_edge.errors import BundleError, EngineError, InputError
from sam_edge.runtimes.base import (
    Float,
    FollowerBatch,
    KeptOpen,
    Runtime,
    RuntimeOptions,
    check_image,
    check_prompts,
    closed_error,
    decoder_for,
    first_decoder,
    graph_for,
)
from sam_edge.runtimes.compiled_cache import cache_key, describe_processor, open_cache
from sam_edge.runtimes.openvino_positions import PLACED, POINTS, split_positions

HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
"""Accepted precisions, and OpenVINO's own names of them."""
WHOLE, POSITIONS = "whole", "positions"
"""Parts of a graph: positions are computed apart in bf16 (`openvino_positions`), the rest is called whole."""


class Compiled:
    """A compiled model and its idle requests. A request serves one thread at a time, and costs time to make."""

    def __init__(self, model: openvino.CompiledModel, positions: Compiled | None = None) -> None:
        """Begin with no request. `positions` computes the model's input `PLACED`."""
        self._model = model
        self._positions = positions
        self._idle: deque[openvino.InferRequest] = deque()

    def infer(self, feed: Mapping[str, NDArray[Any]]) -> list[Float]:
        """Run the model; the results are copies, so that the request can be used again."""
        if self._positions is not None:
            feed = {**feed, PLACED: self._positions.infer({POINTS: feed[POINTS]})[0]}
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        outputs = request.infer(feed)
        results = [np.array(outputs[port]) for port in self._model.outputs]
        self._idle.append(request)
        return results


class OpenVino(Runtime):
    """A bundle on OpenVINO: ONNX files, or OpenVINO's own. One compiled model an input size.

    In bf16 the positions of prompts are computed in fp32 all the same.
    """

    name = "openvino"

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Start the engine; models are compiled when their size is first used."""
        precision = options.precision or "fp32"
        if precision not in HINTS:
            raise InputError(
                f"precision: {precision!r} is not accepted by openvino; accepted: {', '.join(HINTS)}"
            )
        self._core = openvino.Core()
        available = [*self._core.available_devices, "AUTO"]
        if options.device.split(".")[0] not in {device.split(".")[0] for device in available}:
            raise EngineError(f"device: {options.device!r} is not here; OpenVINO sees {', '.join(available)}")
        self.device = options.device
        self.threads = options.thread_count
        model = bundle.manifest.precision
        self.precision = model if precision == "fp32" else f"{model}+{precision}"
        self._settings: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": HINTS[precision],
        }
        if self.device == "CPU":
            self._settings["INFERENCE_NUM_THREADS"] = self.threads
            self._settings["ENABLE_CPU_PINNING"] = "YES" if options.pin_cores else "NO"
        elif options.pin_cores:
            raise InputError(f"pin_cores: the device {self.device} has no cores to pin; accepted: CPU")
        self._cache = open_cache(options.cache)
        self._bundle = bundle
        self._lock = threading.Lock()
        self._kept: defaultdict[str, KeptOpen[Compiled]] = defaultdict(KeptOpen)
        self._closed = False

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`."""
        check_image(image)
        batch = 1 if image.shape[0] == 1 else -1
        size = (image.shape[1], image.shape[2])
        model = self._compiled("encoder", size, batch, {"image": [batch, *image.shape[1:]]})
        return self._run(model, {"image": image})[0]

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`."""
        check_prompts(embedding, points, labels, mask, has_mask)
        rows, columns = embedding.shape[2:]
        role, feed = decoder_for(self._bundle, embedding, points, labels, mask, has_mask)
        model = self._decoder(role, rows, columns, 1 if points.shape[0] == 1 else -1)
        logits, scores = self._run(model, feed)
        return logits, scores

    def prepare_decoder(self, size: tuple[int, int]) -> None:
        """See `Runtime.prepare_decoder`."""
        self._decoder(first_decoder(self._bundle), size[0] // 16, size[1] // 16, 1)

    def follow(self, crops: FollowerBatch) -> tuple[Float, Float, Float]:
        """See `Runtime.follow`."""
        feed = crops.feed()
        batch = 1 if crops.image.shape[0] == 1 else -1
        shapes = {name: [batch, *values.shape[1:]] for name, values in feed.items()}
        size = (crops.image.shape[1], crops.image.shape[2])
        logits, confidence, keys = self._run(self._compiled(FOLLOWER, size, batch, shapes), feed)
        return logits, confidence, keys

    def close(self) -> None:
        """See `Runtime.close`."""
        with self._lock:
            self._closed = True
            self._kept.clear()

    def _decoder(self, role: str, rows: int, columns: int, prompts: int) -> Compiled:
        """Open a decoder for one prompt, or, -1, for any number."""
        shapes = {
            "embedding": [1, 256, rows, columns],
            "points": [prompts, -1, 2],
            "labels": [prompts, -1],
        }
        if role == "decoder":
            shapes |= {"mask": [prompts, 1, 4 * rows, 4 * columns], "has_mask": [prompts]}
        return self._compiled(role, (16 * rows, 16 * columns), prompts, shapes)

    def _compiled(
        self, role: str, size: tuple[int, int], batch: int, shapes: dict[str, list[int]]
    ) -> Compiled:
        with self._lock:
            if self._closed:
                raise closed_error(self.name)
            kept = self._kept[role]
        graph = graph_for(self._bundle, role, size, self.name)
        return kept.get((batch, *size), lambda: self._open(graph, shapes))

    def _open(self, graph: GraphEntry, shapes: dict[str, list[int]]) -> Compiled:
        path = self._bundle.path_of(graph)
        try:
            kept = self._kept_on_disk(graph, shapes)
            if kept is not None:
                return kept
            model = self._core.read_model(str(path))
            model.reshape(shapes)
            apart = split_positions(model) if self._placed_apart(graph) else None
            positions = Compiled(self._compile(apart, POSITIONS, graph, shapes)) if apart else None
            return Compiled(self._compile(model, WHOLE, graph, shapes), positions)
        except RuntimeError as error:
            raise BundleError(f"bundle: openvino cannot open {path}: {error}") from error

    def _placed_apart(self, graph: GraphEntry) -> bool:
        return (
            graph.role not in ("encoder", FOLLOWER)
            and self._settings["INFERENCE_PRECISION_HINT"] == HINTS["bf16"]
        )

    def _kept_on_disk(self, graph: GraphEntry, shapes: dict[str, list[int]]) -> Compiled | None:
        if self._cache is None:
            return None
        models = []
        for part in (WHOLE, POSITIONS) if self._placed_apart(graph) else (WHOLE,):
            kept = self._cache.read(self._key(graph, shapes, part))
            if kept is None:
                return None
            settings = self._settings_of(part)
            models.append(self._core.import_model(io.BytesIO(kept), self.device, settings))
        return Compiled(models[0], Compiled(models[1]) if len(models) > 1 else None)

    def _compile(
        self, model: openvino.Model, part: str, graph: GraphEntry, shapes: dict[str, list[int]]
    ) -> openvino.CompiledModel:
        compiled = self._core.compile_model(model, self.device, self._settings_of(part))
        if self._cache is not None:
            self._cache.write(self._key(graph, shapes, part), compiled.export_model().getvalue())
        return compiled

    def _settings_of(self, part: str) -> dict[str, str | int]:
        if part == POSITIONS:
            return {**self._settings, "INFERENCE_PRECISION_HINT": HINTS["fp32"]}
        return self._settings

    def _key(self, graph: GraphEntry, shapes: dict[str, list[int]], part: str) -> str:
        where = self.device if self.device in self._core.available_devices else "CPU"
        engine = {
            "name": self.name,
            "version": openvino.get_version(),
            "device": self.device,
            "processor": self._core.get_property(where, "FULL_DEVICE_NAME"),
            "capabilities": sorted(self._core.get_property(where, "OPTIMIZATION_CAPABILITIES")),
            "features": describe_processor(),
            "part": part,
            **self._settings_of(part),
        }
        return cache_key(self._bundle, graph, shapes, engine)

    def _run(self, compiled: Compiled, feed: Mapping[str, NDArray[Any]]) -> list[Float]:
        try:
            return compiled.infer(feed)
        except RuntimeError as error:
            raise EngineError(f"openvino failed: {error}") from error


def preferred_precision(bundle: Bundle, options: RuntimeOptions) -> str:
    """Say what it computes in where no precision is given: bf16 for a bundle in 8 bits or bf16 on a CPU that has it
    natively, which is about half as fast again and loses far less than the 8 bits do; else fp32."""
    if options.device != "CPU" or not bundle.manifest.precision.startswith(("int8", "bf16")):
        return "fp32"
    return "bf16" if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"


def open_openvino(bundle: Bundle, options: RuntimeOptions) -> Runtime:
    """Open a bundle on OpenVINO."""
    return OpenVino(bundle, options)
