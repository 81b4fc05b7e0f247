"""A session: frames and gaze in, what is selected out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.events import EventDetector, Fixation
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import GazeSource
from sam_edge.masks import box_of
from sam_edge.segmenter import Embedding, Segmenter, check_frame
from sam_edge.stream.motion import FrameMotion
from sam_edge.stream.rest import RestMerger
from sam_edge.stream.selection import Selection, State
from sam_edge.stream.target import Target, near, without_islands

NS_PER_MS = 1_000_000
SETTLED_MS = 60.0
"""Gaze must rest this long before it prompts: the first samples after a saccade still move."""
SWITCH_MS = 250.0
"""Gaze must be elsewhere this long, in one fixation or in several, before the selection follows."""
BLINK_MS = 300.0
"""Where gaze rested last still counts this long after: over a blink, and until the next fixation."""
CREDIBLE = 0.2
"""A reading of a place counts when its predicted IoU is no lower than the best one's by this."""
COVERED, LARGER = 0.8, 4.0
"""A reading beside the mask is the same thing when it covers this share of it, and is at most so many times larger."""
TOLERANCE_DEG = 1.0
"""How far beside a thing gaze may lie and still mean it: about twice the accuracy of a good tracker."""


class GazeSession:
    """Selects what a person looks at in a stream of frames. Not for several threads at once.

    Give gaze by `feed`, or open the session on a live source; then call `step` once a frame. Every result depends only
    on frames and gaze given so far.

    Example:
        >>> with GazeSession(sam_edge.load(), gaze=source) as session:
        ...     for frame in camera:
        ...         selection = session.step(frame, time.monotonic_ns())
    """

    def __init__(
        self,
        model: Segmenter,
        *,
        gaze: GazeSource | None = None,
        px_per_deg: float = 15.0,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Begin with nothing selected.

        Args:
            model: from `sam_edge.load`.
            gaze: a live source, read at every step and closed with the session; None when gaze is given by `feed`.
            px_per_deg: frame pixels in a degree of visual angle.
            size: the encoder's input (height, width); None picks one that suits the frame.

        Raises:
            InputError: `px_per_deg` is not positive.
        """
        if not px_per_deg > 0:
            raise InputError(
                f"px_per_deg: {px_per_deg} is not accepted; give a positive number, for example 15"
            )
        self._model = model
        self._gaze = gaze
        self._size = size
        self._tolerance_px = TOLERANCE_DEG * px_per_deg
        self._detector = EventDetector(px_per_deg=px_per_deg)
        self._rests = RestMerger(px_per_deg)
        self._motion = FrameMotion()
        self._fixation: Fixation | None = None
        self._let_go: int | None = None
        self._away_since_ns: int | None = None
        self._target: Target | None = None
        self._objects = 0
        self._frame_size: tuple[int, int] | None = None
        self._time_ns: int | None = None
        self._stepping = threading.Lock()
        self._closed = False

    def feed(self, samples: Iterable[GazeSample]) -> None:
        """Take gaze samples, in order of time, on the clock of the frames."""
        for sample in samples:
            for fixation in self._detector.update(sample).fixations:
                self._fixation = self._rests.update(fixation)

    def step(self, image: NDArray[np.uint8], time_ns: int) -> Selection:
        """Take the next frame and say what is selected on it.

        Args:
            image: RGB uint8 (H, W, 3), of the same size as the frames before.
            time_ns: when it was shown, on the clock of the gaze; later than the frame before.

        Raises:
            InputError: the frame is not RGB uint8, or has another size than the frames before.
            SessionError: the session is closed, is being stepped from another thread, or time does not advance.
            EngineError: the engine failed. The session can be stepped on.
            TrackerError: the gaze source failed.
        """
        if not self._stepping.acquire(blocking=False):
            raise SessionError(
                "session: stepped from two threads at once; give each thread a session of its own"
            )
        try:
            self._check(image, time_ns)
            return self._step(image, time_ns)
        finally:
            self._stepping.release()

    def warm_up(self, image: NDArray[np.uint8]) -> None:
        """Encode and decode once on a frame like those to come, so that the first step does not open the engine."""
        check_frame(image)
        embedding = self._model.encode(image, size=self._size)
        self._model.decode(embedding, points=[[image.shape[1] / 2, image.shape[0] / 2]])

    def release(self) -> None:
        """Let go of what is selected. The fixation that rests on it now does not select it again."""
        self._target = None
        self._let_go = None if self._fixation is None else self._fixation.event_id

    def close(self) -> None:
        """End the session, and close its gaze source. The model stays open. Closing twice is allowed."""
        self._closed = True
        if self._gaze is not None:
            self._gaze.close()

    def __enter__(self) -> GazeSession:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _check(self, image: NDArray[np.uint8], time_ns: int) -> None:
        if self._closed:
            raise SessionError("session: it is closed; open a new one")
        check_frame(image)
        size = (image.shape[0], image.shape[1])
        if self._frame_size is not None and size != self._frame_size:
            before = f"{self._frame_size[1]}x{self._frame_size[0]}"
            raise InputError(
                f"image: {size[1]}x{size[0]}, those before: {before}; open a session for each size"
            )
        if self._time_ns is not None and time_ns <= self._time_ns:
            raise SessionError(f"session: frame time {time_ns} ns does not come after {self._time_ns} ns")
        self._frame_size, self._time_ns = size, time_ns

    def _step(self, image: NDArray[np.uint8], time_ns: int) -> Selection:
        stages: dict[str, float] = {}
        begun = time.perf_counter()
        with timed(stages, "gaze"):
            if self._gaze is not None:
                self.feed(self._gaze.read())
        with timed(stages, "propagate"):
            self._motion.advance(image)
            if self._target is not None:
                self._target.follow(self._motion, (image.shape[0], image.shape[1]))
        fixation = self._current(time_ns)
        state, source = State.NONE, "none"
        if fixation is not None or (self._target is not None and self._target.places):
            with timed(stages, "encode"):
                embedding = self._model.encode(image, size=self._size, time_ns=time_ns)
            with timed(stages, "attend"):
                state = self._attend(fixation, embedding)
            if self._target is not None and self._target.places:
                self._look(embedding, self._target, stages)
                source = "encoded"
        elif self._target is not None:
            state, source = State.HELD, "propagated"
        if self._target is not None and (self._target.mask is None or not self._target.mask.any()):
            state = State.LOST
        stages["total"] = 1e3 * (time.perf_counter() - begun)
        return self._selection(time_ns, state, source, fixation, stages)

    def _current(self, time_ns: int) -> Fixation | None:
        """Return where gaze rests now, if it has rested long enough."""
        fixation = self._fixation
        if fixation is None or fixation.duration_ns < SETTLED_MS * NS_PER_MS:
            return None
        if time_ns - fixation.time_ns > BLINK_MS * NS_PER_MS or fixation.event_id == self._let_go:
            return None
        return fixation if self._on_frame(fixation) else None

    def _on_frame(self, fixation: Fixation) -> bool:
        if self._frame_size is None:
            return False
        height, width = self._frame_size
        return 0 <= fixation.x_px <= width and 0 <= fixation.y_px <= height

    def _attend(self, fixation: Fixation | None, embedding: Embedding) -> State:
        """Decide which thing is meant: the one selected, or another one."""
        target = self._target
        if fixation is None:
            return State.NONE if target is None else State.HELD
        if target is not None:
            known = any(place.event_id == fixation.event_id for place in target.places)
            if known or self._same_thing(target, fixation, embedding):
                target.looked_at(fixation)
                self._away_since_ns = None
                return State.SELECTED
            if self._away_since_ns is None:
                self._away_since_ns = fixation.onset_ns
            if fixation.time_ns - self._away_since_ns < SWITCH_MS * NS_PER_MS:
                return State.HELD
        self._away_since_ns = None
        self._objects += 1
        self._target = Target(self._objects)
        self._target.looked_at(fixation)
        return State.HOVER

    def _same_thing(self, target: Target, fixation: Fixation, embedding: Embedding) -> bool:
        """Say whether gaze rests on the selected thing still.

        Being on its mask does not tell: a mask may have taken in a neighbour, or only a part of the thing. What tells
        is whether the new place alone can be read, by one of SAM's three masks, as something that holds the earlier
        places too. Beside the mask, such a reading must also hold most of it, and not be something far larger.
        """
        if target.mask is None or not target.mask.any():
            return False
        inside = near(target.mask, fixation.x_px, fixation.y_px, self._tolerance_px)
        masks = self._model.decode(embedding, points=[(fixation.x_px, fixation.y_px)], multimask=True)
        credible = masks.masks[masks.scores >= masks.scores.max() - CREDIBLE]
        holding = [mask for mask in credible if target.share_inside(mask, self._tolerance_px) >= 0.5]
        if inside:
            return bool(holding)
        area = np.count_nonzero(target.mask)
        return any(
            np.count_nonzero(mask & target.mask) >= COVERED * area and np.count_nonzero(mask) <= LARGER * area
            for mask in holding
        )

    def _look(self, embedding: Embedding, target: Target, stages: dict[str, float]) -> None:
        """Decode the target's places, and take the mask that is the target."""
        with timed(stages, "decode"):
            points = [(place.x_px, place.y_px) for place in target.places]
            masks = self._model.decode(embedding, points=points)
        with timed(stages, "choose"):
            chosen = target.choose(masks)
            target.mask = without_islands(masks.masks[chosen])
            target.score = float(masks.scores[chosen])

    def _selection(
        self, time_ns: int, state: State, source: str, fixation: Fixation | None, stages: dict[str, float]
    ) -> Selection:
        target = self._target
        mask = target.mask if target is not None and target.mask is not None and target.mask.any() else None
        return Selection(
            frame_time_ns=time_ns,
            state=state,
            mask=mask,
            box=None if mask is None else box_of(mask),
            score=None if mask is None or target is None else target.score,
            object_id=None if mask is None or target is None else target.object_id,
            source="none" if mask is None else source,
            fixation=None if fixation is None else (fixation.x_px, fixation.y_px, fixation.spread_px),
            timing_ms=stages,
        )


@contextmanager
def timed(stages: dict[str, float], name: str) -> Iterator[None]:
    """Note how long the block takes, milliseconds."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        stages[name] = 1e3 * (time.perf_counter() - begun)
