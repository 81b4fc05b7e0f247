"""One client's gaze session in a thread of its own: frames, gaze and commands in, selections out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.errors import SamEdgeError
from sam_edge.segmenter import Segmenter
from sam_edge.serve.connection.flow_control import WINDOW, FlowControl
from sam_edge.serve.connection.free_memory import return_free_memory
from sam_edge.serve.connection.gaze_inbox import GazeInbox
from sam_edge.serve.connection.object_commands import pin_object, run_object_command
from sam_edge.serve.connection.packing import pack
from sam_edge.serve.connection.point_select import PointSelect
from sam_edge.serve.connection.worker import ConnectionThread
from sam_edge.serve.image_decoding import read_frame
from sam_edge.serve.models.engine_pool import SessionModels
from sam_edge.serve.models.load_shedder import LoadShedder
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
    ObjectCommand,
    ObjectInfo,
    ObjectList,
    Ping,
    SceneFrame,
    ServerMessage,
    SkippedFrame,
    SkipReason,
    Unconfirmed,
)

DEFAULT_PX_PER_DEG = 15.0
"""Pixels in a degree of visual angle, if neither the client nor the camera says it."""
MIN_PX_PER_DEG, MAX_PX_PER_DEG = 1.0, 1000.0
"""Limits of what is derived from the camera."""
MAX_UPLINK_MS = 10_000.0
"""A longer uplink means that the frame's time is on another clock than the client's pings."""
MIN_INTERVAL_SHARE = 0.7
"""A frame is skipped if it comes sooner than this share of the granted interval: camera intervals vary."""
MAX_COMMANDS = 64
"""Commands that wait, at most."""


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """A frame, and when it arrived."""

    frame: SceneFrame
    received_ns: int
    """On the server's clock."""


class SessionWorker(ConnectionThread):
    """Processes the newest frame of one client, one after another.

    The event loop calls the public methods. The session and everything that a frame changes belong to the thread.
    """

    def __init__(
        self,
        models: SessionModels,
        hello: Hello,
        *,
        send: Callable[[ServerMessage], None],
        warm_up: Callable[[Segmenter, tuple[int, int], tuple[int, int] | None], None],
        max_pixels: int,
        label_characters: int,
        metrics: Metrics,
        load_shedder: LoadShedder,
        name: str = "sam-edge-session",
    ) -> None:
        """Start the thread; it waits for frames.

        Args:
            models: of this client's session.
            hello: what the client asked for.
            send: takes messages to the client; with a selection it may wait.
            warm_up: prepares the engine for frames of (height, width) and an encoder input size.
            max_pixels: of a frame.
            label_characters: of an object's label, at most.
            metrics: counts frames.
            load_shedder: limits the frame rate of all clients.
            name: of the thread.
        """
        super().__init__(send, name)
        self.gaze = GazeInbox()
        """Takes the client's gaze."""
        self._models = models
        self._mask_options = hello.masks
        self._px_per_deg_of_client = hello.px_per_deg
        self._size = hello.size
        self._warm_up = warm_up
        self._max_pixels = max_pixels
        self._label_characters = label_characters
        self._metrics = metrics
        self._load_shedder = load_shedder
        self._flow_control = FlowControl()
        self._grant = Grant(WINDOW)
        self._last_accepted_ns: int | None = None
        self._clock_offset_ns: int | None = None
        self._session: GazeSession | None = None
        self._session_number = 1
        self._frame_size: tuple[int, int] | None = None
        self._newest_frame_ns: int | None = None
        self._newest_gaze_ns: int | None = None
        self._point_select: PointSelect | None = None
        self._waiting_frame: ReceivedFrame | None = None
        self._commands: deque[Command | ObjectCommand] = deque()
        self._sends_object_info = False
        self._sends_confirmation = False
        self._start()

    def add_frame(self, frame: SceneFrame, received_ns: int) -> None:
        """Add a frame. It replaces one that still waits. It is skipped if it comes too soon after the last one."""
        rate, last_ns = self._grant.frames_per_s, self._last_accepted_ns
        if rate and last_ns is not None and received_ns - last_ns < MIN_INTERVAL_SHARE * 1e9 / rate:
            self._skip(frame, SkipReason.TOO_SOON)
            return
        self._last_accepted_ns = received_ns
        with self._changed:
            replaced, self._waiting_frame = self._waiting_frame, ReceivedFrame(frame, received_ns)
            self._changed.notify_all()
        if replaced is not None:
            self._skip(replaced.frame, SkipReason.REPLACED)

    def send_confirmation(self) -> None:
        """From now on, say which selections are not confirmed."""
        self._sends_confirmation = True

    def add_command(self, command: Command | ObjectCommand) -> None:
        """Add a command; it runs before the next frame.

        Raises:
            ProtocolError: too many commands wait.
        """
        with self._changed:
            if len(self._commands) >= MAX_COMMANDS:
                raise ProtocolError(
                    f"command: {MAX_COMMANDS} wait already; send fewer, and wait for their results",
                    ErrorCode.RATE_LIMIT,
                )
            self._commands.append(command)
            self._changed.notify_all()

    def set_mask_options(self, options: MaskOptions) -> None:
        """Change what selections contain, from the next one on."""
        self._mask_options = options

    def set_clock_offset(self, ping: Ping) -> None:
        """Store the client's estimate of the offset between the clocks."""
        self._clock_offset_ns = None if ping.uncertainty_ns is None else ping.offset_ns

    def _work(self) -> bool:
        """Run one command or process one frame; commands go first."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._waiting_frame is not None or bool(self._commands),
                None if self._point_select is None else max(0.0, self._point_select.remaining_s),
            )
            if self._stopped:
                return False
            command = self._commands.popleft() if self._commands else None
            received = None
            if command is None:
                received, self._waiting_frame = self._waiting_frame, None
        if command is not None:
            self._run_command(command)
        elif received is not None:
            self._process_frame(received)
        if self._point_select is not None and self._point_select.remaining_s <= 0:
            self._finish_point_select(0)
        return True

    def _process_frame(self, received: ReceivedFrame) -> None:
        try:
            selection = self._select(received)
        except SamEdgeError as error:
            # A frame has no options: what is not the frame's own fault is the engine's.
            code = error.code if isinstance(error, ProtocolError) else ErrorCode.ENGINE_FAILED
            self._metrics.add("sam_edge_frames_total", outcome="error")
            self._send(ErrorReply(code, str(error), MessageKind.FRAME, received.frame.frame_id))
            return
        total_ms = (time.monotonic_ns() - received.received_ns) / 1e6
        self._metrics.record_frame(total_ms, selection.stages_ms)
        self._metrics.add("sam_edge_frames_total", outcome="selection")
        info = ObjectInfo.of(selection) if self._sends_object_info else None
        unconfirmed = Unconfirmed.of(selection) if self._sends_confirmation else None
        for message in (info, unconfirmed, selection):
            if message is not None:
                self._send(message)
        self._update_grant(selection, total_ms)

    def _update_grant(self, selection: FrameSelection, total_ms: float) -> None:
        wait_ms = selection.stages_ms["wait"]
        self._flow_control.record(wait_ms, (total_ms - wait_ms) / 1e3)
        if "encode" in selection.stages_ms:
            self._load_shedder.record(selection.stages_ms["encode"])
        grant = Grant(self._flow_control.window, self._load_shedder.frames_per_s)
        if grant != self._grant:
            self._grant = grant
            self._send(grant)

    def _select(self, received: ReceivedFrame) -> FrameSelection:
        """Decode a frame, step the session, and build the message."""
        frame = received.frame
        if self._newest_frame_ns is not None and frame.time_ns <= self._newest_frame_ns:
            raise ProtocolError(
                f"frame: its time {frame.time_ns} ns does not come after {self._newest_frame_ns} ns",
                ErrorCode.OUT_OF_ORDER,
            )
        start = time.perf_counter()
        stages_ms = {"wait": (time.monotonic_ns() - received.received_ns) / 1e6}
        uplink_ms = self._uplink_ms(received)
        if uplink_ms is not None:
            stages_ms["uplink"] = uplink_ms
        image = read_frame(frame, max_pixels=self._max_pixels)
        stages_ms["picture"] = 1e3 * (time.perf_counter() - start)
        self.gaze.set_frame(frame)
        session = self._session_for(image)
        self._newest_frame_ns = frame.time_ns
        self._feed_gaze(session, frame.time_ns)
        selection = session.step(image, frame.time_ns)
        if self._point_select is not None and self._point_select.matches(selection):
            self._pin_point(session)
        stages_ms.update(selection.timing_ms)
        start = time.perf_counter()
        message = pack(
            selection,
            frame,
            self._mask_options,
            session=self._session_number,
            received_ns=received.received_ns,
            stages_ms=stages_ms,
        )
        stages_ms["pack"] = 1e3 * (time.perf_counter() - start)
        return message

    def _uplink_ms(self, received: ReceivedFrame) -> float | None:
        """Return the time from capture to arrival; None if the relation of the clocks is unknown."""
        if self._clock_offset_ns is None:
            return None
        uplink_ms = (received.received_ns - self._clock_offset_ns - received.frame.time_ns) / 1e6
        return uplink_ms if abs(uplink_ms) < MAX_UPLINK_MS else None

    def _feed_gaze(self, session: GazeSession, frame_time_ns: int) -> None:
        samples = self.gaze.take()
        if self._point_select is not None:
            samples = self._point_select.samples(frame_time_ns)
        if samples:
            self._newest_gaze_ns = samples[-1].time_ns
            session.feed(samples)

    def _session_for(self, image: NDArray[np.uint8]) -> GazeSession:
        """Return the session for frames of this size; another size starts a new session."""
        size = (image.shape[0], image.shape[1])
        if self._session is not None and size == self._frame_size:
            return self._session
        if self._session is not None:
            self._reset()
        self._warm_up(self._models.model, size, self._size)
        self._frame_size = size
        self._session = GazeSession(
            self._models.model,
            closeup_model=self._models.closeup_model,
            px_per_deg=self._px_per_deg,
            size=self._size,
            mode="live",
        )
        return self._session

    @property
    def _px_per_deg(self) -> float:
        """Frame pixels in a degree of visual angle: from the client, else from the camera or screen, else a default."""
        derived = self.gaze.px_per_deg or DEFAULT_PX_PER_DEG
        return self._px_per_deg_of_client or min(max(derived, MIN_PX_PER_DEG), MAX_PX_PER_DEG)

    def _run_command(self, command: Command | ObjectCommand) -> None:
        reply: ServerMessage | None
        kind = MessageKind.OBJECT_COMMAND if isinstance(command, ObjectCommand) else MessageKind.COMMAND
        try:
            reply = self._command_reply(command)
        except ProtocolError as error:
            reply = ErrorReply(error.code, str(error), kind, command.command_id)
        if reply is not None:
            self._send(reply)

    def _object_reply(self, command: ObjectCommand) -> ObjectList:
        self._sends_object_info = True
        objects = run_object_command(self._session, command, label_characters=self._label_characters)
        return ObjectList(command.command_id, self._session_number, objects)

    def _command_reply(self, command: Command | ObjectCommand) -> CommandResult | ObjectList | None:
        """Run a command; None when its result comes later."""
        if isinstance(command, ObjectCommand):
            return self._object_reply(command)
        if command.action is CommandAction.RESET:
            self._reset()
            return CommandResult(command.command_id, command.action, 0)
        if command.action is CommandAction.UNPIN:
            if self._session is not None:
                self._session.unpin(command.object_id or None)
            return CommandResult(command.command_id, command.action, command.object_id)
        point_px = command.point_px
        if command.ray is not None:
            sample = self.gaze.project_ray(command.ray, command.axes, command.space)
            if not sample.valid:
                return CommandResult(command.command_id, command.action, 0)
            point_px = (sample.x_px, sample.y_px)
        if point_px is not None:
            self._start_point_select(command, point_px)
            return None
        object_id = pin_object(self._session, command.at_ns) if self._session is not None else 0
        return CommandResult(command.command_id, command.action, object_id)

    def _start_point_select(self, command: Command, point_px: tuple[float, float]) -> None:
        self._finish_point_select(0)
        self._point_select = PointSelect(
            command,
            point_px,
            after_ns=self._newest_gaze_ns,
            newest_ns=self._newest_frame_ns,
            px_per_deg=self._px_per_deg,
        )

    def _pin_point(self, session: GazeSession) -> None:
        """Pin what the point's command found, and send its result."""
        try:
            self._finish_point_select(pin_object(session))
        except ProtocolError as error:
            search, self._point_select = self._point_select, None
            if search is not None:
                number = search.command.command_id
                self._send(ErrorReply(error.code, str(error), MessageKind.COMMAND, number))

    def _finish_point_select(self, object_id: int) -> None:
        """Send the result of the point's command, if there is one."""
        search, self._point_select = self._point_select, None
        if search is not None:
            self._send(CommandResult(search.command.command_id, search.command.action, object_id))

    def _reset(self) -> None:
        """End the session; the next frame starts another one."""
        self._finish_point_select(0)
        with self._changed:
            waiting, self._waiting_frame = self._waiting_frame, None
        if waiting is not None:
            self._skip(waiting.frame, SkipReason.RESET)
        self._release()
        self._session_number += 1
        self._newest_gaze_ns = None

    def _release(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
            return_free_memory()

    def _skip(self, frame: SceneFrame, reason: SkipReason) -> None:
        self._metrics.add("sam_edge_frames_total", outcome="skipped")
        self._send(SkippedFrame(frame.frame_id, reason))
