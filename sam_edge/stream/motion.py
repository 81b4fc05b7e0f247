"""Motion of the image: dense optical flow, its history, and maps and points carried along."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDE_PX = 320
"""Flow is computed on frames scaled down to this, where it costs two or three milliseconds."""
FRAMES_KEPT = 24
"""Steps of motion that are remembered: a second of video, far more than an encoding takes."""
STILL_PX, STILL_LEVELS = 0.35, 2.0
"""An image has not changed when 99 % of the grid moved less than this, and its grey levels changed less on average."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where everything on a newer frame was on an older one. Carries maps and points from the older to the newer."""

    back: NDArray[np.float32]
    """(rows, columns, 2): for each place of the grid, how far away it was, grid pixels x, y."""
    scale: tuple[float, float]
    """Grid pixels a frame pixel, along x and y."""

    def carry(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Carry a map (rows, columns), or several (rows, columns, n), of the older frame to the newer one.

        What comes from outside the frame repeats its edge.
        """
        where = self.back + grid_places(self.back.shape[0], self.back.shape[1])
        moved = cv2.remap(values, where, cast(Any, None), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)

    def carry_point(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Carry a point of the older frame, frame pixels, to the newer one."""
        rows, columns = self.back.shape[:2]
        step_x, step_y = 0.0, 0.0
        # The flow is known at the place now; a few iterations find where the point went.
        for _ in range(3):
            column = min(columns - 1, max(0, int((x_px + step_x) * self.scale[0])))
            row = min(rows - 1, max(0, int((y_px + step_y) * self.scale[1])))
            back_x, back_y = self.back[row, column]
            step_x, step_y = -float(back_x) / self.scale[0], -float(back_y) / self.scale[1]
        return x_px + step_x, y_px + step_y

    def after(self, earlier: Motion) -> Motion:
        """Return the motion from `earlier`'s older frame to this one's newer frame."""
        return Motion(self.back + self.carry(earlier.back), self.scale)


class FrameMotion:
    """Optical flow from each frame back to the one before, remembered for a second. Safe for several threads.

    Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016), as OpenCV has it.
    """

    def __init__(self) -> None:
        """Begin without a frame."""
        self._flow = dense_flow()
        self._still_flow = dense_flow()
        self._still_lock = threading.Lock()
        self._grey: NDArray[np.uint8] | None = None
        self._time_ns: int | None = None
        self._steps: deque[tuple[int, int, Motion]] = deque(maxlen=FRAMES_KEPT)
        self._greys: deque[tuple[int, NDArray[np.uint8]]] = deque(maxlen=FRAMES_KEPT + 1)
        self._asked: dict[int, tuple[Motion, int]] = {}
        self._lock = threading.Lock()

    def advance(self, image: NDArray[np.uint8], time_ns: int) -> None:
        """Take the next frame, RGB uint8 (H, W, 3), of the size of those before."""
        rows, columns = grid_of((image.shape[0], image.shape[1]))
        full = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        grey = np.asarray(cv2.resize(full, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
        if self._grey is not None and self._time_ns is not None:
            # From the new frame back to the old one, so that a map is carried by one lookup a pixel.
            # An array in the third place would be a first guess of the flow; None, which the stubs leave out, is none.
            back = np.asarray(self._flow.calc(grey, self._grey, cast(Any, None)), np.float32)
            motion = Motion(back, (columns / image.shape[1], rows / image.shape[0]))
            with self._lock:
                self._steps.append((self._time_ns, time_ns, motion))
        with self._lock:
            self._greys.append((time_ns, grey))
        self._grey, self._time_ns = grey, time_ns

    @property
    def newest_ns(self) -> int | None:
        """Time of the newest frame; None before the first one."""
        return self._time_ns

    def between(self, older_ns: int, newer_ns: int) -> Motion | None:
        """Return the motion from one frame to a later one, by their times; None when it is not remembered.

        Asked again from the same frame, as a camera does at every step, only what is new is added.
        """
        with self._lock:
            known = self._asked.get(older_ns)
        total, from_ns = known if known is not None and known[1] <= newer_ns else (None, older_ns)
        for step in self._chain(from_ns, newer_ns):
            total = step[2] if total is None else step[2].after(total)
            from_ns = step[1]
        if total is None or from_ns != newer_ns:
            return None
        with self._lock:
            self._asked = {**dict(list(self._asked.items())[-3:]), older_ns: (total, newer_ns)}
        return total

    def carry_samples(
        self, samples: Iterable[tuple[float, float, int]], newer_ns: int
    ) -> tuple[float, float] | None:
        """Carry gaze samples to a frame, each from the frame that the screen showed at its time; return their mean.

        Args:
            samples: place x, y in frame pixels, and time.
            newer_ns: the frame's time.
        """
        with self._lock:
            steps = [step for step in self._steps if step[1] <= newer_ns]
        shown: dict[int, list[tuple[float, float]]] = {}
        for x_px, y_px, at_ns in samples:
            passed = sum(1 for step in steps if step[1] > at_ns)
            shown.setdefault(passed, []).append((x_px, y_px))
        total, count = np.zeros(2), 0
        for passed, places_px in shown.items():
            x_px, y_px = np.mean(places_px, axis=0)
            for step in steps[len(steps) - passed :]:
                x_px, y_px = step[2].carry_point(x_px, y_px)
            total += np.array([x_px, y_px]) * len(places_px)
            count += len(places_px)
        return (float(total[0] / count), float(total[1] / count)) if count else None

    def is_still(self, older_ns: int, newer_ns: int) -> bool:
        """Return whether the image is the same on two frames; a slow drift between them counts as a change."""
        with self._lock:
            greys = dict(self._greys)
        older, newer = greys.get(older_ns), greys.get(newer_ns)
        if older is None or newer is None:
            return False
        if float(cv2.norm(newer, older, cv2.NORM_L1)) >= STILL_LEVELS * newer.size:
            return False
        # Directly from one to the other: steps too small to be seen one by one add up to nothing.
        with self._still_lock:
            back = np.asarray(self._still_flow.calc(newer, older, cast(Any, None)), np.float32)
        return float(np.percentile(np.abs(back[::4, ::4]), 99)) < STILL_PX

    def _chain(self, older_ns: int, newer_ns: int) -> list[tuple[int, int, Motion]]:
        """Return the remembered steps from one frame to a later one; none when a step is missing."""
        with self._lock:
            chain = [step for step in self._steps if step[0] >= older_ns and step[1] <= newer_ns]
        whole = bool(chain) and chain[0][0] == older_ns and chain[-1][1] == newer_ns
        return chain if whole else []


def dense_flow() -> cv2.DISOpticalFlow:
    """Return OpenCV's dense inverse search, at half the grid's resolution and without smoothing.

    The preset "fast" matches at a quarter of it and smooths: on DAVIS a mask carried by one frame keeps a J&F of .840
    with the preset, .884 with this, in the same time.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow.setFinestScale(1)
    flow.setGradientDescentIterations(12)
    flow.setVariationalRefinementIterations(0)
    return flow


@cache
def grid_places(rows: int, columns: int) -> NDArray[np.float32]:
    """Return the grid's own places (rows, columns, 2), x and y."""
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    return np.stack([x, y], axis=-1)


def grid_of(frame_size: tuple[int, int]) -> tuple[int, int]:
    """Return the grid (rows, columns) that motion is computed on, for frames of (height, width)."""
    scale = min(1.0, LONG_SIDE_PX / max(frame_size))
    return max(16, round(frame_size[0] * scale)), max(16, round(frame_size[1] * scale))
