"""From frames, what was selected on them, and gaze to the three tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.recordings.recorded_fixation import RecordedFixation
from sam_edge.gaze.samples import GazeSample
from sam_edge.identity import ObjectEvent
from sam_edge.stream.selection import Selection
from sam_edge.timeline.fixation_columns import FixationOnObject, longest_fixations, place_fixation
from sam_edge.timeline.fixation_source import detector_intervals, tracker_intervals
from sam_edge.timeline.frame_columns import FrameColumns, shown_object
from sam_edge.timeline.gaze_columns import GazeColumns
from sam_edge.timeline.mask_proximity import MaskProximity
from sam_edge.timeline.object_names import ObjectNames
from sam_edge.timeline.table import Table, text_values
from sam_edge.timeline.tables import FIXATION_COLUMNS, FRAME_COLUMNS, SAMPLE_COLUMNS, TimelineTables


class TimelineBuilder:
    """Compares each gaze sample with the mask that is shown at its time. Frames come one after the other.

    Masks are not kept: an hour takes some ten megabytes, and the samples themselves.
    """

    def __init__(
        self,
        samples: Sequence[GazeSample],
        *,
        px_per_deg: float,
        margin_deg: float = 0.0,
        fixations: Sequence[RecordedFixation] | None = None,
    ) -> None:
        """Take the gaze.

        Args:
            samples: in order of time, frame pixels, nanoseconds after the first frame.
            px_per_deg: frame pixels in a degree of visual angle.
            margin_deg: gaze this near to the mask counts as on it, degrees.
            fixations: the tracker's; None: the detector finds them.
        """
        self._samples = samples
        self._fixations = fixations
        self._margin_px = margin_deg * px_per_deg
        self._gaze = GazeColumns(samples, px_per_deg=px_per_deg)
        self._frames = FrameColumns()
        self._names = ObjectNames()

    def add(
        self, begin_ns: int, end_ns: int, selection: Selection, *, events: Sequence[ObjectEvent] = ()
    ) -> None:
        """Take the next frame.

        Args:
            begin_ns: when it is first shown, nanoseconds after the first frame.
            end_ns: when the next one takes its place; samples from `begin_ns` on and before `end_ns` are its own.
            selection: what is shown on it.
            events: what the frame's own step made known about objects.
        """
        self._names.see(selection, events)
        where = self._gaze.between(begin_ns, end_ns)
        object_id = shown_object(selection)
        if object_id is not None and selection.mask is not None and where.start < where.stop:
            proximity = MaskProximity(selection.mask, margin_px=self._margin_px)
            self._gaze.compare(where, object_id, proximity)
        self._frames.append(begin_ns, end_ns, selection, self._gaze, where)

    def finish(self) -> TimelineTables:
        """Return the tables, after the last frame: objects have the numbers and labels that they have in the end."""
        gaze = self._gaze
        gaze.object_id = self._names.final_numbers(gaze.object_id)
        intervals = (
            detector_intervals(self._samples, px_per_deg=gaze.px_per_deg)
            if self._fixations is None
            else tracker_intervals(self._fixations)
        )
        numbers = longest_fixations(intervals, self._frames.begin_ns(), self._frames.end_ns())
        fixations = [place_fixation(interval, gaze) for interval in intervals]
        return TimelineTables(
            Table.from_values(FRAME_COLUMNS, self._frame_values(numbers)),
            Table.from_values(SAMPLE_COLUMNS, self._sample_values()),
            Table.from_values(FIXATION_COLUMNS, self._fixation_values(fixations)),
        )

    def _frame_values(self, fixations: NDArray[np.int64]) -> Mapping[str, NDArray[Any]]:
        objects = self._names.final_numbers(self._frames.objects())
        return {
            **self._frames.values(),
            "object": objects,
            "label": self._names.labels(objects),
            "fixation": fixations,
        }

    def _sample_values(self) -> Mapping[str, NDArray[Any]]:
        gaze = self._gaze
        return {
            "time_s": gaze.time_ns,
            "x_px": gaze.x_px,
            "y_px": gaze.y_px,
            "valid": gaze.valid,
            "object": gaze.object_id,
            "on_object": gaze.on_object.astype(np.float64),
            "distance_deg": gaze.distance_deg.astype(np.float64),
        }

    def _fixation_values(self, fixations: Sequence[FixationOnObject]) -> Mapping[str, NDArray[Any]]:
        intervals = [fixation.interval for fixation in fixations]
        start_ns = np.array([interval.onset_ns for interval in intervals], np.int64)
        end_ns = np.array([interval.end_ns for interval in intervals], np.int64)
        objects = np.array([fixation.object_id for fixation in fixations], np.int64)
        return {
            "fixation": np.array([interval.fixation_id for interval in intervals], np.int64),
            "kind": text_values([interval.kind for interval in intervals]),
            "start_s": start_ns,
            "end_s": end_ns,
            "duration_ms": (end_ns - start_ns) / 1e6,
            "x_px": np.array([fixation.x_px for fixation in fixations], np.float64),
            "y_px": np.array([fixation.y_px for fixation in fixations], np.float64),
            "spread_px": np.array([fixation.spread_px for fixation in fixations], np.float64),
            "object": objects,
            "label": self._names.labels(objects),
            "on_object": np.array([fixation.on_object for fixation in fixations], np.float64),
            "distance_deg": np.array([fixation.distance_deg for fixation in fixations], np.float64),
        }
