"""SAM's own predictor, on any engine: for programs that were written for `segment_anything.SamPredictor`.

Arguments, shapes and conventions are those of the original (https://github.com/facebookresearch/segment-anything):
positions count a pixel's own index as its place, masks come in the model's order, logits are scaled twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge import sam_compat
from sam_edge.errors import InputError, SessionError
from sam_edge.geometry import MASK_STRIDE, STRIDE, View
from sam_edge.prompts import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, PADDING, numbers
from sam_edge.segmenter import Embedding, Segmenter, check_frame, check_size


class SamPredictor:
    """Encode an image once, then predict masks from prompts, as the original does.

    Example:
        >>> predictor = sam_edge.SamPredictor(sam_edge.load())
        >>> predictor.set_image(image)
        >>> masks, scores, logits = predictor.predict(np.array([[320, 200]]), np.array([1]))
    """

    def __init__(self, sam_model: Segmenter, *, size: tuple[int, int] = sam_compat.CANVAS) -> None:
        """Predict with a model from `sam_edge.load`.

        Args:
            sam_model: the model.
            size: the encoder's input (height, width). The original's is 1024x1024, with low-resolution logits of
                256x256; a smaller one is faster, and its logits are a quarter of it.

        Raises:
            InputError: the size cannot be encoded.
        """
        self.model = sam_model
        self._size = check_size(size)
        self._embedding: Embedding | None = None

    @property
    def is_image_set(self) -> bool:
        """Whether there is an image to predict on."""
        return self._embedding is not None

    @property
    def original_size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.embedding.frame_size

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the image as it was scaled for the encoder, without the padding."""
        return self.embedding.placement.inside

    @property
    def device(self) -> str:
        """Where the engine runs."""
        return self.model.runtime.device

    @property
    def embedding(self) -> Embedding:
        """The image's embedding, with its view: what `sam_edge.embeddings` saves."""
        if self._embedding is None:
            raise SessionError("predictor: no image is set; call set_image first")
        return self._embedding

    @embedding.setter
    def embedding(self, embedding: Embedding) -> None:
        """Predict on an embedding made before, instead of encoding the image again."""
        self._embedding = embedding

    def set_image(self, image: NDArray[np.uint8], image_format: str = "RGB") -> None:
        """Encode an image.

        Args:
            image: uint8 (H, W, 3).
            image_format: `RGB` or `BGR`, the order of its channels.

        Raises:
            InputError: the image is not uint8 (H, W, 3), or the format is none of the two.
            EngineError: the engine failed.
        """
        if image_format not in ("RGB", "BGR"):
            raise InputError(f"image_format: {image_format!r}; accepted: 'RGB' or 'BGR'")
        check_frame(image)
        self.reset_image()
        shown = image if image_format == "RGB" else np.ascontiguousarray(image[..., ::-1])
        view = View.whole((image.shape[0], image.shape[1]))
        self._embedding = sam_compat.encode(self.model, shown, view, self._size)

    def predict(
        self,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: ArrayLike | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[NDArray[np.bool_] | NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Predict masks for one prompt on the image.

        Args:
            point_coords: (N, 2) x, y, pixels.
            point_labels: (N,): 1 on the object, 0 not on it.
            box: (4,) x0, y0, x1, y1, pixels.
            mask_input: (1, 256, 256) logits, from an earlier prediction on this image; for another encoder size a
                quarter of it.
            multimask_output: True for three masks, False for one.
            return_logits: True for logits of the image's size instead of masks.

        Returns:
            Masks bool (C, H, W), or logits float32 (C, H, W); predicted IoU float32 (C,); low-resolution logits
            float32 (C, 256, 256). C is 3 or 1; masks stand in the model's order, not by score.

        Raises:
            SessionError: no image is set.
            InputError: a shape or a value is not accepted, or nothing is prompted.
            EngineError: the engine failed.
        """
        embedding = self.embedding
        places, kinds = self._points(point_coords, point_labels, box)
        low, has_mask = self._mask(mask_input)
        if places.shape[1] == 0 and not has_mask:
            raise InputError("prompt: nothing is prompted; give point_coords, box or mask_input")
        logits, scores = self.model.runtime.decode(
            embedding.data, places, kinds, low, np.array([float(has_mask)], np.float32)
        )
        tokens = slice(1, 4) if multimask_output else slice(0, 1)
        kept = np.ascontiguousarray(logits[0, tokens])
        full = np.stack(
            [
                sam_compat.upscale_logits(low_logits, embedding.placement, embedding.frame_size)
                for low_logits in kept
            ]
        )
        masks = full if return_logits else np.asarray(full > 0)
        return masks, scores[0, tokens].copy(), kept

    def get_image_embedding(self) -> NDArray[np.float32]:
        """Return the embedding's array, (1, 256, h, w); raises `SessionError` when no image is set."""
        return self.embedding.data

    def reset_image(self) -> None:
        """Forget the image."""
        self._embedding = None

    def _points(
        self, coords: ArrayLike | None, labels: ArrayLike | None, box: ArrayLike | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Bring points and box to the decoder's form: (1, M, 2) and (1, M)."""
        if (coords is None) != (labels is None):
            raise InputError("point_labels: points and labels come together; give both, or none of them")
        height, width = self.original_size
        inside = self.input_size
        scale = np.array([inside[1] / width, inside[0] / height])
        places, kinds = np.zeros((0, 2)), np.zeros(0, np.int64)
        points = numbers("point_coords", coords, last=2)
        if points is not None and labels is not None:
            kinds = np.asarray(labels)
            if points.ndim != 2 or kinds.shape != points.shape[:1]:
                raise InputError(
                    f"point_labels: shape {kinds.shape} for points {points.shape}; accepted: (N,) for (N, 2)"
                )
            if not np.isin(kinds, (0, 1)).all():
                raise InputError(
                    f"point_labels: {kinds.tolist()}; accepted: 1 (on the object) or 0 (not on it)"
                )
            places = points
        corners = numbers("box", box, last=4)
        if corners is not None:
            if corners.size != 4:
                raise InputError(f"box: shape {corners.shape}; accepted: (4,) x0, y0, x1, y1")
            places = np.concatenate([places, corners.reshape(2, 2)])
            kinds = np.concatenate([kinds, [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT]])
        scaled = places * scale
        if len(places) and corners is None:
            scaled = np.concatenate([scaled, np.zeros((1, 2))])
            kinds = np.concatenate([kinds, [PADDING]])
        return scaled[None].astype(np.float32), kinds[None].astype(np.int32)

    def _mask(self, mask_input: ArrayLike | None) -> tuple[NDArray[np.float32], bool]:
        sides = tuple(side * STRIDE // MASK_STRIDE for side in self.embedding.data.shape[2:])
        if mask_input is None:
            return np.zeros((1, 1, *sides), np.float32), False
        logits = np.asarray(mask_input, np.float32)
        if logits.shape != (1, *sides) or not np.isfinite(logits).all():
            raise InputError(f"mask_input: shape {logits.shape}; accepted: finite logits {(1, *sides)}")
        return logits[None], True
