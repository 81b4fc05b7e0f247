"""Crop sequences on disk with their frozen features, computed once and read in every epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam_edge.follow.crops import CELLS, SIDE
from sam_edge.nn import Sam
from sam_edge.nn.follower import frozen_features, normalise_colours
from sam_edge.training.crops import CropSequence

SHAPES: dict[str, tuple[type[Any], tuple[int, ...]]] = {
    "images": (np.uint8, (SIDE, SIDE, 3)),
    "truth": (np.uint8, (CELLS, CELLS)),
    "places": (np.float16, (CELLS, CELLS, 2)),
    "fine": (np.float16, (SIDE // 4, SIDE // 4, 64)),
    "coarse": (np.float16, (SIDE // 8, SIDE // 8, 128)),
}
"""Arrays of the cache: data type and shape for each crop."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences to train on. B sequences of T crops."""

    images: Tensor
    """float32 (B, T, 3, SIDE, SIDE), normalised."""
    truth: Tensor
    """float32 (B, T, 1, CELLS, CELLS), 0 to 1."""
    places: Tensor
    """float32 (B, T, CELLS, CELLS, 2), cells of the crop before."""
    fine: Tensor
    """float32 (B, T, 64, SIDE / 4, SIDE / 4)."""
    coarse: Tensor
    """float32 (B, T, 128, SIDE / 8, SIDE / 8)."""

    def crop(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return colours and features of the crops of one frame, as `Follower` takes them."""
        return self.images[:, index], self.fine[:, index], self.coarse[:, index]


Extractor = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float16], NDArray[np.float16]]]
"""From crops (T, SIDE, SIDE, 3) to features at strides 4 and 8, channels last."""


class FeatureExtractor:
    """The frozen part on batches of crops, in bfloat16: the cache keeps no more digits."""

    def __init__(self, model: Sam) -> None:
        """Take the beginning of the image encoder of `model`."""
        self._model = model.eval()
        self._features = frozen_features(model)

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """Return the features of crops (T, SIDE, SIDE, 3), channels last."""
        image = self._model.normalise(torch.from_numpy(images)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            fine, coarse = self._features(image)
        fine, coarse = (x.permute(0, 2, 3, 1).half() for x in (fine, coarse))
        return fine.numpy(), coarse.numpy()


class FeatureCache:
    """A folder of arrays (sequences, T, ...), one file for each."""

    def __init__(
        self, folder: Path, *, mode: Literal["r", "w+"] = "r", shape: tuple[int, int] | None = None
    ) -> None:
        """Open a folder, or create it for `shape` (sequences, T) when `mode` is `w+`."""
        self.folder = folder
        if shape is None:
            shape = tuple(json.loads((folder / "shape.json").read_text(encoding="utf-8")))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "shape.json").write_text(json.dumps(shape), encoding="utf-8")
        self.shape = shape
        self._arrays = {
            name: np.memmap(folder / f"{name}.bin", dtype, mode, shape=(*shape, *each))
            for name, (dtype, each) in SHAPES.items()
        }

    def write(self, index: int, sequence: CropSequence, extract: Extractor) -> None:
        """Store a sequence and its features."""
        fine, coarse = extract(sequence.images)
        values = (sequence.images, sequence.truth, np.clip(sequence.places, -999, 999), fine, coarse)
        for array, value in zip(self._arrays.values(), values, strict=True):
            array[index] = value

    def read(self, indices: NDArray[np.int64]) -> Batch:
        """Read sequences."""
        images, truth, places, fine, coarse = (
            torch.from_numpy(np.stack([array[index] for index in indices])) for array in self._arrays.values()
        )
        return Batch(
            normalise_colours(images).permute(0, 1, 4, 2, 3),
            truth[:, :, None].float() / 255,
            places.float(),
            fine.float().permute(0, 1, 4, 2, 3),
            coarse.float().permute(0, 1, 4, 2, 3),
        )

    def batches(self, size: int, rng: np.random.Generator | None = None) -> Iterator[Batch]:
        """Read all sequences, in random order if `rng` is given; a last batch that is not full is left out then."""
        order = np.arange(self.shape[0]) if rng is None else rng.permutation(self.shape[0])
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            if rng is None or len(chosen) == size:
                yield self.read(chosen)
