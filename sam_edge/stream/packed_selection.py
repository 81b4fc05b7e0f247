"""Selections whose masks take a few kilobytes: thousands of them fit in memory."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sam_edge.stream.selection import Selection

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask, a bit a pixel, compressed."""

    data: bytes
    """The bits, row by row, compressed by zlib."""
    size: tuple[int, int]
    """(height, width) of the mask, pixels."""

    @classmethod
    def pack(cls, mask: Mask) -> PackedMask:
        """Pack a mask, bool (H, W). Takes about half a millisecond on 1280x720."""
        return cls(zlib.compress(np.packbits(mask).tobytes(), level=1), (mask.shape[0], mask.shape[1]))

    def unpack(self) -> Mask:
        """Return the mask, bool (H, W)."""
        bits = np.frombuffer(zlib.decompress(self.data), np.uint8)
        height, width = self.size
        return np.unpackbits(bits, count=height * width).view(np.bool_).reshape(height, width)


@dataclass(frozen=True, slots=True)
class PackedSelection:
    """A selection whose masks are packed."""

    selection: Selection
    """The selection without its masks."""
    mask: PackedMask | None
    """The selected object's mask, if any."""
    pinned: tuple[PackedMask, ...]
    """Those of the pinned objects, in the order of `Selection.pinned`."""

    @classmethod
    def pack(cls, selection: Selection) -> PackedSelection:
        """Pack a selection."""
        empty = np.empty((0, 0), np.bool_)
        return cls(
            replace(
                selection, mask=None, pinned=tuple(replace(item, mask=empty) for item in selection.pinned)
            ),
            None if selection.mask is None else PackedMask.pack(selection.mask),
            tuple(PackedMask.pack(item.mask) for item in selection.pinned),
        )

    def unpack(self) -> Selection:
        """Return the selection with its masks."""
        pinned = tuple(
            replace(item, mask=mask.unpack())
            for item, mask in zip(self.selection.pinned, self.pinned, strict=True)
        )
        return replace(self.selection, mask=None if self.mask is None else self.mask.unpack(), pinned=pinned)
