"""A session: frames and gaze in, what is selected out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from sam_edge.config import MODES, Config, Mode, read_config
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import GazeSource
from sam_edge.segmenter import Embedding, Segmenter, check_frame
from sam_edge.stream.attention import SETTLED_RESTS, Attention, Scene
from sam_edge.stream.candidate import Candidate, Grid, density_at, gaze_density, overlap
from sam_edge.stream.closeup import POINTS_BESIDE, POINTS_ON, SIDE, Track, look_closer
from sam_edge.stream.encoding import NewestFirst
from sam_edge.stream.jobs import CloseUp, Frame, Step, Threads
from sam_edge.stream.looking import Look, Looking
from sam_edge.stream.motion import FRAMES_KEPT, FrameMotion
from sam_edge.stream.recording import SessionRecorder
from sam_edge.stream.rest import NS_PER_MS
from sam_edge.stream.selection import Selection, State
from sam_edge.stream.shown import shown
from sam_edge.stream.trace import Trace, Tracer
from sam_edge.stream.traced import Sink
from sam_edge.stream.verdict import Thing, Verdict, thing_of

FOLLOWED, FOLLOWED_IN_THREAD = 5, 3
"""Candidates that are followed: more where nobody waits for them."""
LAG_MS = 60.0
"""Gaze answers what was on the screen so long ago: the delay of following a moving thing and of a display."""
HOVER_MS = 250.0
"""A first rest on a thing selects it when it has lasted this long; before, the thing is only outlined."""
SHORT_PX, LONG_PX = 224, 336
"""Input sides of a whole frame that is encoded beside the camera: a quarter of the pixels that give the best masks, in
the time that is left between two close-ups."""
OBLONG = 1.2
"""A frame whose sides differ by more than this gets the longer input along its longer side."""
REFRESH_MS = 250.0
"""While gaze stays on the selected thing, the whole frame is encoded this often."""
CLOSER_MS, CLOSER_AT_MOST_MS = 19.5, 50.0
"""A step ends when so much of it has passed, with its frame's close-up or with the last one carried on by motion; it
does not wait at all where close-ups have taken longer than the second lately."""
LATELY = 0.2
"""Weight of the newest close-up in how long they take."""
SAME_TRACK = 0.75
"""A track that overlaps the newest verdict this much, on the verdict's frame, goes on: it is finer and fresher."""
STALE_MS = 1000.0
"""A mask that was carried for longer than this is lost rather than shown."""
GAP_S = 0.05
"""The whole frame's encoding and its judgement begin between two steps, so that steps have the machine for themselves;
they wait no longer than this for that."""
CARRIED_TIMEOUT_S = 5.0
"""A close-up waits this long for the motion of its frame, which takes milliseconds."""
TRACKED_FRAMES = 48
"""Frames for which the track is remembered."""


class GazeSession:
    """Selects what a person looks at in a stream of frames.

    Give gaze by `feed`, or open the session on a live source; then call `step` once a frame. By default every step
    encodes its frame and waits for it: each result depends only on the frames and gaze given so far. With
    `encode_every=3` only every third one does so, and motion carries the selection over the two between. With
    `mode="live"` a step takes milliseconds: a thread encodes the newest frame, and the selection is carried from the
    frame that was encoded to the newest one by motion.

    Example:
        >>> with GazeSession(sam_edge.load(), gaze=source, mode="live") as session:
        ...     for frame in camera:
        ...         selection = session.step(frame, time.monotonic_ns())
    """

    def __init__(
        self,
        model: Segmenter,
        *,
        closeup_model: Segmenter | None = None,
        gaze: GazeSource | None = None,
        px_per_deg: float = 15.0,
        size: tuple[int, int] | None = None,
        mode: Mode = "sequential",
        encode_every: int = 1,
        recorder: SessionRecorder | None = None,
        config: Config | str | Path | None = None,
    ) -> None:
        """Begin with nothing selected.

        Args:
            model: from `sam_edge.load`.
            closeup_model: encodes and decodes close-ups instead of `model`, for example with a higher priority on a
                shared engine. None is `model`.
            gaze: a live source, read at every step and closed with the session; None when gaze is given by `feed`.
            px_per_deg: frame pixels in a degree of visual angle.
            size: the encoder's input (height, width) for whole frames; None picks one that suits the frame, a small one
                in the live mode: there whole frames only decide which object is meant, and close-ups give the outline.
            mode: `sequential`: every step waits for its own encoding. `live`: a thread encodes, and the camera never
                waits.
            encode_every: in the sequential mode, encode every n-th frame and carry the mask by motion in between: a
                third of the work at 3. The steps that encode take as long as before.
            recorder: receives every frame, sample and command; closed with the session. The recording of a sequential
                session replays to the same result bit for bit.
            config: what `sam-edge profile --budget-ms` found for this machine, or its file: stands for `size`,
                `mode` and `encode_every` where they are left out.

        Raises:
            InputError: `px_per_deg` is not positive, `mode` or `encode_every` is not accepted, or the configuration
                cannot be read.
        """
        if config is not None:
            settings = config if isinstance(config, Config) else read_config(config)
            size = size or settings.size
            # Arguments that differ from the default win over the configuration.
            if mode == "sequential" and encode_every == 1:
                mode, encode_every = settings.mode, settings.encode_every
        if not px_per_deg > 0:
            raise InputError(
                f"px_per_deg: {px_per_deg} is not accepted; give a positive number, for example 15"
            )
        if mode not in MODES:
            raise InputError(f"mode: {mode!r} is not accepted; accepted: {', '.join(map(repr, MODES))}")
        live = mode == "live"
        if not 1 <= encode_every <= FRAMES_KEPT or (live and encode_every > 1):
            raise InputError(
                f"encode_every: {encode_every}{' in the live mode' * live} is not accepted; give 1 to {FRAMES_KEPT}, "
                'and 1 with mode="live": there the encoder takes the newest frame whenever it can'
            )
        self._model = model
        self._closeup_model = closeup_model if closeup_model is not None else model
        self._mode, self._every = mode, encode_every
        self._tracer = Tracer(px_per_deg)
        self._gaze = gaze
        self._size = size
        self._recorder = recorder
        self._looking = Looking(px_per_deg)
        self._motion = FrameMotion()
        most = FOLLOWED_IN_THREAD if live else FOLLOWED
        self._attention = Attention(model, px_per_deg=px_per_deg, most=most)
        self._attending = threading.Lock()
        self._scene: Scene | None = None
        self._last_look: Look | None = None
        self._let_go: int | None = None
        self._verdict: Verdict | None = None
        self._frame_size: tuple[int, int] | None = None
        self._time_ns: int | None = None
        self._stepping = threading.Lock()
        self._closed = False
        self._threads = self._started() if live else None
        self._track: Track | None = None
        self._tracked: dict[int, Track] = {}
        self._rest_judged: int | None = None
        self._judged = 0
        self._steps_since = 0
        self._released: dict[int, int] = {}
        self._closeup_ms = CLOSER_MS
        self._between_steps = threading.Event()
        self._between_steps.set()

    @property
    def mode(self) -> Mode:
        """The schedule: `sequential` or `live`."""
        return self._mode

    @property
    def encode_every(self) -> int:
        """Frames from one encoding to the next in the sequential mode; 1 in the live mode."""
        return self._every

    @property
    def size(self) -> tuple[int, int] | None:
        """The encoder's input (height, width) for whole frames; None when the frame decides."""
        return self._size

    def feed(self, samples: Iterable[GazeSample]) -> None:
        """Take gaze samples, in order of time, on the clock of the frames. Another thread may do so between steps."""
        given = list(samples)
        if self._recorder is not None and given:
            self._recorder.gaze(given)
        self._tracer.gaze(given)
        self._looking.feed(given)

    def step(self, image: NDArray[np.uint8], time_ns: int) -> Selection:
        """Take the next frame and say what is selected on it.

        Args:
            image: RGB uint8 (H, W, 3), of the same size as the frames before. In the live mode it must not be written
                to afterwards.
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
        begun_ns = time.perf_counter_ns()
        try:
            self._check(image, time_ns)
            selection = self._step(image, time_ns)
        finally:
            self._stepping.release()
        self._tracer.frame(begun_ns, selection)
        if self._recorder is not None:
            self._recorder.frame(time_ns, (image.shape[0], image.shape[1]), selection)
        return selection

    def warm_up(self, image: NDArray[np.uint8]) -> None:
        """Encode and decode once on a frame like those to come, so that the first step does not open the engine."""
        check_frame(image)
        embedding = self._model.encode(image, size=self._size_for(image))
        height, width = image.shape[:2]
        box = (0.25 * width, 0.25 * height, 0.75 * width, 0.75 * height)
        self._model.decode_logits(embedding, points=[[[width / 2, height / 2]]])
        closeup = self._closeup_model.encode(image, size=(SIDE, SIDE))
        self._closeup_model.decode_logits(
            closeup, points=[[[width / 2, height / 2]] * (POINTS_ON + POINTS_BESIDE)]
        )
        for several in range(1, FOLLOWED_IN_THREAD + 1):
            self._model.decode_logits(
                embedding, points=[[[width / 2, height / 2]]] * several, boxes=[box] * several
            )

    def pin(self, at_ns: int | None = None) -> int | None:
        """Pin an object until `unpin`: the one that is meant now, or the one that gaze rested on closest to a time.

        Triggers come late: a button is pressed when the eyes have left already. Give the time at which the person made
        up their mind, as well as the device knows it. Gaze goes on to outline other objects; pinned ones are in
        `Selection.pinned`.

        Args:
            at_ns: a time on the clock of the frames; None is now.

        Returns:
            The object's number; None when there is nothing to pin.
        """
        if self._recorder is not None:
            self._recorder.command("pin", {"at_ns": at_ns})
        with self._attending:
            pinned = self._attention.pin(at_ns)
            if pinned is not None:
                self._released.pop(pinned, None)
        return pinned

    def unpin(self, object_id: int | None = None) -> None:
        """Let go of one object, or of everything. The fixation that rests on it now does not select it again."""
        if self._recorder is not None:
            self._recorder.command("unpin", {"object_id": object_id})
        with self._attending:
            self._attention.forget(object_id)
            if object_id is not None:
                self._released[object_id] = self._judged
            if self._attention.best is None:
                self._let_go = self._looking.rest_id
                self._verdict, self._track = None, None
                if self._threads is not None:
                    self._threads.forget()

    def trace(self, *sinks: Sink) -> Trace:
        """Begin to note what every thread does and when; ends when the result is closed. It is a context manager.

        Costs next to nothing on the way: a thread of its own hands everything to the sinks.

        Args:
            sinks: further takers, told everything as it happens; `sam_edge.stream.sinks` has some.
        """
        return Trace(self._tracer, sinks)

    def close(self) -> None:
        """End the session after the encoding that goes on, and close its gaze source. The model stays open.

        Closing twice is allowed.
        """
        self._closed = True
        with ExitStack() as stack:
            if self._recorder is not None:
                stack.callback(self._recorder.close)
            if self._gaze is not None:
                stack.callback(self._gaze.close)
            if self._threads is not None:
                stack.callback(self._threads.close)

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
        with timed(stages, "gaze", self._tracer):
            if self._gaze is not None:
                self.feed(self._gaze.read())
        frame, before = Frame(image, time_ns), self._verdict
        if self._threads is None:
            selection = self._step_waiting(frame, stages)
        else:
            selection = self._step_in_time(Step(frame, self._threads, stages))
        total = 1e3 * (time.perf_counter() - begun)
        new = self._verdict is not None and self._verdict is not before
        behind = self._verdict.stages_ms if new and self._verdict is not None else {}
        return replace(selection, timing_ms={**stages, **behind, "total": total})

    def _step_waiting(self, frame: Frame, stages: dict[str, float]) -> Selection:
        """Step with the frame's own encoding, or carry the last verdict on where it is not the frame's turn."""
        with timed(stages, "motion", self._tracer):
            self._motion.advance(frame.image, frame.time_ns)
        self._steps_since += 1
        if self._verdict is None or self._steps_since >= self._every:
            self._verdict, self._steps_since = self._attend(frame), 0
        with timed(stages, "propagate", self._tracer):
            return self._shown(frame.time_ns)

    def _step_in_time(self, step: Step) -> Selection:
        """Step without waiting for the whole frame's encoding: motion, and a close-up of what is selected."""
        self._between_steps.clear()
        try:
            return self._step_at_once(step)
        finally:
            self._between_steps.set()
            if self._due(step.frame.time_ns):
                step.threads.whole.offer(step.frame)

    def _step_at_once(self, step: Step) -> Selection:
        begun = time.perf_counter()
        before, self._verdict = self._verdict, step.threads.whole.newest()
        self._join(before)
        closeup = self._closeup(step)
        try:
            with timed(step.stages_ms, "motion", self._tracer):
                self._motion.advance(step.frame.image, step.frame.time_ns)
            with timed(step.stages_ms, "propagate", self._tracer):
                self._track = self._carried(self._track, step.frame.time_ns)
        finally:
            if closeup is not None:
                closeup.carried.set_result(self._track)
        with timed(step.stages_ms, "closeup", self._tracer):
            waits = closeup is not None and self._closeup_ms <= CLOSER_AT_MOST_MS
            left_s = CLOSER_MS / 1e3 - (time.perf_counter() - begun) if waits else 0.0
            self._take_closeup(step, max(0.0, left_s))
        with timed(step.stages_ms, "show", self._tracer):
            return self._shown(step.frame.time_ns)

    def _due(self, time_ns: int) -> bool:
        """Say whether the whole frame is to be encoded: the close-up does not tell what else may be meant."""
        verdict, track = self._verdict, self._track
        if verdict is None or track is None or self._frame_size is None:
            return True
        if time_ns - verdict.time_ns >= REFRESH_MS * NS_PER_MS:
            return True
        place = self._looking.place
        if place is None:
            return False
        rest_id, x_px, y_px, at_ns = place
        if rest_id != self._rest_judged and not verdict.settled:
            return True
        noise_grid = self._attention.noise_px * track.soft.shape[1] / self._frame_size[1]
        shown_ns = at_ns - LAG_MS * NS_PER_MS
        seen = min(self._tracked.values(), key=lambda one: abs(one.time_ns - shown_ns), default=track)
        return density_at(gaze_density(seen.soft, noise_grid), x_px, y_px, self._frame_size) < 1.0

    def _join(self, before: Verdict | None) -> None:
        """Begin a new track where a new verdict says that something else is meant, or something else of it."""
        verdict = self._verdict
        if verdict is None or verdict.meant is None:
            self._track = None
        elif verdict is not before and not self._agrees(verdict, verdict.meant):
            meant = verdict.meant
            begun = Track(meant.object_id, verdict.time_ns, meant.soft, meant.score, verdict.time_ns)
            self._track = self._carried(begun, self._motion.newest_ns)

    def _carried(self, track: Track | None, time_ns: int | None) -> Track | None:
        """Return a track carried to a frame by motion; None when that is not known."""
        if track is None or time_ns is None or track.time_ns == time_ns:
            return track
        motion = self._motion.between(track.time_ns, time_ns)
        if motion is None or time_ns - track.decoded_ns > STALE_MS * NS_PER_MS:
            return None
        return replace(track, time_ns=time_ns, soft=motion.carry(track.soft), low=None, embedding=None)

    def _agrees(self, verdict: Verdict, meant: Thing) -> bool:
        then = self._tracked.get(verdict.time_ns)
        return (
            self._track is not None
            and then is not None
            and then.object_id == meant.object_id == self._track.object_id
            and overlap(then.soft > 0, meant.soft > 0) >= SAME_TRACK
        )

    def _closeup(self, step: Step) -> CloseUp | None:
        """Begin a close-up of the thing tracked; None when the machine has more urgent work."""
        verdict, threads = self._verdict, step.threads
        likely = verdict is not None and (verdict.settled or verdict.state is State.FOCUSED)
        # As long as a thing is only hovered over, finding out what is meant goes first.
        if self._track is None or threads.closer.busy or (threads.whole.busy and not likely):
            return None
        closeup = CloseUp(step.frame, self._track)
        threads.closer.offer(closeup)
        return closeup

    def _take_closeup(self, step: Step, wait_s: float) -> None:
        """Take the newest close-up, waiting a while for this frame's."""
        frame, found = step.frame, step.threads.closer.finished(wait_s)
        track = self._track
        if track is None:
            return
        if found is not None and found.object_id == track.object_id and found.decoded_ns > track.decoded_ns:
            self._track = self._carried(found, frame.time_ns) or track
        older = list(self._tracked.items())[-TRACKED_FRAMES:]
        self._tracked = {**dict(older), frame.time_ns: self._track or track}

    def _look_closer(self, closeup: CloseUp) -> Track | None:
        took: dict[str, float] = {}
        with timed(took, "look closer", self._tracer):
            found = look_closer(
                self._closeup_model,
                closeup.frame.image,
                closeup.before,
                lambda: closeup.carried.result(CARRIED_TIMEOUT_S),
            )
        self._closeup_ms += LATELY * (took["look closer"] - self._closeup_ms)
        return found

    def _attend(self, frame: Frame) -> Verdict | None:
        """Encode a frame, take the gaze that came meanwhile, and find what is meant.

        Runs in the thread, if there is one.

        Returns None, and encodes nothing, as long as gaze has never rested.
        """
        if self._looking.rest_id is None:
            return None
        stages: dict[str, float] = {}
        self._wait_for_gap()
        with timed(stages, "encode", self._tracer):
            embedding = self._encoded(frame)
        self._wait_for_gap()
        with timed(stages, "attend", self._tracer), self._attending:
            look = self._looking.take()
            if look is not None and look.rest_id == self._let_go:
                look = None
            if look is not None:
                look = self._brought(look, frame.time_ns)
            if look is not None:
                self._last_look = look
            before = self._scene
            motion = self._motion.between(before.time_ns, frame.time_ns) if before is not None else None
            scene = Scene(embedding, frame.time_ns, motion)
            had = self._attention.best is not None
            if before is not None and motion is None:
                # Nobody knows where things went meanwhile.
                self._attention.forget()
            meant = self._attention.see(scene, look, self._followed(frame.time_ns))
            if look is not None:
                self._rest_judged = look.rest_id
            self._scene = scene
            state = self._state(meant, look, had=had)
            self._judged += 1
            return Verdict(
                number=self._judged,
                time_ns=frame.time_ns,
                embedding=embedding,
                state=state,
                meant=thing_of(meant),
                pinned=tuple(thing for one in self._attention.pinned if (thing := thing_of(one)) is not None),
                settled=self._attention.settled,
                look=self._last_look,
                stages_ms=stages,
            )

    def _brought(self, look: Look, time_ns: int) -> Look:
        """Bring a look to a frame: each sample answers what was on the screen a while before, and moves on with it."""
        samples = [(x_px, y_px, at_ns - int(LAG_MS * NS_PER_MS)) for x_px, y_px, at_ns in look.samples]
        place = self._motion.bring(samples, time_ns)
        return look if place is None else replace(look, x_px=place[0], y_px=place[1])

    def _wait_for_gap(self) -> None:
        """Leave the machine to the step and to its close-up, unless somebody waits to hear what a new rest means."""
        threads = self._threads
        if threads is not None and self._looking.rest_id == self._rest_judged:
            self._between_steps.wait(GAP_S)
            threads.closer.wait_idle(GAP_S)

    def _followed(self, time_ns: int) -> Grid | None:
        """Return where the track was on a frame, when it is the thing that is meant and was so on the scene before."""
        track, best, before = self._tracked.get(time_ns), self._attention.best, self._scene
        if track is None or best is None or before is None or track.object_id != best.object_id:
            return None
        then = self._tracked.get(before.time_ns)
        if then is None or overlap(then.soft > 0, best.mask) < SAME_TRACK:
            return None
        return track.soft

    def _encoded(self, frame: Frame) -> Embedding:
        before = self._scene
        if before is not None and self._motion.still(before.embedding.time_ns, frame.time_ns):
            return before.embedding
        return self._model.encode(frame.image, size=self._size_for(frame.image), time_ns=frame.time_ns)

    def _size_for(self, image: NDArray[np.uint8]) -> tuple[int, int] | None:
        if self._size is not None or self._threads is None:
            return self._size
        return small_size((image.shape[0], image.shape[1]))

    def _shown(self, time_ns: int) -> Selection:
        """Bring what was found to the newest frame."""
        judged = 0 if self._verdict is None else self._verdict.number
        # A verdict that was reached after a release knows of it.
        for object_id, at in list(self._released.items()):
            if at < judged:
                self._released.pop(object_id, None)
        return shown(self._verdict, self._track, self._motion, time_ns, released=self._released.keys())

    def _started(self) -> Threads:
        """Start the threads beside the camera's."""
        return Threads(
            whole=NewestFirst(self._attend, name="sam-edge-encoder"),
            closer=NewestFirst(self._look_closer, name="sam-edge-closeup"),
        )

    def _state(self, meant: Candidate | None, look: Look | None, *, had: bool) -> State:
        if meant is None:
            was_lost = self._verdict is not None and self._verdict.state is State.LOST
            return State.LOST if had or was_lost else State.NONE
        if look is None or not self._attention.looked_at(look.rest_id):
            return State.HELD
        dwell_ms = (look.time_ns - look.onset_ns) / NS_PER_MS
        return (
            State.FOCUSED if self._attention.agreed >= SETTLED_RESTS or dwell_ms >= HOVER_MS else State.HOVER
        )


def small_size(frame_size: tuple[int, int]) -> tuple[int, int]:
    """Return the input (height, width) for whole frames of (height, width) that are encoded beside the camera."""
    height, width = frame_size
    if max(height, width) <= OBLONG * min(height, width):
        return SHORT_PX, SHORT_PX
    return (SHORT_PX, LONG_PX) if width > height else (LONG_PX, SHORT_PX)


@contextmanager
def timed(stages: dict[str, float], name: str, tracer: Tracer) -> Iterator[None]:
    """Note how long the block takes, milliseconds, and when it ran."""
    begun_ns = time.perf_counter_ns()
    try:
        yield
    finally:
        ended_ns = time.perf_counter_ns()
        stages[name] = (ended_ns - begun_ns) / NS_PER_MS
        tracer.span(name, begun_ns, ended_ns)
