"""ONNX Runtime on CPU: the engine of the base install."""

from __future__ import annotations

import tempfile
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sam_edge.bundle import FOLLOWER, Bundle
from sam_edge.cores import allowed_cores
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

ERRORS_ONLY = 3
NOT_WANTED = ["MatMulAddFusion"]
"""It joins a product and its bias before the product's 8 bits are seen, which are then multiplied in fp32."""


class OnnxRuntime(Runtime):
    """A bundle of ONNX files on ONNX Runtime. One session an input size, so that every shape in it is known."""

    name = "onnxruntime"
    device = "CPU"

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Read nothing yet; sessions open when their size is first used."""
        if options.device != "CPU":
            raise InputError(f"device: {options.device!r} is not accepted by onnxruntime; accepted: CPU")
        if options.precision not in (None, "fp32"):
            raise InputError(
                f"precision: {options.precision!r} is not accepted by onnxruntime; accepted: fp32"
            )
        self.threads = options.thread_count
        self.precision = bundle.manifest.precision
        self._affinities = affinities(self.threads) if options.pin_cores else ""
        self._bundle = bundle
        self._cache = open_cache(options.cache)
        self._lock = threading.Lock()
        self._kept: defaultdict[str, KeptOpen[onnxruntime.InferenceSession]] = defaultdict(KeptOpen)
        self._closed = False

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`."""
        check_image(image)
        size = (image.shape[1], image.shape[2])
        session = self._session("encoder", size, {"height": size[0], "width": size[1]})
        return self._run(session, {"image": image})[0]

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`."""
        check_prompts(embedding, points, labels, mask, has_mask)
        rows, columns = embedding.shape[2:]
        role, feed = decoder_for(self._bundle, embedding, points, labels, mask, has_mask)
        logits, scores = self._run(self._decoder(role, rows, columns), feed)
        return logits, scores

    def prepare_decoder(self, size: tuple[int, int]) -> None:
        """See `Runtime.prepare_decoder`."""
        self._decoder(first_decoder(self._bundle), size[0] // 16, size[1] // 16)

    def follow(self, crops: FollowerBatch) -> tuple[Float, Float, Float]:
        """See `Runtime.follow`."""
        session = self._session(FOLLOWER, (crops.image.shape[1], crops.image.shape[2]), {})
        logits, confidence, keys = self._run(session, crops.feed())
        return logits, confidence, keys

    def close(self) -> None:
        """See `Runtime.close`."""
        with self._lock:
            self._closed = True
            self._kept.clear()

    def _decoder(self, role: str, rows: int, columns: int) -> onnxruntime.InferenceSession:
        fixed = {"rows": rows, "columns": columns, "4*rows": 4 * rows, "4*columns": 4 * columns}
        return self._session(role, (16 * rows, 16 * columns), fixed)

    def _session(
        self, role: str, size: tuple[int, int], fixed: dict[str, int]
    ) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._closed:
                raise closed_error(self.name)
            kept = self._kept[role]
        return kept.get(size, lambda: self._open(role, size, fixed))

    def _open(self, role: str, size: tuple[int, int], fixed: dict[str, int]) -> onnxruntime.InferenceSession:
        graph = graph_for(self._bundle, role, size, self.name)
        path, settings = self._bundle.path_of(graph), self._settings(role, fixed)
        try:
            if self._cache is None:
                return start_session(str(path), settings)
            key = cache_key(self._bundle, graph, fixed, self._engine())
            optimized = self._cache.read(key)
            if optimized is not None:
                settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
                return start_session(optimized, settings)
            with tempfile.TemporaryDirectory(prefix="sam-edge-") as folder:
                made = Path(folder) / "optimized.ort"
                settings.optimized_model_filepath = str(made)
                session = start_session(str(path), settings)
                self._cache.write(key, made.read_bytes())
            return session
        except InputError:
            raise
        except Exception as error:  # onnxruntime's errors share no base class but Exception
            raise BundleError(f"bundle: onnxruntime cannot open {path}: {error}") from error

    def _engine(self) -> dict[str, object]:
        """Return what an optimized graph depends on but for its files and shapes."""
        return {
            "name": self.name,
            "version": onnxruntime.__version__,
            "device": self.device,
            "threads": self.threads,
            "precision": self.precision,
            "processor": describe_processor(),
            "without": NOT_WANTED,
        }

    def _settings(self, role: str, fixed: Mapping[str, int]) -> onnxruntime.SessionOptions:
        """Say how the session of `role` runs; `fixed` are its free dimensions, which it is opened for."""
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self.threads
        if self._affinities:
            settings.add_session_config_entry("session.intra_op_thread_affinities", self._affinities)
        settings.inter_op_num_threads = 1
        # Else threads wait busily for more work when the decoder, or another size, needs their cores: on two cores that
        # then takes nearly twice as long.
        settings.add_session_config_entry("session.force_spinning_stop", "1")
        if role == "encoder":
            # Else 8-bit products overflow on x86 CPUs without VNNI. Decoders multiply in floating point.
            settings.add_session_config_entry("session.x64quantprecision", "1")
        settings.log_severity_level = ERRORS_ONLY
        for name, value in fixed.items():
            settings.add_free_dimension_override_by_name(name, value)
        return settings

    def _run(self, session: onnxruntime.InferenceSession, feed: Mapping[str, NDArray[Any]]) -> list[Float]:
        try:
            outputs: list[Float] = session.run(None, feed)
        except Exception as error:  # see _open
            raise EngineError(f"onnxruntime failed: {error}") from error
        return outputs


def start_session(model: str | bytes, settings: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """Open a file, or a graph that was optimized before."""
    return onnxruntime.InferenceSession(
        model, settings, providers=["CPUExecutionProvider"], disabled_optimizers=NOT_WANTED
    )


def affinities(threads: int) -> str:
    """Give each thread but the caller's own, which is not the engine's to move, a core: numbered from 1, as ONNX
    Runtime writes it. Empty where there is no such thread.

    Raises:
        InputError: there are more threads than cores.
    """
    cores = allowed_cores()
    if threads > len(cores):
        raise InputError(
            f"pin_cores: {threads} threads for {len(cores)} cores; accepted: at most as many threads as cores"
        )
    return ";".join(str(core + 1) for core in cores[1:threads])


def open_onnxruntime(bundle: Bundle, options: RuntimeOptions) -> Runtime:
    """Open a bundle of ONNX files on ONNX Runtime."""
    return OnnxRuntime(bundle, options)
