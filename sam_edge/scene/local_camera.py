"""Cameras of this computer, and recordings that are played as if they were live."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sam_edge.gaze.clocks import host_now_ns
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.cameras import camera_frames
from sam_edge.gaze_video import GazeVideo
from sam_edge.scene.camera import LiveFrame, SceneCamera


class Webcam(SceneCamera):
    """A camera of this computer. A frame's time is when it came; exposure and transfer took 20 to 60 ms before."""

    def __init__(
        self, number: int, *, size: tuple[int, int] | None = None, name: str, timeout_s: float = 5.0
    ) -> None:
        """Describe camera `number`; `size` is (height, width)."""
        super().__init__(name, timeout_s=timeout_s)
        self._number, self._size = number, size

    def _serve(self) -> None:
        for frame in camera_frames(self._number, self._stopping, size=self._size):
            self._connected_once.set()
            self._deliver(LiveFrame(frame.image, frame.time_ns))


class FileCamera(SceneCamera):
    """A recording's scene video: each frame is there when its time has come, counted from `begin_ns`."""

    def __init__(self, source: GazeVideo, *, name: str) -> None:
        """Describe a recording that is played once."""
        super().__init__(name)
        self.px_per_deg = source.gaze.px_per_deg
        self.begin_ns = host_now_ns()
        """When the first frame is due, monotonic nanoseconds; set by `open`."""
        self._source = source

    def first_image(self) -> NDArray[np.uint8]:
        """Return the first frame, RGB (H, W, 3). Raises `MediaError`."""
        with self._source.open_frames() as reader:
            return next(iter(reader)).image

    def open(self) -> None:
        """Begin to play."""
        self.begin_ns = host_now_ns()
        super().open()

    @property
    def gaze(self) -> list[GazeSample]:
        """The recording's samples, nanoseconds after the first frame, in order of time."""
        return list(self._source.gaze.samples)

    def _serve(self) -> None:
        self._connected_once.set()
        with self._source.open_frames() as reader:
            for frame in reader:
                due_ns = self.begin_ns + frame.time_ns
                if self._stopping.wait(max(0.0, (due_ns - host_now_ns()) / 1e9)):
                    return
                self._deliver(LiveFrame(frame.image, due_ns, 0))


def on_host_clock(samples: list[GazeSample], begin_ns: int) -> list[GazeSample]:
    """Move a recording's samples to the host's clock, for a video that began to play at `begin_ns`."""
    return [replace(sample, time_ns=begin_ns + sample.time_ns) for sample in samples]
