"""Defined AOIs during a run: where they are, the gaze on them, and their pictures."""

from __future__ import annotations

from collections.abc import Sequence

from sam_edge._aoi.areas import Area
from sam_edge._aoi.defined.definition import DefinedAoi
from sam_edge._aoi.defined.find_aois import find_aois
from sam_edge._aoi.defined.gaze_on_areas import GazeOnAreas
from sam_edge._aoi.pictures import BestPictures, ObjectPicture
from sam_edge._track import StreamedFrame, TrackStream
from sam_edge.closing import Closing
from sam_edge.timeline import TimelineTables


class AreaTracker(Closing):
    """Finds AOIs in a recording, and takes its frames one after the other. A context manager."""

    def __init__(
        self, aois: Sequence[DefinedAoi], frames: TrackStream, *, margin_deg: float, progress: bool
    ) -> None:
        """Find the AOIs on all frames, before the first one is stepped.

        Args:
            aois: what `check_definitions` accepts; none of them costs nothing.
            frames: the recording.
            margin_deg: gaze this near to an AOI counts as on it, degrees.
            progress: show progress bars on stderr.
        """
        self._found = find_aois(aois, frames.reader, frames.model, progress=progress) if aois else None
        self._gaze: GazeOnAreas | None = None
        if self._found is not None:
            px_per_deg = frames.px_per_deg
            self._gaze = GazeOnAreas(frames.gaze, self._found, px_per_deg=px_per_deg, margin_deg=margin_deg)
        self._pictures = BestPictures()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found nowhere."""
        return () if self._found is None else self._found.warnings

    def add(self, frame: StreamedFrame) -> None:
        """Take the next frame."""
        if self._found is None or self._gaze is None:
            return
        self._gaze.add(frame)
        for area in range(len(self._found.names)):
            mask = self._found.masks.get(area, frame.index)
            if mask is not None:
                self._pictures.add_mask(frame, area, mask)

    def finish(self, tables: TimelineTables) -> tuple[TimelineTables, tuple[Area, ...]]:
        """Return the tables in which the AOIs take part, and the AOIs."""
        return (tables, ()) if self._gaze is None else self._gaze.finish(tables)

    def pictures(self, areas: Sequence[Area]) -> dict[int, ObjectPicture]:
        """Return the best picture of each AOI by its number among the objects."""
        found = self._pictures.by_object()
        return {area.number: found[place] for place, area in enumerate(areas) if place in found}

    def close(self) -> None:
        """Delete the masks."""
        if self._found is not None:
            self._found.masks.close()
