"""The gaze session: frames and gaze in, the selection on every frame out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sam_edge.closing import Closing
from sam_edge.config import MODES, Config, Mode, read_config
from sam_edge.errors import InputError, SessionError
from sam_edge.gaze.live_check import LiveGazeCheck
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.source import GazeSource
from sam_edge.identity import KnownObject
from sam_edge.segmenter import Embedding, Segmenter, check_frame
from sam_edge.stream.attention import GazeAttention
from sam_edge.stream.closeup import SIDE
from sam_edge.stream.dwell_tracker import DwellTracker
from sam_edge.stream.follow_choice import measure_follower, open_network
from sam_edge.stream.intent_judge import IntentJudge
from sam_edge.stream.live import LiveSchedule
from sam_edge.stream.motion import FRAMES_KEPT, FrameMotion, grid_of
from sam_edge.stream.object_follower import ObjectFollower
from sam_edge.stream.object_identity import ObjectIdentity, describe_target
from sam_edge.stream.pinned_presence import PinnedPresence
from sam_edge.stream.recording import SessionRecorder
from sam_edge.stream.schedule import Schedule
from sam_edge.stream.selection import Selection
from sam_edge.stream.sequential import SequentialSchedule
from sam_edge.stream.trace import Trace, Tracer, time_stage
from sam_edge.stream.trace_types import Sink
from sam_edge.stream.tuning import DEFAULT_TUNING, SelectionTuning
from sam_edge.stream.worker_jobs import SessionFrame


class GazeSession(Closing):
    """Selects the object that a person looks at in a stream of frames. A context manager.

    Give gaze by `feed`, or open the session on a live source; then call `step` once a frame. In the sequential mode
    every step encodes its frame and waits for it: each result depends only on the frames and gaze before it. With
    `encode_every=3` only every third frame is encoded, and motion carries the selection over the two between. In the
    live mode a step takes milliseconds: a thread encodes the newest frame, and motion and close-ups follow the object.

    One thread steps. Any thread may call `feed`, `pin`, `unpin`, `rename`, `merge`, `forget` and `objects`.

    Example:
        >>> with GazeSession(sam_edge.load(), gaze=source, mode="live") as session:
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
        mode: Mode = "sequential",
        encode_every: int = 1,
        recorder: SessionRecorder | None = None,
        config: Config | str | Path | None = None,
        closeup_model: Segmenter | None = None,
        identity: bool = True,
        tuning: SelectionTuning = DEFAULT_TUNING,
        check_gaze: bool = True,
    ) -> None:
        """Begin with nothing selected.

        Args:
            model: from `sam_edge.load`.
            gaze: a live source, read at every step and closed with the session; None when gaze is given by `feed`.
            px_per_deg: frame pixels in a degree of visual angle.
            size: the encoder's input (height, width) for whole frames; None picks one that suits the frame, a small one
                in the live mode: there whole frames only choose the target, and close-ups give its outline.
            mode: `sequential`: every step waits for its own encoding. `live`: a thread encodes, and the camera never
                waits.
            encode_every: in the sequential mode, encode every n-th frame and carry the mask by motion in between: a
                third of the work at 3. The steps that encode take as long as before.
            recorder: receives every frame, sample and command; closed with the session. The recording of a sequential
                session replays to the same result bit for bit.
            config: what `sam-edge profile --budget-ms` found for this machine, or its file: stands for `size`,
                `mode` and `encode_every` where they are left out.
            closeup_model: encodes and decodes the close-ups of the live mode; None is `model`. A program that shares an
                engine between sessions gives one whose calls go first: a step waits for close-ups.
            identity: whether an object that gaze returns to gets its number back. Without it every selection gets a new
                number, and the session knows no objects.
            tuning: the constants of the selection.
            check_gaze: warn once (`SamEdgeWarning`) of gaze that looks wrong: normalised positions, positions that
                stand for lost samples, none at all, low confidence, another clock than that of the frames.

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
        check_options(px_per_deg, mode, encode_every)
        # Never changes after the session is opened; the parts guard their own state.
        self._model = model
        self._closeup_model = closeup_model if closeup_model is not None else model
        self._gaze, self._recorder = gaze, recorder
        self._size, self._mode, self._encode_every = size, mode, encode_every
        self._tuning = tuning
        self._encode = SessionEncoder(model, size, tuning if mode == "live" else None)
        self._gaze_check = LiveGazeCheck() if check_gaze else None
        self._tracer = Tracer(px_per_deg)
        self._dwells = DwellTracker(px_per_deg, tuning)
        self._identity = ObjectIdentity(enabled=identity)
        motion = FrameMotion(tuning.cut_correlation)
        self._follower = follower = ObjectFollower(
            self._closeup_model,
            motion,
            network=open_network(self._closeup_model) if tuning.follow else None,
            tracer=self._tracer,
            tuning=tuning,
        )
        candidates = tuning.candidates_live if mode == "live" else tuning.candidates_sequential
        self._judge = IntentJudge(
            GazeAttention(model, px_per_deg=px_per_deg, max_candidates=candidates, tuning=tuning),
            self._dwells,
            motion,
            encode=self._encode,
            track_at=follower.track_at,
            identity=self._identity if identity else None,
            presence=PinnedPresence(model, describe_target, tuning) if identity else None,
            tracer=self._tracer,
            tuning=tuning,
        )
        self._schedule: Schedule
        if mode == "live":
            self._schedule = LiveSchedule(
                self._judge,
                follower,
                self._dwells,
                motion,
                px_per_deg=px_per_deg,
                tracer=self._tracer,
                tuning=tuning,
            )
        else:
            self._schedule = SequentialSchedule(
                self._judge, motion, encode_every=encode_every, tracer=self._tracer, tuning=tuning
            )
        # Held by the thread that steps; the next two belong to it.
        self._stepping = threading.Lock()
        self._frame_size: tuple[int, int] | None = None
        self._time_ns: int | None = None
        # Set once, by any thread.
        self._closed = False

    @property
    def mode(self) -> Mode:
        """The schedule: `sequential` or `live`."""
        return self._mode

    @property
    def follows(self) -> bool:
        """Whether the follower network corrects the target's mask on every frame."""
        return self._follower.has_network

    @property
    def encode_every(self) -> int:
        """Frames from one encoding to the next in the sequential mode; 1 in the live mode."""
        return self._encode_every

    @property
    def size(self) -> tuple[int, int] | None:
        """The encoder's input (height, width) for whole frames; None when the frame decides."""
        return self._size

    def feed(self, samples: Iterable[GazeSample]) -> None:
        """Take gaze samples, in order of time, on the clock of the frames. Another thread may do so between steps."""
        samples = list(samples)
        if self._recorder is not None and samples:
            self._recorder.gaze(samples)
        self._tracer.gaze(samples)
        self._dwells.feed(samples)
        if self._gaze_check is not None:
            self._gaze_check.add_samples(samples)

    def step(self, image: NDArray[np.uint8], time_ns: int) -> Selection:
        """Take the next frame; return what is selected on it.

        Args:
            image: RGB uint8 (H, W, 3), of the same size as the frames before. In the live mode do not write to it
                afterwards.
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
        begin_ns = time.perf_counter_ns()
        try:
            self._check(image, time_ns)
            if self._gaze_check is not None:
                self._gaze_check.add_frame(time_ns)
            selection = self._step(image, time_ns)
        finally:
            self._stepping.release()
        self._tracer.frame(begin_ns, selection)
        if self._recorder is not None:
            self._recorder.frame(time_ns, (image.shape[0], image.shape[1]), selection)
        return selection

    def warm_up(self, image: NDArray[np.uint8]) -> None:
        """Encode and decode once on a frame like those to come, so that the first step does not open the engine.

        In the live mode this decides, too, whether the follower network is fast enough here (`tuning.follow`).
        """
        check_frame(image)
        embedding = self._encode(SessionFrame(image, 0))
        height, width = image.shape[:2]
        center = [width / 2, height / 2]
        box = (0.25 * width, 0.25 * height, 0.75 * width, 0.75 * height)
        # One place, and up to three rests of its masks.
        for prompts in range(1, 4):
            self._model.decode_logits(embedding, points=[[center]] * prompts)
        if self._identity.enabled:
            # OpenCV's first conversion to CIELAB takes a tenth of a second, which the first target would wait for.
            middle = np.full(grid_of((height, width)), -1, np.float32)
            middle[middle.shape[0] // 2, middle.shape[1] // 2] = 1
            describe_target(image, middle, embedding)
        closeup = self._closeup_model.encode(image, size=(SIDE, SIDE))
        points = self._tuning.positive_points + self._tuning.negative_points
        self._closeup_model.decode_logits(closeup, points=[[center] * points])
        for prompts in range(1, self._tuning.candidates_live + 1):
            self._model.decode_logits(embedding, points=[[center]] * prompts, boxes=[box] * prompts)
        if self._mode == "live" and self._tuning.follow is not False:
            cost_ms = measure_follower(self._closeup_model, image)
            if self._tuning.follow is None and cost_ms is not None and cost_ms <= self._tuning.max_follow_ms:
                self._follower.use_network(open_network(self._closeup_model))

    def pin(self, at_ns: int | None = None) -> int | None:
        """Pin an object until `unpin`: the current target, or the object that gaze rested on closest to a time.

        Triggers come late: a button is pressed when the eyes have left already. Give the time at which the person made
        up their mind, as well as the device knows it. Gaze goes on to outline other objects; pinned ones are in
        `Selection.pinned`.

        Args:
            at_ns: a time on the clock of the frames; None is now.

        Returns:
            The object's number; None when there is nothing to pin.

        Raises:
            ObjectsKeptError: 499 objects are pinned or labelled. The memory holds 500, and the last place is for
                what is looked at next.
        """
        self._identity.check_room()
        if self._recorder is not None:
            self._recorder.command("pin", {"at_ns": at_ns})
        lineage = self._judge.pin(at_ns)
        return None if lineage is None else self._identity.pin(lineage)

    def unpin(self, object_id: int | None = None) -> None:
        """Let go of one object, or of everything. The dwell that is on it now does not select it again."""
        if self._recorder is not None:
            self._recorder.command("unpin", {"object_id": object_id})
        self._let_go(object_id)

    @property
    def objects(self) -> tuple[KnownObject, ...]:
        """The objects that were looked at in this session and are not forgotten, by their number."""
        return self._identity.objects

    def rename(self, object_id: int, label: str | None) -> None:
        """Give an object a label, which `Selection.label` has whenever it is selected; None takes the label away.

        A labelled object is never forgotten to make room for another one.

        Raises:
            InputError: the object is not known.
            ObjectsKeptError: 499 objects are pinned or labelled, see `pin`.
        """
        self._identity.rename(object_id, label)
        self._record("rename", object_id=object_id, label=label)

    def merge(self, keep_id: int, other_id: int) -> None:
        """Make one object of two that are the same: `keep_id` is its number from now on.

        Raises:
            InputError: one of them is not known, or both are the same.
        """
        self._identity.merge(keep_id, other_id)
        self._record("merge", keep_id=keep_id, other_id=other_id)

    def forget(self, object_id: int) -> None:
        """Forget an object, and unpin it. Looked at again, it is a new object with a new number.

        Raises:
            InputError: the object is not known.
        """
        lineages = self._identity.forget(object_id)
        self._record("forget", object_id=object_id)
        if lineages and self._judge.unpin(*lineages):
            self._schedule.forget()

    def wait_idle(self, timeout_s: float = 10.0) -> bool:
        """Wait until the live mode's threads have nothing to do; return whether that came true in time.

        For programs that want a repeatable result from the live mode, as tests do. The sequential mode is always idle.
        """
        return self._schedule.wait_idle(timeout_s)

    def trace(self, *sinks: Sink) -> Trace:
        """Begin to note what every thread does and when; ends when the result is closed. It is a context manager.

        Costs next to nothing on the way: a thread of its own hands everything to the sinks.

        Args:
            sinks: further takers of everything as it happens; `sam_edge.stream.sinks` has some.
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
            stack.callback(self._schedule.close)

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
        stages_ms: dict[str, float] = {}
        begin_s = time.perf_counter()
        with time_stage(stages_ms, "gaze", self._tracer):
            if self._gaze is not None:
                self.feed(self._gaze.read())
        selection = self._identity.present(self._schedule.step(SessionFrame(image, time_ns), stages_ms))
        stages_ms["total"] = 1e3 * (time.perf_counter() - begin_s)
        return replace(selection, timing_ms=stages_ms)

    def _let_go(self, object_id: int | None) -> None:
        lineages = self._identity.unpin(object_id)
        if (lineages or object_id is None) and self._judge.unpin(*lineages):
            self._schedule.forget()

    def _record(self, command: str, **arguments: object) -> None:
        if self._recorder is not None:
            self._recorder.command(command, arguments)


@dataclass(frozen=True, slots=True)
class SessionEncoder:
    """Encodes the whole frames of a session.

    Not a method of the session, whose parts would refer to it in a circle: a session that nobody uses any more then
    frees its frames at once, and not when Python next looks for circles. Servers hold one session after the other.
    """

    model: Segmenter
    """Encodes."""
    size: tuple[int, int] | None
    """(height, width) of the encoder's input; None: by the frame."""
    small: SelectionTuning | None
    """Tuning of the live mode, whose inputs are small where `size` is None; None in the sequential mode."""

    def __call__(self, frame: SessionFrame) -> Embedding:
        """Encode a frame."""
        size = self.size
        if size is None and self.small is not None:
            size = small_size(frame.size, self.small)
        return self.model.encode(frame.image, size=size, time_ns=frame.time_ns)


def check_options(px_per_deg: float, mode: str, encode_every: int) -> None:
    """Check a session's options.

    Raises:
        InputError: one of them is not accepted.
    """
    if not px_per_deg > 0:
        raise InputError(f"px_per_deg: {px_per_deg} is not accepted; give a positive number, for example 15")
    if mode not in MODES:
        raise InputError(f"mode: {mode!r} is not accepted; accepted: {', '.join(map(repr, MODES))}")
    live = mode == "live"
    if not 1 <= encode_every <= FRAMES_KEPT or (live and encode_every > 1):
        raise InputError(
            f"encode_every: {encode_every}{' in the live mode' * live} is not accepted; give 1 to {FRAMES_KEPT}, "
            'and 1 with mode="live": there the encoder takes the newest frame whenever it can'
        )


def small_size(frame_size: tuple[int, int], tuning: SelectionTuning = DEFAULT_TUNING) -> tuple[int, int]:
    """Return the input (height, width) of the live mode for whole frames of (height, width)."""
    height, width = frame_size
    short, long = tuning.small_side_px, tuning.small_long_side_px
    if max(height, width) <= tuning.oblong_ratio * min(height, width):
        return short, short
    return (short, long) if width > height else (long, short)
