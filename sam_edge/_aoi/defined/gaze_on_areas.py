"""Gaze on defined AOIs: each sample compared with the masks at its time, and objects met by gaze that are AOIs."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.areas import AREA_SAMPLE_COLUMNS, Area, relabel_objects
from sam_edge._aoi.defined.find_aois import FoundAois
from sam_edge._aoi.object_labels import object_labels
from sam_edge._track import StreamedFrame
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks import mask_to_box
from sam_edge.timeline import Table, TimelineTables, refit_fixations
from sam_edge.timeline.columns import EMPTY
from sam_edge.timeline.gaze_columns import GAZE_SIGMA_DEG, GazeColumns
from sam_edge.timeline.mask_proximity import MaskProximity
from sam_edge.timeline.table import text_values

SAME_SHARE = 0.5
"""A shown mask is an AOI when this share of it lies on the AOI."""
MIN_PROBABILITY = 0.01
"""Samples that are on an AOI with less than this probability have no line."""
REACH_SIGMAS = 4.0
"""Gaze this many standard deviations away from an AOI's box is not on it."""
NO_AREA = -1


class GazeOnAreas:
    """Compares the samples of a recording with the masks of AOIs, frame by frame."""

    def __init__(
        self, samples: Sequence[GazeSample], found: FoundAois, *, px_per_deg: float, margin_deg: float
    ) -> None:
        """Take the gaze and the AOIs; the other arguments as in `TimelineBuilder`."""
        self._found = found
        self._gaze = GazeColumns(samples, px_per_deg=px_per_deg)
        self._margin_px = margin_deg * px_per_deg
        self._reach_px = self._margin_px + REACH_SIGMAS * GAZE_SIGMA_DEG * px_per_deg
        self._on = np.zeros((len(found.names), len(samples)), np.float32)
        self._distance = np.full((len(found.names), len(samples)), np.nan, np.float32)
        self._shown = array("q")
        self._spans: list[list[tuple[int, int]]] = [[] for _ in found.names]

    def add(self, frame: StreamedFrame) -> None:
        """Take the next frame."""
        where = self._gaze.between(frame.time_ns, frame.end_ns)
        best, best_share = NO_AREA, SAME_SHARE
        for area in range(len(self._found.names)):
            mask = self._found.masks.get(area, frame.index)
            if mask is None:
                continue
            self._note_visible(area, frame)
            self._compare(area, where, mask)
            share = 0.0 if frame.mask is None else share_of(frame.mask, mask)
            if share >= best_share:
                best, best_share = area, share
        self._shown.append(best)

    def finish(self, tables: TimelineTables) -> tuple[TimelineTables, tuple[Area, ...]]:
        """Return the tables in which the AOIs take part as objects, and the AOIs with the times at which they are
        visible."""
        columns = (tables.timeline, tables.samples, tables.fixations)
        first = max([int(table.values["object"].max(initial=0)) for table in columns], default=0) + 1
        areas = tuple(
            Area(first + place, name, tuple(spans))
            for place, (name, spans) in enumerate(zip(self._found.names, self._spans, strict=True))
        )
        timeline, merged = self._take_over(tables.timeline, first)
        samples = self._take_samples(tables.samples, timeline, first)
        numbers = {area.number for area in areas}
        fixations = refit_fixations(_renumber(tables.fixations, merged), samples, kept=numbers)
        labels = {**object_labels(tables), **{area.number: area.name for area in areas}}
        return TimelineTables(
            relabel_objects(timeline, labels),
            samples,
            relabel_objects(fixations, labels),
            relabel_objects(self._area_samples(first), labels),
        ), areas

    def _note_visible(self, area: int, frame: StreamedFrame) -> None:
        spans = self._spans[area]
        if spans and spans[-1][1] == frame.time_ns:
            spans[-1] = spans[-1][0], frame.end_ns
        else:
            spans.append((frame.time_ns, frame.end_ns))

    def _compare(self, area: int, where: slice, mask: NDArray[np.bool_]) -> None:
        box = mask_to_box(mask)
        if box is None or where.start == where.stop:
            return
        x, y = self._gaze.x_px[where], self._gaze.y_px[where]
        reach = self._reach_px
        near = (x > box[0] - reach) & (x < box[2] + reach) & (y > box[1] - reach) & (y < box[3] + reach)
        if not near.any():
            return
        self._gaze.compare(where, area, MaskProximity(mask, margin_px=self._margin_px))
        self._on[area, where] = np.nan_to_num(self._gaze.on_object[where])
        self._distance[area, where] = self._gaze.distance_deg[where]

    def _take_over(self, timeline: Table, first: int) -> tuple[Table, dict[int, int]]:
        """Give shown objects that are AOIs the AOI's number; return also the objects that are AOIs throughout."""
        objects = timeline.values["object"].copy()
        shown = np.array(self._shown, np.int64)
        merged: dict[int, int] = {}
        for number in np.unique(objects[objects != EMPTY]).tolist():
            own = shown[objects == number]
            (area, count), *_ = Counter(own.tolist()).most_common(1)
            if area != NO_AREA and 2 * count > len(own):
                merged[number] = first + area
        is_area = (shown != NO_AREA) & (objects != EMPTY)
        for number, area_number in merged.items():
            objects[objects == number] = area_number
        objects[is_area] = first + shown[is_area]
        return replace(timeline, values={**timeline.values, "object": objects}), merged

    def _take_samples(self, samples: Table, timeline: Table, first: int) -> Table:
        """Give each sample the object that is shown, or the AOI that it is more probably on."""
        values = {name: column.copy() for name, column in samples.values.items()}
        frames = timeline.values["time_s"].searchsorted(values["time_s"], side="right") - 1
        shown = (values["object"] != EMPTY) & (frames >= 0)
        values["object"][shown] = timeline.values["object"][frames[shown]]
        if len(self._on):
            area = self._on.argmax(axis=0)
            on = np.round(self._on[area, np.arange(len(area))].astype(np.float64), 4)
            better = (on >= MIN_PROBABILITY) & (on > np.nan_to_num(values["on_object"]))
            values["object"][better] = first + area[better]
            values["on_object"][better] = on[better]
            distance = self._distance[area, np.arange(len(area))].astype(np.float64)
            values["distance_deg"][better] = np.round(distance[better], 4)
        return replace(samples, values=values)

    def _area_samples(self, first: int) -> Table:
        area, sample = np.nonzero(self._on >= MIN_PROBABILITY)
        order = np.lexsort((area, sample))
        area, sample = area[order], sample[order]
        return Table.from_values(
            AREA_SAMPLE_COLUMNS,
            {
                "time_s": self._gaze.time_ns[sample],
                "object": first + area.astype(np.int64),
                "label": text_values([None] * len(sample)),
                "on_object": self._on[area, sample].astype(np.float64),
            },
        )


def share_of(shown: NDArray[np.bool_], area: NDArray[np.bool_]) -> float:
    """Return the share of a shown mask that lies on an AOI: masks of parts of it count, larger ones do not."""
    common, own = int(np.count_nonzero(shown & area)), int(np.count_nonzero(shown))
    return common / max(1, own)


def _renumber(table: Table, merged: dict[int, int]) -> Table:
    objects = table.values["object"].copy()
    for number, area_number in merged.items():
        objects[table.values["object"] == number] = area_number
    return replace(table, values={**table.values, "object": objects})
