"""The three tables of a session that goes on: gaze comes with each frame, and is not known before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import ObjectEvent
from sam_edge.stream.selection import Selection
from sam_edge.timeline.builder import TimelineBuilder
from sam_edge.timeline.frame_columns import shown_object
from sam_edge.timeline.gaze_columns import GazeColumns
from sam_edge.timeline.mask_proximity import MaskProximity
from sam_edge.timeline.tables import TimelineTables

COMPARED = ("object_id", "on_object", "distance_deg")
"""Columns that comparing gaze with the mask fills."""


class LiveTimelineBuilder(TimelineBuilder):
    """Takes frames with their gaze, one after the other. Masks are not kept."""

    def __init__(self, *, px_per_deg: float, margin_deg: float = 0.0) -> None:
        """Begin without a frame; arguments as those of `TimelineBuilder`."""
        super().__init__((), px_per_deg=px_per_deg, margin_deg=margin_deg)
        self._px_per_deg = px_per_deg
        self._parts: list[GazeColumns] = []
        self._all: list[GazeSample] = []

    def add_with_gaze(
        self,
        begin_ns: int,
        end_ns: int,
        selection: Selection,
        samples: Sequence[GazeSample],
        *,
        events: Sequence[ObjectEvent] = (),
    ) -> None:
        """Take the next frame.

        Args:
            begin_ns: when it was taken, nanoseconds after the first one.
            end_ns: when the next one was taken.
            selection: what was selected on it.
            samples: the gaze from `begin_ns` on and before `end_ns`, on the clock of `begin_ns`, frame pixels.
            events: what its step made known about objects.
        """
        part = GazeColumns(samples, px_per_deg=self._px_per_deg)
        where = slice(0, len(part))
        object_id = shown_object(selection)
        if object_id is not None and selection.mask is not None and len(part):
            part.compare(where, object_id, MaskProximity(selection.mask, margin_px=self._margin_px))
        self._names.see(selection, events)
        self._frames.append(begin_ns, end_ns, selection, part, where)
        self._parts.append(part)
        self._all.extend(samples)

    def finish(self) -> TimelineTables:
        """Return the tables, after the last frame."""
        self._samples = self._all
        self._gaze = GazeColumns(self._all, px_per_deg=self._px_per_deg)
        if self._parts:
            for name in COMPARED:
                setattr(self._gaze, name, np.concatenate([getattr(part, name) for part in self._parts]))
        return super().finish()
