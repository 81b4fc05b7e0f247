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

from sam_edge.stream.tuning import DEFAULT_TUNING

LONG_SIDE_PX = 320
"""Flow is computed on frames scaled down to this, where it costs two or three milliseconds."""
FRAMES_KEPT = 24
"""Steps of motion that are remembered: a second of video, far more than an encoding takes."""
DETAIL_CELLS = 31
"""Whether two frames show one scene is seen by what differs from its surroundings of this size, cells of the grid."""
CUT_LEVELS = 0.12
"""After a cut at least this share of the frame has other grey levels. On DAVIS, neighbouring frames of one scene differ
by up to 0.14 and correlate by 0.61 or more; photographs that follow one another by 0.16 and 0.40 or less."""
STILL_PX, STILL_LEVELS = 0.35, 2.0
"""An image has not changed when 99 % of the grid moved less than this, and its grey levels changed less on average."""

Grey = NDArray[np.uint8]
"""Grey levels (rows, columns) of a frame on the motion grid."""


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

    def carry_back(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points (n, 2) of the newer frame, frame pixels, were on the older one."""
        rows, columns = self.back.shape[:2]
        column = np.clip((points[:, 0] * self.scale[0]).astype(np.intp), 0, columns - 1)
        row = np.clip((points[:, 1] * self.scale[1]).astype(np.intp), 0, rows - 1)
        return np.asarray(points + self.back[row, column] / np.array(self.scale))

    def after(self, earlier: Motion) -> Motion:
        """Return the motion from `earlier`'s older frame to this one's newer frame."""
        return Motion(self.back + self.carry(earlier.back), self.scale)


class FrameMotion:
    """Optical flow from each frame back to the one before, remembered for a second. Safe for several threads.

    Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016), as OpenCV has it.
    """

    def __init__(self, cut_correlation: float = DEFAULT_TUNING.cut_correlation) -> None:
        """Begin without a frame; `cut_correlation` as in `SelectionTuning`."""
        self._cut_correlation = cut_correlation
        self._cut_ns: int | None = None
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
            cut = is_cut(self._grey, grey, motion, self._cut_correlation)
            with self._lock:
                if cut:
                    self._steps.clear()
                    self._asked = {}
                    self._cut_ns = time_ns
                else:
                    self._steps.append((self._time_ns, time_ns, motion))
        with self._lock:
            self._greys.append((time_ns, grey))
        self._grey, self._time_ns = grey, time_ns

    @property
    def newest_ns(self) -> int | None:
        """Time of the newest frame; None before the first one."""
        return self._time_ns

    @property
    def cut_ns(self) -> int | None:
        """Time of the first frame after the newest cut; None when there was none. No motion is known over a cut."""
        return self._cut_ns

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

    def trace_back(
        self, points: NDArray[np.float64], newer_ns: int, since_ns: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Find where points of a frame were on the frames before.

        Args:
            points: (n, 2), frame pixels x, y.
            newer_ns: the frame's time.
            since_ns: the last frame is the one that was shown at this time, or the oldest that is remembered.

        Returns:
            The times (k) of the frames, newest first, and the places (k, n, 2) on them.
        """
        with self._lock:
            steps = [step for step in self._steps if step[1] <= newer_ns and step[1] > since_ns]
        times, places = [newer_ns], [np.asarray(points, np.float64)]
        for older_ns, step_ns, motion in reversed(steps):
            if step_ns != times[-1]:
                break
            places.append(motion.carry_back(places[-1]))
            times.append(older_ns)
        return np.array(times, np.int64), np.stack(places)

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


def is_cut(older: Grey, newer: Grey, motion: Motion, least_correlation: float) -> bool:
    """Return whether another scene begins: the older frame, carried to the newer one, does not look like it.

    Args:
        older: grey levels (rows, columns) of the older frame.
        newer: those of the newer one.
        motion: from the older frame to the newer one.
        least_correlation: what frames of one scene have at least; brightness and contrast do not count.
    """
    if least_correlation <= -1.0:
        return False
    first, second = (
        level - cv2.blur(level, (DETAIL_CELLS, DETAIL_CELLS))
        for level in (motion.carry(older.astype(np.float32)), newer.astype(np.float32))
    )
    scale = float(cv2.norm(first)) * float(cv2.norm(second))
    if float((first * second).sum()) >= least_correlation * scale:
        return False
    counts = [np.histogram(level, 32, (0, 256))[0] / level.size for level in (older, newer)]
    return float(np.abs(counts[0] - counts[1]).sum()) / 2 > CUT_LEVELS


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
