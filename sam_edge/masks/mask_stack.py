"""Masks of one size, held as bits around each object: hundreds of them on a large frame fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sam_edge.errors import InputError

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _PackedCrop:
    """The part of a mask around its object."""

    top: int
    left: int
    height: int
    width: int
    bits: NDArray[np.uint8]
    """Its pixels row by row, eight in a byte."""


class MaskStack:
    """N masks, bool (H, W). Indexing unpacks one mask; a slice, or `np.asarray`, unpacks several to (N, H, W)."""

    def __init__(self, size: tuple[int, int], count: int = 0) -> None:
        """Begin with `count` empty masks of `size` (height, width)."""
        self._size = size
        self._crops: list[_PackedCrop | None] = [None] * count

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        return len(self._crops), *self._size

    @property
    def dtype(self) -> np.dtype[np.bool_]:
        """Bool."""
        return np.dtype(np.bool_)

    @property
    def nbytes(self) -> int:
        """Memory that the packed masks take, bytes."""
        return sum(crop.bits.nbytes for crop in self._crops if crop is not None)

    def put(self, index: int, mask: Mask) -> None:
        """Replace mask number `index`.

        Raises:
            InputError: the mask is not bool (H, W) of this stack's size.
        """
        if mask.dtype != np.bool_ or mask.shape != self._size:
            raise InputError(f"mask: {mask.dtype} {mask.shape}; accepted: bool {self._size}")
        self._crops[index] = _pack(mask)

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: int | slice) -> Mask:
        """Return one mask (H, W), or those of a slice (N, H, W)."""
        if not isinstance(index, slice):
            return self._unpack(self._crops[index])
        chosen = self._crops[index]
        masks = np.empty((len(chosen), *self._size), np.bool_)
        for mask, crop in zip(masks, chosen, strict=True):
            mask[...] = self._unpack(crop)
        return masks

    def __iter__(self) -> Iterator[Mask]:
        """Unpack one mask after the other."""
        return map(self._unpack, self._crops)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all masks, (N, H, W)."""
        if copy is False:
            raise ValueError("masks are packed: they cannot become an array without a copy")
        masks = self[:]
        return masks if dtype is None else masks.astype(dtype)

    def _unpack(self, crop: _PackedCrop | None) -> Mask:
        mask = np.zeros(self._size, np.bool_)
        if crop is not None:
            pixels = np.unpackbits(crop.bits, count=crop.height * crop.width).view(np.bool_)
            rows, columns = slice(crop.top, crop.top + crop.height), slice(crop.left, crop.left + crop.width)
            mask[rows, columns] = pixels.reshape(crop.height, crop.width)
        return mask


def _pack(mask: Mask) -> _PackedCrop | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    return _PackedCrop(top, left, bottom - top, right - left, np.packbits(mask[top:bottom, left:right]))
