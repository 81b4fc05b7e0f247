"""Match masks with text, by an image-text encoder that the user supplies.

SAM's published weights accept no text. An encoder that embeds images and text in one space (such as CLIP: Radford et
al., 2021) can score masks instead: each mask is cropped, encoded, and compared with the text. The quality depends on
the encoder alone; sam-edge ships none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sam_edge.errors import EngineError, InputError, MissingExtraError
from sam_edge.everything.generated_mask import GeneratedMask
from sam_edge.geometry import LETTERBOX_RGB
from sam_edge.segmenter import check_frame

CONTEXT = 0.1
"""Margin around a mask's box on each side, as a share of the box's side."""
CROPS_PER_CALL = 16
"""Number of crops that are encoded in one call."""


@runtime_checkable
class TextImageEncoder(Protocol):
    """Embeds images and text in one space. Vectors need not have unit length."""

    input_size: tuple[int, int]
    """(height, width) of its input images, pixels."""

    def encode_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode RGB uint8 (N, height, width, 3) to vectors float32 (N, D)."""

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to vectors float32 (N, D)."""


def score_masks(
    encoder: TextImageEncoder,
    image: NDArray[np.uint8],
    masks: Sequence[GeneratedMask],
    texts: Sequence[str],
    *,
    hide_background: bool = True,
) -> NDArray[np.float32]:
    """Compare masks with texts.

    Args:
        encoder: embeds images and text in one space.
        image: RGB uint8 (H, W, 3).
        masks: masks of that image, from `generate_masks`.
        texts: descriptions to compare with.
        hide_background: fill everything outside the mask with a plain colour.

    Returns:
        float32 (masks, texts): cosine similarity, -1..1.

    Raises:
        InputError: there is no text, a text is empty, or a mask has another size than the image.
        EngineError: the encoder returns vectors of a wrong shape.
    """
    check_frame(image)
    if not texts or any(not isinstance(text, str) or not text.strip() for text in texts):
        raise InputError(f"texts: {list(texts)!r}; accepted: one or more texts that are not empty")
    text_vectors = _normalize("encode_text", encoder.encode_text(texts), len(texts))
    rows = []
    for begin in range(0, len(masks), CROPS_PER_CALL):
        batch = masks[begin : begin + CROPS_PER_CALL]
        crops = np.stack(
            [crop_mask(image, mask, encoder.input_size, hide_background=hide_background) for mask in batch]
        )
        image_vectors = _normalize("encode_images", encoder.encode_images(crops), len(batch))
        if image_vectors.shape[1] != text_vectors.shape[1]:
            raise EngineError(
                f"encoder: image vectors have {image_vectors.shape[1]} values, text vectors "
                f"{text_vectors.shape[1]}; they must be equal"
            )
        rows.append(image_vectors @ text_vectors.T)
    return np.concatenate(rows) if rows else np.zeros((0, len(texts)), np.float32)


def select_by_text(
    encoder: TextImageEncoder, image: NDArray[np.uint8], masks: Sequence[GeneratedMask], text: str
) -> GeneratedMask | None:
    """Return the mask that matches a text best; None when there are no masks. See `score_masks`."""
    scores = score_masks(encoder, image, masks, [text])
    return masks[int(scores[:, 0].argmax())] if len(scores) else None


def crop_mask(
    image: NDArray[np.uint8], mask: GeneratedMask, size: tuple[int, int], *, hide_background: bool = True
) -> NDArray[np.uint8]:
    """Crop an image to a mask's box with a margin, and scale it to `size` (height, width) with its aspect ratio kept.

    Returns:
        uint8 RGB (height, width, 3), padded with a plain colour.

    Raises:
        InputError: the mask has another size than the image.
    """
    if mask.segmentation.size != image.shape[:2]:
        raise InputError(
            f"mask: size {mask.segmentation.size}; accepted: {image.shape[:2]}, that of the image"
        )
    x0, y0, x1, y1 = mask.box
    margin_x, margin_y = CONTEXT * (x1 - x0), CONTEXT * (y1 - y0)
    left, top = max(0, int(x0 - margin_x)), max(0, int(y0 - margin_y))
    right, bottom = min(image.shape[1], int(x1 + margin_x) + 1), min(image.shape[0], int(y1 + margin_y) + 1)
    crop = image[top:bottom, left:right].copy()
    if hide_background:
        crop[~mask.mask()[top:bottom, left:right]] = LETTERBOX_RGB
    scale = min(size[0] / crop.shape[0], size[1] / crop.shape[1])
    height, width = max(1, round(crop.shape[0] * scale)), max(1, round(crop.shape[1] * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.empty((*size, 3), np.uint8)
    out[:] = LETTERBOX_RGB
    y, x = (size[0] - height) // 2, (size[1] - width) // 2
    out[y : y + height, x : x + width] = cv2.resize(crop, (width, height), interpolation=interpolation)
    return out


class FileTextImageEncoder:
    """Two model files, one for images and one for text: ONNX on ONNX Runtime, or ONNX or IR on OpenVINO.

    The image network takes float32 (N, 3, height, width), normalised with `mean` and `std`, and returns (N, D);
    the text network takes int64 (N, L) and returns (N, D). The tokenizer comes with the encoder. The first of several
    outputs is used, unless `output` names one.
    """

    def __init__(
        self,
        image_model: str | Path,
        text_model: str | Path,
        tokenize: Callable[[Sequence[str]], NDArray[np.int64] | Mapping[str, NDArray[np.int64]]],
        *,
        runtime: str = "onnxruntime",
        input_size: tuple[int, int] | None = None,
        output: str | None = None,
        mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073),
        std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711),
    ) -> None:
        """Open both files.

        Args:
            image_model: ONNX file (`.onnx`), or OpenVINO's (`.xml`).
            text_model: likewise.
            tokenize: texts to int64 (N, L); or such arrays by the names of the network's inputs, where it has several.
            runtime: `onnxruntime` or `openvino`.
            input_size: (height, width) of the input images; None: as fixed in the file.
            output: name of the output with the vectors, in both files; None: the first.
            mean: mean of each channel, 0..1 (default: CLIP's).
            std: standard deviation of each channel (default: CLIP's).

        Raises:
            InputError: the runtime is unknown, a file cannot be opened, or the input size is unknown.
            MissingExtraError: OpenVINO is not installed.
        """
        openers: Mapping[str, Callable[[Path, str | None], _Network]] = {
            "onnxruntime": _OnnxNetwork,
            "openvino": _OpenVinoNetwork,
        }
        if runtime not in openers:
            raise InputError(f"runtime: {runtime!r}; accepted: {', '.join(openers)}")
        self._images = openers[runtime](Path(image_model), output)
        self._texts = openers[runtime](Path(text_model), output)
        size = input_size or self._images.image_size
        if size is None:
            raise InputError(
                f"input_size: {image_model} accepts images of any size; give the (height, width) that it was trained on"
            )
        self.input_size = size
        self._tokenize = tokenize
        self._mean, self._std = np.array(mean, np.float32), np.array(std, np.float32)

    def encode_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `TextImageEncoder.encode_images`."""
        normal = (images.astype(np.float32) / 255 - self._mean) / self._std
        return self._images.run(np.ascontiguousarray(normal.transpose(0, 3, 1, 2)))

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `TextImageEncoder.encode_text`."""
        return self._texts.run(self._tokenize(texts))


NetworkInput: TypeAlias = NDArray[Any] | Mapping[str, NDArray[Any]]
"""Input of a network: its first input, or several by name."""


class _Network(Protocol):
    """One opened file."""

    image_size: tuple[int, int] | None
    """(height, width) of the first input (N, 3, height, width), where it is fixed."""

    def run(self, inputs: NetworkInput) -> NDArray[np.float32]:
        """Return the vectors."""


class _OnnxNetwork:
    """A file on ONNX Runtime."""

    def __init__(self, path: Path, output: str | None) -> None:
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class but Exception
            raise InputError(f"{path}: onnxruntime cannot open it: {error}") from error
        self._first = self._session.get_inputs()[0].name
        self._output = _choose_output(
            path, output, [output_info.name for output_info in self._session.get_outputs()]
        )
        self.image_size = _fixed_size(self._session.get_inputs()[0].shape)

    def run(self, inputs: NetworkInput) -> NDArray[np.float32]:
        feed = inputs if isinstance(inputs, Mapping) else {self._first: inputs}
        try:
            return np.asarray(self._session.run([self._output], dict(feed))[0], np.float32)
        except Exception as error:
            raise EngineError(f"onnxruntime: the encoder failed: {error}") from error


class _OpenVinoNetwork:
    """A file on OpenVINO, in floating point as it is stored."""

    def __init__(self, path: Path, output: str | None) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("openvino", extra="openvino", purpose="an encoder on OpenVINO") from error
        core = openvino.Core()
        try:
            model = core.read_model(str(path))
            self._compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except Exception as error:  # openvino's errors share no base class but Exception
            raise InputError(f"{path}: openvino cannot open it: {error}") from error
        names = [port.get_any_name() for port in self._compiled.outputs]
        self._output = self._compiled.output(_choose_output(path, output, names))
        shape = self._compiled.inputs[0].get_partial_shape()
        self.image_size = _fixed_size([None if side.is_dynamic else side.get_length() for side in shape])

    def run(self, inputs: NetworkInput) -> NDArray[np.float32]:
        feed = dict(inputs) if isinstance(inputs, Mapping) else {0: inputs}
        try:
            return np.array(self._compiled(feed)[self._output], np.float32)
        except Exception as error:
            raise EngineError(f"openvino: the encoder failed: {error}") from error


def _choose_output(path: Path, output: str | None, names: list[str]) -> str:
    if output is not None and output not in names:
        raise InputError(f"output: {output!r} is not in {path}; accepted: {', '.join(names)}")
    return output or names[0]


def _fixed_size(shape: Sequence[object]) -> tuple[int, int] | None:
    """Return height and width of an input (N, 3, height, width), where they are fixed."""
    sides = [side for side in shape[2:] if isinstance(side, int) and side > 0]
    return (sides[0], sides[1]) if len(shape) == 4 and len(sides) == 2 else None


def _normalize(name: str, vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Check vectors and scale them to unit length."""
    array = np.asarray(vectors, np.float32)
    if array.ndim != 2 or len(array) != count or not np.isfinite(array).all():
        raise EngineError(
            f"encoder: {name} returned shape {array.shape} for {count}; it must return finite ({count}, D)"
        )
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    return np.asarray(array / np.maximum(lengths, 1e-12), np.float32)
