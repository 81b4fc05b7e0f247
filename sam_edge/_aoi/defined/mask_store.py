"""The masks of defined AOIs on all frames, compressed in a temporary file."""

from __future__ import annotations

import struct
import tempfile

import numpy as np
from numpy.typing import NDArray

from sam_edge.closing import Closing
from sam_edge.stream.packed_selection import PackedMask


class MaskStore(Closing):
    """Keeps a mask for each AOI and frame; memory grows by some bytes a frame. A context manager."""

    def __init__(self, aois: int, frames: int) -> None:
        """Open the file.

        Args:
            aois: number of AOIs.
            frames: number of frames.
        """
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._offsets = np.full((aois, frames), -1, np.int64)
        self._size = (0, 0)

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(AOIs, frames) whether each AOI is visible on each frame."""
        return self._offsets >= 0

    def put(self, aoi: int, frame: int, mask: NDArray[np.bool_]) -> None:
        """Keep the mask (H, W) of an AOI on a frame; a later one takes the place of an earlier one."""
        packed = PackedMask.pack(mask)
        self._size = packed.size
        self._offsets[aoi, frame] = self._file.seek(0, 2)
        self._file.write(struct.pack("<I?", len(packed.data), packed.first))
        self._file.write(packed.data)

    def has(self, aoi: int, frame: int) -> bool:
        """Return whether an AOI has a mask on a frame."""
        return bool(self._offsets[aoi, frame] >= 0)

    def get(self, aoi: int, frame: int) -> NDArray[np.bool_] | None:
        """Return the mask (H, W) of an AOI on a frame; None where it is not visible."""
        offset = int(self._offsets[aoi, frame])
        if offset < 0:
            return None
        self._file.seek(offset)
        length, first = struct.unpack("<I?", self._file.read(5))
        return PackedMask(self._file.read(length), self._size, first=first).unpack()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
