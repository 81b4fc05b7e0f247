"""Text as a prompt, by an image-text encoder that the user brings.

SAM's published weights take no text. What can be done with any encoder that puts pictures and words into one space
(CLIP-like: Radford et al., 2021) is to score masks: each is cut out, encoded, and compared with the words. How good the
selection is depends on that encoder alone; sam-edge ships none and claims nothing for one.
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
"""Share of a mask's box that is shown beyond it on each side."""
PICTURES_PER_CALL = 16
"""Cut-outs that are encoded in one call."""


@runtime_checkable
class TextImageEncoder(Protocol):
    """Puts pictures and words into one space. Lengths do not matter: vectors are normalised here."""

    input_size: tuple[int, int]
    """(height, width) of the pictures that it takes."""

    def encode_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """RGB uint8 (N, height, width, 3) to vectors float32 (N, D)."""

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Words to vectors float32 (N, D)."""


def score_masks(
    encoder: TextImageEncoder,
    image: NDArray[np.uint8],
    found: Sequence[GeneratedMask],
    texts: Sequence[str],
    *,
    hide_ground: bool = True,
) -> NDArray[np.float32]:
    """Compare masks with words.

    Args:
        encoder: brings pictures and words into one space.
        image: RGB uint8 (H, W, 3).
        found: masks of that image, from `generate_masks`.
        texts: what to look for.
        hide_ground: whether what is not in the mask is filled with a plain colour.

    Returns:
        (masks, texts): cosine of each mask's vector and each text's, -1..1.

    Raises:
        InputError: there is no text, or a mask has another size than the image.
        EngineError: the encoder gives vectors of another form than it promises.
    """
    check_frame(image)
    if not texts or any(not isinstance(text, str) or not text.strip() for text in texts):
        raise InputError(f"texts: {list(texts)!r}; accepted: one or more texts that are not empty")
    words = _unit("encode_text", encoder.encode_text(texts), len(texts))
    rows = []
    for begin in range(0, len(found), PICTURES_PER_CALL):
        part = found[begin : begin + PICTURES_PER_CALL]
        crops = np.stack([crop_of(image, one, encoder.input_size, hide_ground=hide_ground) for one in part])
        pictures = _unit("encode_images", encoder.encode_images(crops), len(part))
        if pictures.shape[1] != words.shape[1]:
            raise EngineError(
                f"encoder: pictures have {pictures.shape[1]} numbers, texts {words.shape[1]}; they must have as many"
            )
        rows.append(pictures @ words.T)
    return np.concatenate(rows) if rows else np.zeros((0, len(texts)), np.float32)


def select_by_text(
    encoder: TextImageEncoder, image: NDArray[np.uint8], found: Sequence[GeneratedMask], text: str
) -> GeneratedMask | None:
    """Return the mask that a text suits best; None where there is no mask. See `score_masks`."""
    scores = score_masks(encoder, image, found, [text])
    return found[int(scores[:, 0].argmax())] if len(scores) else None


def crop_of(
    image: NDArray[np.uint8], found: GeneratedMask, size: tuple[int, int], *, hide_ground: bool = True
) -> NDArray[np.uint8]:
    """Cut a mask's box, with a little round it, out of an image, scaled with its shape kept: (height, width, 3)."""
    if found.segmentation.size != image.shape[:2]:
        raise InputError(
            f"found: a mask of {found.segmentation.size}; accepted: {image.shape[:2]}, as the image"
        )
    x0, y0, x1, y1 = found.box
    beyond_x, beyond_y = CONTEXT * (x1 - x0), CONTEXT * (y1 - y0)
    left, top = max(0, int(x0 - beyond_x)), max(0, int(y0 - beyond_y))
    right, bottom = min(image.shape[1], int(x1 + beyond_x) + 1), min(image.shape[0], int(y1 + beyond_y) + 1)
    part = image[top:bottom, left:right].copy()
    if hide_ground:
        part[~found.mask()[top:bottom, left:right]] = LETTERBOX_RGB
    scale = min(size[0] / part.shape[0], size[1] / part.shape[1])
    height, width = max(1, round(part.shape[0] * scale)), max(1, round(part.shape[1] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.empty((*size, 3), np.uint8)
    out[:] = LETTERBOX_RGB
    y, x = (size[0] - height) // 2, (size[1] - width) // 2
    out[y : y + height, x : x + width] = cv2.resize(part, (width, height), interpolation=how)
    return out


class FileTextImageEncoder:
    """Two files, one network for pictures and one for words: ONNX on ONNX Runtime, or either kind on OpenVINO.

    The picture's network takes float32 (N, 3, height, width), normalised with `mean` and `std`, and gives (N, D); the
    text's takes int64 (N, L) and gives (N, D). Turning words into numbers is the tokenizer's work, which comes with the
    encoder. Of several outputs the first counts, unless its name is given.
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
            input_size: (height, width) of the pictures; None takes it from the file, where it is fixed.
            output: name of the vectors in both files; None takes the first output.
            mean: of each colour, 0..1; CLIP's own.
            std: of each colour; CLIP's own.

        Raises:
            InputError: the runtime is unknown, a file cannot be opened, or the picture's size is not known.
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
        size = input_size or self._images.picture_size
        if size is None:
            raise InputError(
                f"input_size: {image_model} takes pictures of any size; give the (height, width) that it was trained on"
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


Given: TypeAlias = NDArray[Any] | Mapping[str, NDArray[Any]]
"""What a network is given: its first input, or several by name."""


class _Network(Protocol):
    """One opened file."""

    picture_size: tuple[int, int] | None
    """(height, width) of the first input (N, 3, height, width), where it is fixed."""

    def run(self, given: Given) -> NDArray[np.float32]:
        """Return the vectors."""


class _OnnxNetwork:
    """A file on ONNX Runtime."""

    def __init__(self, path: Path, output: str | None) -> None:
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class but Exception
            raise InputError(f"{path}: onnxruntime cannot open it: {error}") from error
        self._first = self._session.get_inputs()[0].name
        self._output = _chosen(path, output, [one.name for one in self._session.get_outputs()])
        self.picture_size = _fixed(self._session.get_inputs()[0].shape)

    def run(self, given: Given) -> NDArray[np.float32]:
        feed = given if isinstance(given, Mapping) else {self._first: given}
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
        names = [one.get_any_name() for one in self._compiled.outputs]
        self._output = self._compiled.output(_chosen(path, output, names))
        shape = self._compiled.inputs[0].get_partial_shape()
        self.picture_size = _fixed([None if one.is_dynamic else one.get_length() for one in shape])

    def run(self, given: Given) -> NDArray[np.float32]:
        feed = dict(given) if isinstance(given, Mapping) else {0: given}
        try:
            return np.array(self._compiled(feed)[self._output], np.float32)
        except Exception as error:
            raise EngineError(f"openvino: the encoder failed: {error}") from error


def _chosen(path: Path, output: str | None, names: list[str]) -> str:
    if output is not None and output not in names:
        raise InputError(f"output: {output!r} is not in {path}; accepted: {', '.join(names)}")
    return output or names[0]


def _fixed(shape: Sequence[object]) -> tuple[int, int] | None:
    """Return height and width of an input (N, 3, height, width), where they are fixed."""
    sides = [side for side in shape[2:] if isinstance(side, int) and side > 0]
    return (sides[0], sides[1]) if len(shape) == 4 and len(sides) == 2 else None


def _unit(name: str, vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Check vectors and bring them to length 1."""
    given = np.asarray(vectors, np.float32)
    if given.ndim != 2 or len(given) != count or not np.isfinite(given).all():
        raise EngineError(
            f"encoder: {name} gave shape {given.shape} for {count}; it must give finite ({count}, D)"
        )
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    return np.asarray(given / np.maximum(lengths, 1e-12), np.float32)
