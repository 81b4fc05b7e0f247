"""Frames with what was selected on them, and the result that keeps them with their masks compressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from sam_edge._track.report import TrackReport
from sam_edge.identity import ObjectEvent
from sam_edge.stream.packed_selection import PackedSelection
from sam_edge.stream.selection import Selection
from sam_edge.timeline import TimelineTables

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """One frame of the video, with what was selected on it."""

    index: int
    """Number of the frame, from 0."""
    stem: str
    """Name of the frame: the image file's name without its ending, or the index in five digits for a video."""
    time_ns: int
    """Time at which the frame is first shown, nanoseconds after the first frame."""
    end_ns: int
    """Time at which the next frame takes its place, nanoseconds after the first frame."""
    selection: Selection
    """The selection that a viewer saw on the frame. Where `dropped` is True, it was made for an earlier frame."""
    dropped: bool
    """Whether the frame's own selection came too late, or the frame was skipped. Always False when sequential."""
    timing_ms: Mapping[str, float]
    """Milliseconds of each stage of the frame's own step, and their `total`; empty when the frame was skipped."""
    events: tuple[ObjectEvent, ...]
    """What the frame's own step made known about objects: new, returned, merged, ..."""

    @property
    def time_s(self) -> float:
        """Time at which the frame is first shown, seconds after the first frame."""
        return self.time_ns / 1e9

    @property
    def mask_age_ms(self) -> float:
        """How much older than this frame the frame is that the mask was made on, milliseconds; 0 without a mask."""
        if self.selection.mask is None and self.selection.box is None:
            return 0.0
        return (self.time_ns - self.selection.frame_time_ns) / 1e6 + self.selection.age_ms

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """The mask of the selected object, bool (H, W) in frame pixels; None while nothing is selected."""
        return self.selection.mask


@dataclass(frozen=True, slots=True)
class StreamedFrame(TrackedFrame):
    """A tracked frame with its image, as `TrackStream` yields it."""

    image: NDArray[np.uint8]
    """The frame, uint8 RGB (H, W, 3). Copy it before you draw on it."""


@dataclass(frozen=True, slots=True)
class CompressedFrame:
    """A tracked frame whose masks are compressed."""

    frame: TrackedFrame
    """The frame; its selection has no masks."""
    selection: PackedSelection
    """Its selection, with compressed masks."""

    @classmethod
    def compress(cls, frame: TrackedFrame) -> CompressedFrame:
        """Compress the masks of a frame, and leave out the image."""
        packed = PackedSelection.pack(frame.selection)
        bare = TrackedFrame(
            frame.index,
            frame.stem,
            frame.time_ns,
            frame.end_ns,
            packed.selection,
            frame.dropped,
            frame.timing_ms,
            frame.events,
        )
        return cls(bare, packed)

    def restore(self) -> TrackedFrame:
        """Return the frame with its masks, bit for bit."""
        return replace(self.frame, selection=self.selection.unpack())


@dataclass(frozen=True)
class TrackResult(Sequence[TrackedFrame]):
    """What `track` returns: a sequence of every frame in order, and the report.

    Masks are kept compressed. Each access decodes the mask of its frame, so keep the frame rather than ask for
    it twice.

    Example:
        >>> for frame in result:
        ...     print(frame.time_s, frame.selection.state.value, frame.selection.box)
    """

    report: TrackReport
    """Times of every frame, their summary, and the environment."""
    compressed: tuple[CompressedFrame, ...] = field(repr=False)
    """Every frame, with compressed masks."""
    tables: TimelineTables = field(repr=False)
    """Which object the gaze was on: by frames, by samples, and by fixations, as rows of plain values."""

    def timeline(self) -> pandas.DataFrame:
        """Return a row a frame as a pandas DataFrame; docs/reference/tables.md has the columns.

        Raises:
            MissingExtraError: pandas is not installed. `tables.timeline` has the same rows without it.
        """
        return self.tables.timeline.to_pandas()

    def samples(self) -> pandas.DataFrame:
        """Return a row a gaze sample, as `timeline` does."""
        return self.tables.samples.to_pandas()

    def fixations(self) -> pandas.DataFrame:
        """Return a row a fixation, as `timeline` does."""
        return self.tables.fixations.to_pandas()

    @overload
    def __getitem__(self, index: int) -> TrackedFrame: ...

    @overload
    def __getitem__(self, index: slice) -> list[TrackedFrame]: ...

    def __getitem__(self, index: int | slice) -> TrackedFrame | list[TrackedFrame]:
        """Return one frame, or the frames of a slice, with masks decoded."""
        if isinstance(index, slice):
            return [frame.restore() for frame in self.compressed[index]]
        return self.compressed[index].restore()

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.compressed)
