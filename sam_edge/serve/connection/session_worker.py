"""One client's eyes on its own stream: frames, gaze and triggers in, selections out, in a thread of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import SamEdgeError
from sam_edge.segmenter import Segmenter
from sam_edge.serve.connection.flow_control import WINDOW, FlowControl, LoadShedder
from sam_edge.serve.connection.gaze_inbox import GazeInbox
from sam_edge.serve.connection.packing import pack
from sam_edge.serve.connection.point_select import PointSelect
from sam_edge.serve.connection.worker import ConnectionThread
from sam_edge.serve.image_decoding import read_frame
from sam_edge.serve.models.engine_pool import SessionModels
from sam_edge.stream.session import GazeSession
from sam_edge.web.metrics import Metrics
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.kinds import MessageKind
from sam_edge.wire.messages import (
    Command,
    CommandAction,
    CommandResult,
    ErrorReply,
    FrameSelection,
    Grant,
    Hello,
    MaskOptions,
    Ping,
    SceneFrame,
    ServerMessage,
    SkippedFrame,
    SkipReason,
)

PX_PER_DEG = 15.0
"""Pixels in a degree of visual angle where nobody knows better."""
LONGEST_UPLINK_MS = 10_000.0
"""Frames that seem to have been on the way for longer have another clock than the client's pings."""
EARLIEST = 0.7
"""Frames may come by so much of the granted interval after the one before: cameras have intervals of their own."""
TRIGGERS_KEPT = 64
"""Triggers that wait, at most."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame and when it came."""

    frame: SceneFrame
    """The frame."""
    at_ns: int
    """The server's clock."""


class SessionWorker(ConnectionThread):
    """Looks at the newest frame of one client, one after the other. `say` is called from the viewer's thread."""

    def __init__(
        self,
        models: SessionModels,
        hello: Hello,
        *,
        say: Callable[[ServerMessage], None],
        warm_up: Callable[[Segmenter, tuple[int, int], tuple[int, int] | None], None],
        most_pixels: int,
        metrics: Metrics,
        crowd: LoadShedder,
        name: str = "sam-edge-viewer",
    ) -> None:
        """Begin to wait for frames.

        Args:
            models: of this client's session.
            hello: what the client wants.
            say: takes answers; a selection may make it wait.
            warm_up: makes the engine ready for frames of a size, before the first one is looked at.
            most_pixels: of a frame.
            metrics: counts what becomes of frames.
            crowd: those who share the model.
            name: of the thread.
        """
        super().__init__(say, name)
        self.sight = GazeInbox()
        self._models = models
        self._wanted = hello.masks
        self._px_per_deg = hello.px_per_deg
        self._size = hello.size
        self._warm_up = warm_up
        self._most_pixels = most_pixels
        self._metrics = metrics
        self._crowd = crowd
        self._pace = FlowControl()
        self._granted = Grant(WINDOW)
        self._taken_ns: int | None = None
        self._offset_ns: int | None = None
        self._session: GazeSession | None = None
        self._session_number = 1
        self._frame_size: tuple[int, int] | None = None
        self._newest_ns: int | None = None
        self._fed_ns: int | None = None
        self._pinch: PointSelect | None = None
        self._frame: Arrived | None = None
        self._triggers: deque[Command] = deque()
        self._begin()

    def frame(self, frame: SceneFrame, at_ns: int) -> None:
        """Take a frame; one that waits is skipped for it, and it is skipped itself when it comes too soon."""
        rate = self._granted.frames_per_s
        if rate and self._taken_ns is not None and at_ns - self._taken_ns < EARLIEST * 1e9 / rate:
            self._skip(frame, SkipReason.TOO_SOON)
            return
        self._taken_ns = at_ns
        with self._changed:
            before, self._frame = self._frame, Arrived(frame, at_ns)
            self._changed.notify_all()
        if before is not None:
            self._skip(before.frame)

    def trigger(self, trigger: Command) -> None:
        """Take a trigger.

        Raises:
            ProtocolError: too many wait.
        """
        with self._changed:
            if len(self._triggers) >= TRIGGERS_KEPT:
                raise ProtocolError(
                    f"command: {TRIGGERS_KEPT} wait already; send fewer, and wait for their results",
                    ErrorCode.RATE_LIMIT,
                )
            self._triggers.append(trigger)
            self._changed.notify_all()

    def configure(self, wanted: MaskOptions) -> None:
        """Change what selections hold, from the next one on."""
        self._wanted = wanted

    def ping(self, ping: Ping) -> None:
        """Note what the client knows of the clocks."""
        self._offset_ns = None if ping.uncertainty_ns is None else ping.offset_ns

    def _turn(self) -> bool:
        """Do what is to be done next; False when that is to end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stop or self._frame is not None or bool(self._triggers),
                None if self._pinch is None else max(0.0, self._pinch.left_s),
            )
            if self._stop:
                return False
            trigger = self._triggers.popleft() if self._triggers else None
            arrived = None
            if trigger is None:
                arrived, self._frame = self._frame, None
        if trigger is not None:
            self._act(trigger)
        elif arrived is not None:
            self._look(arrived)
        if self._pinch is not None and self._pinch.left_s <= 0:
            self._answer_pinch(0)
        return True

    def _look(self, arrived: Arrived) -> None:
        frame = arrived.frame
        try:
            selected = self._selected(arrived)
        except ProtocolError as error:
            code, message = error.code, str(error)
        except SamEdgeError as error:
            code, message = ErrorCode.ENGINE_FAILED, str(error)
        else:
            took_ms = (time.monotonic_ns() - arrived.at_ns) / 1e6
            self._metrics.frame(took_ms, selected.stages_ms)
            self._metrics.add("sam_edge_frames_total", outcome="selection")
            self._say(selected)
            wait_ms = selected.stages_ms["wait"]
            self._pace.note(wait_ms, (took_ms - wait_ms) / 1e3)
            if "encode" in selected.stages_ms:
                self._crowd.note(selected.stages_ms["encode"])
            grant = Grant(self._pace.window, self._crowd.frames_per_s)
            if grant != self._granted:
                self._granted = grant
                self._say(grant)
            return
        self._metrics.add("sam_edge_frames_total", outcome="error")
        self._say(ErrorReply(code, message, MessageKind.FRAME, frame.frame_id))

    def _selected(self, arrived: Arrived) -> FrameSelection:
        frame = arrived.frame
        if self._newest_ns is not None and frame.time_ns <= self._newest_ns:
            raise ProtocolError(
                f"frame: its time {frame.time_ns} ns does not come after {self._newest_ns} ns",
                ErrorCode.OUT_OF_ORDER,
            )
        begun = time.perf_counter()
        stages = {"wait": (time.monotonic_ns() - arrived.at_ns) / 1e6}
        if self._offset_ns is not None:
            uplink_ms = (arrived.at_ns - self._offset_ns - frame.time_ns) / 1e6
            if abs(uplink_ms) < LONGEST_UPLINK_MS:
                stages["uplink"] = uplink_ms
        image = read_frame(frame, most_pixels=self._most_pixels)
        stages["picture"] = 1e3 * (time.perf_counter() - begun)
        self.sight.frame(frame)
        session = self._session_for(image)
        self._newest_ns = frame.time_ns
        samples = self.sight.take()
        if self._pinch is not None:
            samples = self._pinch.samples(frame.time_ns)
        if samples:
            self._fed_ns = samples[-1].time_ns
            session.feed(samples)
        selection = session.step(image, frame.time_ns)
        if self._pinch is not None and self._pinch.found(selection):
            self._answer_pinch(session.pin() or 0)
        stages.update(selection.timing_ms)
        begun = time.perf_counter()
        packed = pack(
            selection,
            frame,
            self._wanted,
            session=self._session_number,
            received_ns=arrived.at_ns,
            stages_ms=stages,
        )
        stages["pack"] = 1e3 * (time.perf_counter() - begun)
        return packed

    def _session_for(self, image: NDArray[np.uint8]) -> GazeSession:
        size = (image.shape[0], image.shape[1])
        if self._session is not None and size == self._frame_size:
            return self._session
        if self._session is not None:
            self._begin_anew()
        self._warm_up(self._models.model, size, self._size)
        self._frame_size = size
        self._session = GazeSession(
            self._models.model,
            closeup_model=self._models.closeup_model,
            px_per_deg=self._degree_px,
            size=self._size,
            mode="live",
        )
        return self._session

    @property
    def _degree_px(self) -> float:
        """Pixels in a degree of visual angle: told, or from the camera, or guessed."""
        return self._px_per_deg or min(max(self.sight.px_per_deg or PX_PER_DEG, 1.0), 1000.0)

    def _act(self, trigger: Command) -> None:
        try:
            answer = self._acted(trigger)
        except ProtocolError as error:
            answer = ErrorReply(error.code, str(error), MessageKind.COMMAND, trigger.command_id)
        if answer is not None:
            self._say(answer)

    def _acted(self, trigger: Command) -> ServerMessage | None:
        if trigger.action is CommandAction.RESET:
            self._begin_anew()
            return CommandResult(trigger.command_id, trigger.action, 0)
        if trigger.action is CommandAction.UNPIN:
            if self._session is not None:
                self._session.unpin(trigger.object_id or None)
            return CommandResult(trigger.command_id, trigger.action, trigger.object_id)
        place = trigger.point_px
        if trigger.ray is not None:
            sample = self.sight.sample(trigger.ray, trigger.axes, trigger.space)
            if not sample.valid:
                return CommandResult(trigger.command_id, trigger.action, 0)
            place = (sample.x_px, sample.y_px)
        if place is not None:
            self._answer_pinch(0)
            self._pinch = PointSelect(
                trigger,
                place,
                after_ns=self._fed_ns,
                newest_ns=self._newest_ns,
                px_per_deg=self._degree_px,
            )
            return None
        kept = self._session.pin(trigger.at_ns) if self._session is not None else None
        return CommandResult(trigger.command_id, trigger.action, kept or 0)

    def _answer_pinch(self, object_id: int) -> None:
        pinch, self._pinch = self._pinch, None
        if pinch is not None:
            self._say(CommandResult(pinch.trigger.command_id, pinch.trigger.action, object_id))

    def _begin_anew(self) -> None:
        self._answer_pinch(0)
        with self._changed:
            waiting, self._frame = self._frame, None
        if waiting is not None:
            self._skip(waiting.frame, SkipReason.RESET)
        self._end()
        self._session_number += 1
        self._fed_ns = None

    def _end(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _skip(self, frame: SceneFrame, reason: SkipReason = SkipReason.REPLACED) -> None:
        self._metrics.add("sam_edge_frames_total", outcome="skipped")
        self._say(SkippedFrame(frame.frame_id, reason))
