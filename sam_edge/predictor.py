"""SAM's own predictor, on any engine: for programs that were written for `segment_anything.SamPredictor`.

Arguments, shapes and conventions are those of the original (https://github.com/facebookresearch/segment-anything):
positions count a pixel's own index as its place, masks come in the model's order, logits are scaled twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sam_edge import sam_compat
from sam_edge.errors import InputError, MissingExtraError, SessionError
from sam_edge.geometry import MASK_STRIDE, STRIDE, View
from sam_edge.predictor_transform import ResizeLongestSide
from sam_edge.prompts import BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, PADDING, check_extent, numbers
from sam_edge.segmenter import Embedding, Segmenter, check_frame, check_size, repeat


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

    @property
    def transform(self) -> ResizeLongestSide:
        """Converts places in the image to places in the encoder's input, as the original's `transform` does.

        Raises:
            InputError: the encoder's input is not square; the original has square ones alone.
        """
        if self._size[0] != self._size[1]:
            raise InputError(
                f"size: {self._size} is not square, and the original's transform scales to squares; leave out size, "
                "or use predict, which scales by itself"
            )
        return ResizeLongestSide(self._size[0])

    def set_torch_image(self, transformed_image: Any, original_image_size: tuple[int, ...]) -> None:
        """Not supported: give `set_image` the image as it is. Raises `InputError`."""
        raise InputError(
            "set_torch_image: not supported, because the engine takes 8-bit images; give set_image the image, uint8 "
            "(H, W, 3), as it was before the transform"
        )

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
            point_labels: (N,): 1 on the object, 0 not on it, -1 padding.
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
        places, kinds = self._points(point_coords, point_labels, box)
        low, has_mask = self._mask(mask_input)
        if places.shape[1] == 0 and not has_mask:
            raise InputError("prompt: nothing is prompted; give point_coords, box or mask_input")
        masks, scores, kept = self._decode(places, kinds, low, has_mask, multimask_output, return_logits)
        return masks[0], scores[0], kept[0]

    def predict_torch(
        self,
        point_coords: Any | None,
        point_labels: Any | None,
        boxes: Any | None = None,
        mask_input: Any | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Any, Any, Any]:
        """Predict masks for a batch of prompts on the image, with tensors, as the original does.

        Args:
            point_coords: tensor (B, N, 2) x, y, pixels of the encoder's input, as `transform.apply_coords_torch` gives
                them; None for boxes or masks alone.
            point_labels: tensor (B, N): 1 on the object, 0 not on it, -1 padding.
            boxes: tensor (B, 4) x0, y0, x1, y1, pixels of the encoder's input, as `transform.apply_boxes_torch` gives
                them.
            mask_input: tensor (B, 1, 256, 256), logits from an earlier prediction.
            multimask_output: True for three masks, False for one.
            return_logits: True for logits of the image's size instead of masks.

        Returns:
            Tensors: masks bool, or logits float32, (B, C, H, W); predicted IoU float32 (B, C); low-resolution logits
            float32 (B, C, 256, 256).

        Raises:
            MissingExtraError: torch is not installed.
            SessionError: no image is set.
            InputError: a shape or a value is not accepted, or nothing is prompted.
            EngineError: the engine failed.
        """
        try:
            import torch
        except ModuleNotFoundError as error:
            raise MissingExtraError("torch", extra="export", purpose="SamPredictor.predict_torch") from error

        points, labels, corners, masks = (
            None if value is None else np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
            for value in (point_coords, point_labels, boxes, mask_input)
        )
        places, kinds = self._batch(points, labels, corners)
        low, has_mask = self._mask(
            None if masks is None else masks.reshape(-1, *masks.shape[-2:]), batch=True
        )
        if places.shape[1] == 0 and not has_mask:
            raise InputError("prompt: nothing is prompted; give point_coords, boxes or mask_input")
        count = max(len(places), len(low))
        if len(low) not in (1, count) or (places.shape[1] and len(places) != count):
            raise InputError(f"mask_input: {len(low)} masks for {len(places)} prompts; give one a prompt")
        results = self._decode(
            repeat(places, count),
            repeat(kinds, count),
            repeat(low, count),
            has_mask,
            multimask_output,
            return_logits,
        )
        full, scores, kept = (torch.from_numpy(array) for array in results)
        return full, scores, kept

    def _decode(
        self,
        places: NDArray[np.float32],
        kinds: NDArray[np.int32],
        low: NDArray[np.float32],
        has_mask: bool,
        multimask: bool,
        return_logits: bool,
    ) -> tuple[NDArray[np.bool_] | NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Decode B prompts: masks or logits (B, C, H, W), predicted IoU (B, C), low-resolution logits (B, C, h, w)."""
        embedding = self.embedding
        logits, scores = self.model.runtime.decode(
            embedding.data,
            places,
            kinds,
            low,
            np.full(len(places), float(has_mask), np.float32),
        )
        tokens = slice(1, 4) if multimask else slice(0, 1)
        kept = np.ascontiguousarray(logits[:, tokens])
        shape = (*kept.shape[:2], *embedding.frame_size)
        result = np.empty(shape, np.float32 if return_logits else np.bool_)
        for low_logits, out in zip(
            kept.reshape(-1, *kept.shape[2:]), result.reshape(-1, *shape[2:]), strict=True
        ):
            full = sam_compat.upscale_logits(low_logits, embedding.placement, embedding.frame_size)
            out[:] = full if return_logits else full > 0
        return result, scores[:, tokens].copy(), kept

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
            _check_labels(kinds)
            places = points
        corners = numbers("box", box, last=4)
        if corners is not None:
            if corners.size != 4:
                raise InputError(f"box: shape {corners.shape}; accepted: (4,) x0, y0, x1, y1")
            check_extent(corners.reshape(1, 4))
            places = np.concatenate([places, corners.reshape(2, 2)])
            kinds = np.concatenate([kinds, [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT]])
        scaled = places * scale
        if len(places) and corners is None:
            scaled = np.concatenate([scaled, np.zeros((1, 2))])
            kinds = np.concatenate([kinds, [PADDING]])
        return scaled[None].astype(np.float32), kinds[None].astype(np.int32)

    def _batch(
        self,
        points: NDArray[Any] | None,
        labels: NDArray[Any] | None,
        boxes: NDArray[Any] | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Bring points and boxes of B prompts, in the encoder's input, to its form: (B, M, 2) and (B, M)."""
        if (points is None) != (labels is None):
            raise InputError("point_labels: points and labels come together; give both, or none of them")
        count = 1 if points is None and boxes is None else len(boxes if points is None else points)  # type: ignore[arg-type]
        places, kinds = np.zeros((count, 0, 2)), np.zeros((count, 0), np.int64)
        if points is not None and labels is not None:
            if points.ndim != 3 or points.shape[2] != 2 or labels.shape != points.shape[:2]:
                raise InputError(
                    f"point_labels: shape {labels.shape} for points {points.shape}; accepted: (B, N) for (B, N, 2)"
                )
            _check_labels(labels)
            places, kinds = np.asarray(points, np.float64), labels.astype(np.int64)
        if boxes is not None:
            if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) != count:
                raise InputError(f"boxes: shape {boxes.shape} for {count} prompts; accepted: (B, 4)")
            check_extent(boxes)
            places = np.concatenate([places, boxes.reshape(-1, 2, 2)], axis=1)
            kinds = np.concatenate([kinds, np.tile([BOX_TOP_LEFT, BOX_BOTTOM_RIGHT], (count, 1))], axis=1)
        elif places.shape[1]:
            places = np.concatenate([places, np.zeros((count, 1, 2))], axis=1)
            kinds = np.concatenate([kinds, np.full((count, 1), PADDING)], axis=1)
        if not np.isfinite(places).all():
            raise InputError("point_coords: hold NaN or infinity; accepted: finite pixels")
        return places.astype(np.float32), kinds.astype(np.int32)

    def _mask(self, mask_input: ArrayLike | None, *, batch: bool = False) -> tuple[NDArray[np.float32], bool]:
        sides = tuple(side * STRIDE // MASK_STRIDE for side in self.embedding.data.shape[2:])
        if mask_input is None:
            return np.zeros((1, 1, *sides), np.float32), False
        logits = np.asarray(mask_input, np.float32)
        accepted = logits.ndim == 3 and logits.shape[1:] == sides and (batch or len(logits) == 1)
        if not accepted or not np.isfinite(logits).all():
            raise InputError(f"mask_input: shape {logits.shape}; accepted: finite logits {(1, *sides)}")
        return logits[:, None], True


def _check_labels(labels: NDArray[Any]) -> None:
    if not np.isin(labels, (0, 1, PADDING)).all():
        raise InputError(
            f"point_labels: {labels.tolist()}; accepted: 1 (on the object), 0 (not on it), -1 (padding)"
        )
