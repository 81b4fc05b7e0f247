"""Gaze on a screen becomes gaze on the frames that are shown there: a webcam as the eye tracker of a live camera."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sam_edge.closing import Closing
from sam_edge.errors import InputError, TrackerError
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import GazeSource, SourceStats

PICTURE_DEG = 30.0
"""Width of the picture on the screen, degrees of visual angle, unless pixels in a degree are given."""


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """Where the picture is shown, as shares of the screen's width and height."""

    left: float
    """Left edge, 0 at the screen's left edge, 1 at its right one."""
    top: float
    """Upper edge, 0 at the screen's upper edge, 1 at its lower one."""
    width: float
    """Width of the picture, share of the screen's."""
    height: float
    """Height of the picture, share of the screen's."""

    def __post_init__(self) -> None:
        """Refuse a place that cannot be shown. Raises `InputError`."""
        values = (self.left, self.top, self.width, self.height)
        if not all(math.isfinite(value) and abs(value) < 100 for value in values):
            raise InputError(f"place: {values}; accepted are finite shares of the screen")
        if not (self.width > 0 and self.height > 0):
            raise InputError(
                f"place: {self.width:g} x {self.height:g} of the screen; accepted are more than 0"
            )


class ScreenGaze(Closing):
    """A gaze source in frame pixels, of one in screen pixels and of the place at which the frames are shown.

    Samples are invalid until `show_at` was called. When it is not called for `timeout_s`, `read` raises
    `TrackerError`, and again after each further `timeout_s`.
    """

    def __init__(
        self,
        source: GazeSource,
        *,
        screen_size: tuple[int, int],
        frame_size: tuple[int, int],
        timeout_s: float = 5.0,
    ) -> None:
        """Read from an open source.

        Args:
            source: gaze in pixels of the screen.
            screen_size: (height, width) of the screen in the pixels of `source`.
            frame_size: (height, width) of the frames, pixels.
            timeout_s: seconds without a place that are a problem.
        """
        self.source = source
        """The gaze in pixels of the screen."""
        self.name = source.name
        """The address of the source."""
        self._screen_size, self._frame_size = screen_size, frame_size
        # Replaced as a whole by the thread that shows the frames.
        self._place: PicturePlace | None = None
        self._timeout_ns = round(timeout_s * 1e9)
        self._unplaced_since_ns = host_now_ns()

    def show_at(self, place: PicturePlace) -> None:
        """Note where the frames are shown from now on. May be called by any thread."""
        self._place = place

    def read(self, timeout_s: float = 0.0) -> list[GazeSample]:
        """Return new samples in frame pixels; see `GazeSource.read`."""
        samples, place = self.source.read(timeout_s), self._place
        if place is None:
            self._check_placed()
            return [replace(each, x_px=math.nan, y_px=math.nan, covariance_px2=None) for each in samples]
        return [self._to_frame(sample, place) for sample in samples]

    @property
    def place(self) -> PicturePlace | None:
        """Where the frames are shown; None: not known yet."""
        return self._place

    @property
    def stats(self) -> SourceStats:
        """Counts of the source."""
        return self.source.stats

    @property
    def finished(self) -> bool:
        """Whether the source is at its end."""
        return self.source.finished

    def close(self) -> None:
        """Close the source. Closing twice is allowed."""
        self.source.close()

    def __iter__(self) -> Iterator[GazeSample]:
        """Yield samples until the source is finished."""
        while not self.finished:
            yield from self.read(0.1)

    def _check_placed(self) -> None:
        now_ns = host_now_ns()
        if now_ns - self._unplaced_since_ns >= self._timeout_ns:
            self._unplaced_since_ns = now_ns
            raise TrackerError(
                f"the gaze of {self.name} is on the screen, and where the picture is shown there is not known: open "
                "the page in a browser on that screen"
            )

    def _to_frame(self, sample: GazeSample, place: PicturePlace) -> GazeSample:
        (screen_height, screen_width), (height, width) = self._screen_size, self._frame_size
        across, down = width / (place.width * screen_width), height / (place.height * screen_height)
        covariance = sample.covariance_px2
        if covariance is not None:
            xx, xy, yy = covariance
            covariance = (xx * across**2, xy * across * down, yy * down**2)
        return replace(
            sample,
            x_px=(sample.x_px - place.left * screen_width) * across,
            y_px=(sample.y_px - place.top * screen_height) * down,
            covariance_px2=covariance,
        )
