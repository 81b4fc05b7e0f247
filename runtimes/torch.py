"""The model in torch, from a checkpoint: the reference that everything else is measured against."""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray

from sam_edge.bundle import Bundle
from sam_edge.errors import InputError
from sam_edge.nn import Sam, load_model
from sam_edge.runtimes.base import Float, Runtime, RuntimeOptions, check_image, check_prompts, closed_error


class Torch(Runtime):
    """A torch model in fp32 on CPU."""

    name = "torch"
    device = "CPU"
    precision = "fp32"

    def __init__(self, model: Sam, options: RuntimeOptions) -> None:
        """Run `model`. Torch has one thread pool for the whole process; `threads` sets its size."""
        if options.device != "CPU":
            raise InputError(f"device: {options.device!r} is not accepted by torch here; accepted: CPU")
        if options.precision not in (None, "fp32"):
            raise InputError(
                f"precision: {options.precision!r} is not accepted by torch here; accepted: fp32"
            )
        self.threads = options.thread_count
        torch.set_num_threads(self.threads)
        self._model: Sam | None = model
        self._lock = threading.Lock()

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`."""
        check_image(image)
        with torch.inference_mode():
            return np.asarray(self._opened().encode(torch.from_numpy(image)).numpy(), np.float32)

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`."""
        check_prompts(embedding, points, labels, mask, has_mask)
        inputs = [
            torch.from_numpy(np.ascontiguousarray(a)) for a in (embedding, points, labels, mask, has_mask)
        ]
        with torch.inference_mode():
            logits, scores = self._opened().decode(*inputs)
        return logits.numpy(), scores.numpy()

    def close(self) -> None:
        """See `Runtime.close`."""
        with self._lock:
            self._model = None

    def _opened(self) -> Sam:
        model = self._model
        if model is None:
            raise closed_error(self.name)
        return model


def open_torch(bundle: Bundle, options: RuntimeOptions) -> Runtime:
    """Open a bundle that holds a checkpoint."""
    graph = bundle.manifest.graphs_of("encoder")[0]
    return Torch(load_model(bundle.manifest.model, bundle.path_of(graph)), options)
