"""A runtime without a model, for tests of programs that use sam-edge.

The embedding carries the image's mean brightness; masks are discs round the object points, or the boxes. Everything is
exact and the same on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_edge.bundle import Bundle
from sam_edge.runtimes.base import (
    Float,
    FollowerBatch,
    Runtime,
    RuntimeOptions,
    check_image,
    check_prompts,
    closed_error,
)

RADII_PX = (48.0, 24.0, 48.0, 96.0)
"""Radius of the disc of each of the four masks, input pixels."""
SCORES = (0.9, 0.8, 0.9, 0.85)
"""Predicted IoU of each of the four masks."""
OUTSIDE_BOX, INSIDE_BOX = -10.0, 10.0


class Fake(Runtime):
    """Discs and boxes instead of a model."""

    name = "fake"
    device = "CPU"
    precision = "none"
    threads = 1

    def __init__(self) -> None:
        """Begin open, with nothing encoded, decoded or followed."""
        self.encoded = 0
        self.decoded = 0
        self.followed = 0
        self._closed = False

    def encode(self, image: NDArray[np.uint8]) -> Float:
        """See `Runtime.encode`. Every channel holds the mean brightness of its 16x16 patch, 0..1."""
        self._check_open()
        check_image(image)
        self.encoded += image.shape[0]
        batch, height, width, _ = image.shape
        grey = image.mean(axis=3, dtype=np.float64).reshape(batch, height // 16, 16, width // 16, 16)
        patches = (grey.mean(axis=(2, 4)) / 255).astype(np.float32)
        return np.ascontiguousarray(
            np.broadcast_to(patches[:, None], (batch, 256, height // 16, width // 16))
        )

    def decode(
        self, embedding: Float, points: Float, labels: NDArray[np.int32], mask: Float, has_mask: Float
    ) -> tuple[Float, Float]:
        """See `Runtime.decode`. A box gives itself; otherwise discs round the object points."""
        self._check_open()
        check_prompts(embedding, points, labels, mask, has_mask)
        self.decoded += points.shape[0]
        rows, columns = mask.shape[2:]
        x, y = 4 * np.arange(columns) + 1.5, 4 * np.arange(rows)[:, None] + 1.5
        logits = np.empty((points.shape[0], 4, rows, columns), np.float32)
        for prompt, (places, kinds) in enumerate(zip(points, labels, strict=True)):
            if (kinds == 2).any():
                (x0, y0), (x1, y1) = places[kinds == 2][0], places[kinds == 3][0]
                inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
                logits[prompt] = np.where(inside, INSIDE_BOX, OUTSIDE_BOX)
                continue
            near = np.full((rows, columns), np.inf)
            for place in places[kinds == 1]:
                near = np.minimum(near, np.hypot(x - place[0], y - place[1]))
            near = np.minimum(near, rows * columns)
            for token, radius in enumerate(RADII_PX):
                logits[prompt, token] = radius - near
        return logits, np.tile(np.array(SCORES, np.float32), (points.shape[0], 1))

    def follow(self, crops: FollowerBatch) -> tuple[Float, Float, Float]:
        """See `Runtime.follow`. Masks stay as they were carried."""
        self._check_open()
        self.followed += crops.image.shape[0]
        return crops.carried.copy(), np.ones(len(crops.carried), np.float32), crops.before_keys.copy()

    def close(self) -> None:
        """See `Runtime.close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise closed_error(self.name)


def open_fake(bundle: Bundle, options: RuntimeOptions) -> Runtime:
    """Ignore the bundle and return a `Fake`."""
    return Fake()
