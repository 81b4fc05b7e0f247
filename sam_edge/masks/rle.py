"""Run lengths of a mask as COCO writes them: uncompressed counts, and the compressed text.

A mask is read down its columns, from left to right. `counts` are the lengths of its runs, of False and True in turn,
the first one of False (0 long where the mask begins with True). The compressed text holds each count, from the fourth
on as its difference from the count two before, in groups of five bits, lowest first: a character of 48 plus the five
bits, plus 32 where another group follows; the fifth bit of the last group is the sign. Both are byte for byte those of
`pycocotools` (Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and its API).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError

MAX_PIXELS = 1 << 28
"""Largest mask that is read or written: what claims to be larger is damaged, or meant to exhaust the memory."""
_ZERO, _MORE, _SIGN, _BITS = 48, 32, 16, 5
_MAX_GROUPS = 7
"""Groups that the difference of two counts can take: six hold 30 bits with the sign."""


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask as run lengths. Immutable, and equal to another of the same text."""

    size: tuple[int, int]
    """(height, width) of the mask, pixels."""
    text: str
    """The compressed counts, as COCO and SA-1B write them."""

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_]) -> Rle:
        """Encode a mask, bool (H, W).

        Raises:
            InputError: it is not bool (H, W) of 1 to 2^28 pixels.
        """
        counts = counts_of(mask)
        return cls((mask.shape[0], mask.shape[1]), compress(counts))

    @classmethod
    def from_counts(cls, counts: Sequence[int] | NDArray[np.integer[Any]], size: tuple[int, int]) -> Rle:
        """Take uncompressed counts of a mask of `size` (height, width).

        Raises:
            InputError: they are not whole numbers of 0 or more that add up to the mask's pixels.
        """
        return cls(check_size(size), compress(check_counts(counts, size)))

    @classmethod
    def from_json(cls, value: object) -> Rle:
        """Read `{"size": [height, width], "counts": text or list}`, as COCO and SA-1B files hold it.

        Raises:
            InputError: it is not that, or the counts do not fit the size.
        """
        if not isinstance(value, Mapping) or "size" not in value or "counts" not in value:
            raise InputError(f'rle: {_short(value)}; accepted: {{"size": [height, width], "counts": ...}}')
        size, counts = check_size(value["size"]), value["counts"]
        if isinstance(counts, bytes):
            counts = counts.decode("latin-1")
        if isinstance(counts, str):
            check_counts(decompress(counts), size)
            return cls(size, counts)
        if isinstance(counts, Sequence):
            return cls.from_counts(counts, size)
        raise InputError(f"rle: counts are {_short(counts)}; accepted: COCO's text, or a list of run lengths")

    def to_json(self) -> dict[str, Any]:
        """Return `{"size": [height, width], "counts": text}`."""
        return {"size": list(self.size), "counts": self.text}

    @property
    def counts(self) -> NDArray[np.int64]:
        """The uncompressed counts."""
        return decompress(self.text)

    @property
    def area_px(self) -> int:
        """Number of pixels of the mask."""
        return int(self.counts[1::2].sum())

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """The smallest box (x0, y0, x1, y1) round the mask, frame pixels; None when it is empty."""
        counts = self.counts
        ends = np.cumsum(counts)
        begin, end = (ends - counts)[1::2], ends[1::2]
        begin, end = begin[end > begin], end[end > begin] - 1
        if not len(begin):
            return None
        height = self.size[0]
        x0, x1 = begin[0] // height, end[-1] // height + 1
        # A run that goes on into the next column covers the bottom of one and the top of the other.
        if (begin // height != end // height).any():
            y0, y1 = 0, height
        else:
            y0, y1 = (begin % height).min(), (end % height).max() + 1
        return float(x0), float(y0), float(x1), float(y1)

    def mask(self) -> NDArray[np.bool_]:
        """Decode: bool (H, W), C-contiguous.

        Raises:
            InputError: the text is damaged, or does not fit the size.
        """
        return mask_of(check_counts(self.counts, self.size), self.size)


def counts_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the run lengths of a mask, bool (H, W), down its columns, the first one of False.

    Raises:
        InputError: it is not bool (H, W) of 1 to 2^28 pixels.
    """
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise InputError(f"mask: {mask.dtype} {mask.shape}; accepted: bool (H, W)")
    check_size(mask.shape)
    # OpenCV transposes in blocks that fit the cache: several times faster than a copy in Fortran's order.
    flat = cv2.transpose(np.ascontiguousarray(mask).view(np.uint8)).reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = [0, 0] if flat[0] else [0]
    return np.diff(np.concatenate([first, changes, [flat.size]]))


def mask_of(counts: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask, bool (H, W), of run lengths that fit its `size` (height, width)."""
    height, width = size
    values = np.zeros(len(counts), np.uint8)
    values[1::2] = 1
    columns = np.repeat(values, counts).reshape(width, height)
    return np.ascontiguousarray(cv2.transpose(columns)).view(np.bool_).reshape(height, width)


def compress(counts: NDArray[np.int64]) -> str:
    """Write run lengths as COCO's text."""
    steps = counts.astype(np.int32)
    steps[3:] -= steps[1:-2].copy()
    groups = np.ones(len(steps), np.int32)
    for group in range(1, _MAX_GROUPS):
        reach = 1 << (_BITS * group - 1)
        larger = (steps >= reach) | (steps < -reach)
        if not larger.any():
            break
        groups += larger
    begins = np.cumsum(groups) - groups
    codes = np.empty(int(groups.sum()), np.uint8)
    codes[begins] = (steps & (_MORE - 1)) + np.where(groups > 1, _MORE + _ZERO, _ZERO)
    for group in range(1, int(groups.max())):
        at = np.flatnonzero(groups > group)
        bits = (steps[at] >> (_BITS * group)) & (_MORE - 1)
        codes[begins[at] + group] = bits + np.where(groups[at] > group + 1, _MORE + _ZERO, _ZERO)
    return str(codes.tobytes(), "ascii")


def decompress(text: str) -> NDArray[np.int64]:
    """Read COCO's text as run lengths.

    Raises:
        InputError: a character is none of its alphabet, it ends in the middle of a number, or a number is too large.
    """
    codes = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64) - _ZERO
    if not len(codes) or codes.min() < 0 or codes.max() >= 2 * _MORE:
        raise InputError(
            f"rle: counts {_short(text)}; accepted: COCO's text, one or more characters from '0' to 'o'"
        )
    last = codes < _MORE
    if not last[-1]:
        raise InputError(f"rle: counts end in the middle of a number: {_short(text)}; the text was cut off")
    ends = np.flatnonzero(last)
    begins = np.concatenate([[0], ends[:-1] + 1])
    if (ends - begins).max() >= _MAX_GROUPS:
        raise InputError(f"rle: a count of more than {_MAX_GROUPS * _BITS} bits; the text is damaged")
    place = np.arange(len(codes)) - np.repeat(begins, ends - begins + 1)
    steps = np.add.reduceat((codes & (_MORE - 1)) << (_BITS * place), begins)
    signed = (codes[ends] & _SIGN) > 0
    steps[signed] -= np.int64(1) << (_BITS * (ends - begins + 1)[signed])
    # The second count starts the odd ones and the third the even ones; the first stands alone.
    steps[1::2] = np.cumsum(steps[1::2])
    steps[2::2] = np.cumsum(steps[2::2])
    return steps


def check_counts(counts: object, size: tuple[int, int]) -> NDArray[np.int64]:
    """Return run lengths as int64 when they fit a mask of `size` (height, width).

    Raises:
        InputError: they are not whole numbers of 0 or more that add up to the mask's pixels.
    """
    try:
        lengths = np.asarray(counts)
    except ValueError as error:
        raise InputError(f"rle: counts {_short(counts)}; accepted: a list of run lengths") from error
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not len(lengths):
        raise InputError(f"rle: counts {_short(counts)}; accepted: a list of whole numbers of 0 or more")
    pixels = size[0] * size[1]
    if lengths.min() < 0 or lengths.max() > pixels or int(lengths.sum(dtype=np.int64)) != pixels:
        raise InputError(
            f"rle: counts from {lengths.min()} to {lengths.max()} with the sum {lengths.sum(dtype=np.int64)}; "
            f"accepted: 0 or more, with the sum {pixels} for a mask of {size[1]}x{size[0]}"
        )
    return lengths.astype(np.int64)


def check_size(size: object) -> tuple[int, int]:
    """Return a mask's (height, width) as whole numbers.

    Raises:
        InputError: it is not two of them, or the mask would have none or more than 2^28 pixels.
    """
    if isinstance(size, Sequence) and len(size) == 2 and all(_is_side(side) for side in size):
        height, width = int(size[0]), int(size[1])
        if height * width <= MAX_PIXELS:
            return height, width
    raise InputError(f"size: {_short(size)}; accepted: (height, width), 1 to {MAX_PIXELS} pixels in all")


def _is_side(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= 1


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
