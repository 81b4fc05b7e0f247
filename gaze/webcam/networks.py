"""The three networks that find faces and eyes: MediaPipe's, converted to ONNX, on ONNX Runtime.

Source: MediaPipe 0.10.14 (Apache-2.0): face_detection_short_range (Bazarevsky et al., "BlazeFace", arXiv:1907.05047),
face_landmark (Kartynnik et al., arXiv:1907.06724), iris_landmark (Ablavatski et al., arXiv:2006.11341).
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sam_edge.errors import EngineError

ERRORS_ONLY = 3


class Network:
    """One network that ships in the package. Uses one thread, because the segmentation model runs at the same time."""

    def __init__(self, name: str) -> None:
        """Open `name`.onnx. Raises `EngineError`."""
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.log_severity_level = ERRORS_ONLY
        data = resources.files("sam_edge.assets").joinpath(f"face/{name}.onnx").read_bytes()
        try:
            self._session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class but Exception
            raise EngineError(f"onnxruntime cannot open the network {name!r} of sam-edge: {error}") from error
        self._input = self._session.get_inputs()[0]
        self.side = int(self._input.shape[-1])
        """Length of a side of the square input, pixels."""

    def __call__(self, image: NDArray[np.floating]) -> list[NDArray[np.float64]]:
        """Run on float32 (1, 3, side, side); return its outputs, each without its dimensions of one."""
        try:
            outputs = self._session.run(None, {self._input.name: image.astype(np.float32, copy=False)})
        except Exception as error:  # as above
            raise EngineError(f"onnxruntime failed on a face network: {error}") from error
        return [np.asarray(output, np.float64).squeeze() for output in outputs]
