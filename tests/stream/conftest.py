"""A small world of boxes for tests of the session: which thing a prompt means is known."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.gaze.samples import GazeSample
from sam_edge.runtimes.fake import Fake
from sam_edge.stream.dwell_tracker import DwellSegment
from sam_edge.stream.motion import Motion

FRAME = (112, 160)
"""Height and width of the frames, pixels. The motion grid is as fine."""
INPUT = (224, 320)
"""The encoder's input: twice the frame."""
MS = 1_000_000
Box = tuple[float, float, float, float]


class World(Fake):
    """Things that are boxes, x0, y0, x1, y1 in frame pixels, on frames of `FRAME` encoded whole at `INPUT`.

    One point gives the three smallest things that hold it, as SAM gives part, thing and scene; several give the
    smallest thing that holds them all, or else pieces of several; a box gives the thing most like it. On inputs of
    another size, as close-ups have them, points give discs as long as there is anything.
    """

    def __init__(self, *things: Box) -> None:
        super().__init__()
        self.things = list(things)
        self.scores = (0.9, 0.9, 0.9, 0.9)
        self.prompts: list[int] = []

    def decode(
        self,
        embedding: NDArray[np.float32],
        points: NDArray[np.float32],
        labels: NDArray[np.int32],
        mask: NDArray[np.float32],
        has_mask: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self.prompts.append(points.shape[0])
        rows, columns = mask.shape[2:]
        if (rows, columns) != (INPUT[0] // 4, INPUT[1] // 4):
            logits, scores = super().decode(embedding, points, labels, mask, has_mask)
            return (logits, scores) if self.things else (np.full_like(logits, -10), scores)
        logits = np.full((points.shape[0], 4, rows, columns), -10, np.float32)
        for prompt, (places, kinds) in enumerate(zip(points / 2, labels, strict=True)):
            boxes = self._meant(places[kinds == 1], [*places[kinds == 2], *places[kinds == 3]])
            for token, several in enumerate(boxes):
                for x0, y0, x1, y1 in several:
                    logits[prompt, token, round(y0 / 2) : round(y1 / 2), round(x0 / 2) : round(x1 / 2)] = 10
        return logits, np.tile(np.array(self.scores, np.float32), (points.shape[0], 1))

    def _meant(self, places: NDArray[np.float32], corners: list[NDArray[np.float32]]) -> list[list[Box]]:
        if corners:
            (x0, y0), (x1, y1) = corners[0].tolist(), corners[1].tolist()
            box = (x0, y0, x1, y1)
            return [[max(self.things, key=lambda thing: likeness(thing, box), default=box)]] * 4
        holding = [thing for thing in self.things if all(holds(thing, x, y) for x, y in places)]
        holding.sort(key=area)
        if holding:
            readings = [[holding[min(index, len(holding) - 1)]] for index in range(3)]
            return [readings[0], *readings]
        each = [
            min(
                (one for one in self.things if holds(one, x, y)),
                key=area,
                default=(x - 2, y - 2, x + 2, y + 2),
            )
            for x, y in places
        ]
        return [each] * 4


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def holds(box: Box, x: float, y: float) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def likeness(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (area(one) + area(other) - shared)


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    """Make a world of things."""
    return World


@pytest.fixture(scope="session")
def make_look() -> Callable[..., DwellSegment]:
    """Make a look of one rest: number, place in frame pixels, from when to when in ms."""

    def make(rest: int, x: float, y: float, begin_ms: float, end_ms: float) -> DwellSegment:
        begin, end = round(begin_ms * MS), round(end_ms * MS)
        return DwellSegment(rest, begin, end, x, y, 1.0)

    return make


@pytest.fixture(scope="session")
def shift() -> Callable[[float, float], Motion]:
    """Make a motion that moves the whole picture of `FRAME`, frame pixels to the right and down."""

    def make(x: float, y: float) -> Motion:
        back = np.empty((*FRAME, 2), np.float32)
        back[:] = (-x, -y)
        return Motion(back, (1.0, 1.0))

    return make


@pytest.fixture(scope="session")
def gaze_at() -> Callable[..., list[GazeSample]]:
    """Make gaze at 200 Hz: stretches of (ms, x, y), y None is a blink. A little noise, always the same."""

    def make(*stretches: tuple[float, float, float | None], begin_ms: float = 0) -> list[GazeSample]:
        generator = np.random.default_rng(1)
        samples: list[GazeSample] = []
        now = begin_ms
        for length, x, y in stretches:
            for _ in range(round(length / 5)):
                dx, dy = generator.normal(0, 0.3, 2)
                place = (np.nan, np.nan, 0.0) if y is None else (x + dx, y + dy, 1.0)
                samples.append(GazeSample(round(now * MS), *place))
                now += 5
        return samples

    return make


@pytest.fixture(scope="session")
def texture() -> Callable[..., NDArray[np.uint8]]:
    """Make a textured frame of `FRAME`, moved to the right by whole pixels."""
    small = np.random.default_rng(3).integers(0, 255, (28, 80, 3), dtype=np.uint8)
    wide = cv2.resize(small, (640, FRAME[0]), interpolation=cv2.INTER_CUBIC)

    def make(dx: int = 0) -> NDArray[np.uint8]:
        left = 240 - dx
        return np.ascontiguousarray(wide[:, left : left + FRAME[1]])

    return make


@pytest.fixture(scope="session")
def count_reachable() -> Callable[[object], int]:
    """Count the objects that one holds on to, but for types, modules and functions."""
    passed = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)

    def count(root: object) -> int:
        seen: dict[int, object] = {}
        waiting = [root]
        while waiting:
            item = waiting.pop()
            if id(item) in seen or (isinstance(item, passed) and item is not root):
                continue
            seen[id(item)] = item
            waiting.extend(gc.get_referents(item))
        return len(seen)

    return count
