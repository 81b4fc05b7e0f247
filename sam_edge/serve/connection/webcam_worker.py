"""Webcam gaze of one client in a thread of its own: face frames in, gaze estimates out.

The newest face frame wins. Face frames are processed in memory only: none is stored, written to disk or logged.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from sam_edge.errors import SamEdgeError
from sam_edge.gaze.webcam.source import WebcamGazeEstimator
from sam_edge.serve.connection.gaze_inbox import GazeInbox
from sam_edge.serve.connection.webcam_calibration import EYE_TO_SCREEN_MM, WebcamCalibration
from sam_edge.serve.connection.webcam_geometry import observe_face, sendable_sample, to_frame_px
from sam_edge.serve.connection.worker import ConnectionThread
from sam_edge.serve.errors import error_code
from sam_edge.serve.image_decoding import read_frame
from sam_edge.web.metrics import Metrics
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.kinds import MessageKind
from sam_edge.wire.messages import ErrorReply, ImageFormat, SceneFrame, ServerMessage, WebcamRequest
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationTarget,
    Click,
    FaceFrame,
    GazeEstimate,
    Viewport,
    Webcam,
)

LEARNING_FACES = 40
"""About this many faces until the face's shape is known; for the progress that clients show."""
MIN_DISTANCE_MM = 50.0
"""Smaller estimates of the face's distance are not plausible."""
MAX_MESSAGES = 64
"""Messages that wait, at most; face frames do not count."""
HISTORY = 30
"""Number of face frames whose times and distances are averaged."""
DEFAULT_INTERVAL_MS = 33.0
"""Time between face frames before it is known."""
REST_SHARE = 1.0
"""Between face frames, the thread rests for this times the CPU time of the last one. It uses half a core at most."""


class WebcamWorker(ConnectionThread):
    """Estimates one client's gaze from the newest face frame, one after another.

    The event loop calls `add_message`. Everything else belongs to the thread.
    """

    def __init__(
        self,
        gaze: GazeInbox,
        *,
        send: Callable[[ServerMessage], None],
        max_pixels: int,
        metrics: Metrics,
        name: str = "sam-edge-webcam",
    ) -> None:
        """Start the thread; it waits for messages.

        Args:
            gaze: takes the gaze in frame pixels.
            send: takes messages to the client.
            max_pixels: of a face frame.
            metrics: counts face frames.
            name: of the thread.
        """
        super().__init__(send, name)
        self._gaze = gaze
        self._max_pixels = max_pixels
        self._metrics = metrics
        self._estimator: WebcamGazeEstimator | None = None
        self._calibration = WebcamCalibration()
        self._viewport: Viewport | None = None
        self._times_ns: deque[int] = deque(maxlen=HISTORY)
        self._distances_mm: deque[float] = deque(maxlen=HISTORY)
        self._faces_seen = 0
        self._face_known = False
        self._rest_until_s = 0.0
        self._waiting_face: tuple[FaceFrame, int] | None = None
        self._messages: deque[WebcamRequest] = deque()
        self._start()

    def add_message(self, message: WebcamRequest, received_ns: int) -> None:
        """Add a message that arrived at a time of the server's clock. A face frame replaces one that still waits.

        Raises:
            ProtocolError: too many messages wait.
        """
        with self._changed:
            if isinstance(message, FaceFrame):
                if self._waiting_face is not None:
                    self._metrics.add("sam_edge_faces_total", outcome="skipped")
                self._waiting_face = (message, received_ns)
            elif len(self._messages) >= MAX_MESSAGES:
                raise ProtocolError(
                    f"webcam: {MAX_MESSAGES} messages wait already; send fewer", ErrorCode.RATE_LIMIT
                )
            else:
                self._messages.append(message)
            self._changed.notify_all()

    def _run(self) -> None:
        # A restored calibration may hold numbers of any size; gaze that overflows counts as invalid.
        with np.errstate(all="ignore"):
            super()._run()

    def _release(self) -> None:
        self._estimator = None

    def _work(self) -> bool:
        """Handle one message or process one face frame; messages go first."""
        with self._changed:
            while not (self._stopped or self._messages or self._face_is_due):
                self._changed.wait(None if self._waiting_face is None else self._rest_s)
            if self._stopped:
                return False
            message = self._messages.popleft() if self._messages else None
            received = None
            if message is None:
                received, self._waiting_face = self._waiting_face, None
        if message is not None:
            self._handle_message(message)
        elif received is not None:
            self._process_face(*received)
        return True

    @property
    def _rest_s(self) -> float:
        """Seconds for which the thread still rests; 0 or less: not at all."""
        return self._rest_until_s - time.monotonic()

    @property
    def _face_is_due(self) -> bool:
        return self._waiting_face is not None and self._rest_s <= 0

    def _handle_message(self, message: WebcamRequest) -> None:
        try:
            self._apply(message)
        except SamEdgeError as error:
            number = message.target_id if isinstance(message, CalibrationTarget) else 0
            self._send(ErrorReply(error_code(error), str(error), KINDS[type(message)], number))

    def _apply(self, message: WebcamRequest) -> None:
        if isinstance(message, Webcam):
            self._set_webcam(message)
        elif isinstance(message, Viewport):
            self._viewport = message
            self._update_px_per_deg()
        elif isinstance(message, Calibrate):
            result = self._calibration.apply(message, self._active_estimator, self._screen_px_per_deg)
            self._send(result)
        elif isinstance(message, CalibrationTarget):
            self._calibration.start_target(message, self._interval_ms)
        elif isinstance(message, Click) and not self._calibration.running:
            # During a calibration people look at the targets, not at what they click.
            drift = self._active_estimator.drift
            drift.record_click(message.position_px, message.time_ns, size_px=message.size_px)

    def _set_webcam(self, webcam: Webcam) -> None:
        """Start webcam gaze afresh, or stop it."""
        self._estimator = None
        self._calibration = WebcamCalibration()
        self._times_ns.clear()
        self._distances_mm.clear()
        self._faces_seen, self._face_known = 0, False
        if webcam.screen is not None:
            self._estimator = WebcamGazeEstimator(webcam.screen, fov_deg=webcam.fov_deg)
        self._update_px_per_deg()

    @property
    def _active_estimator(self) -> WebcamGazeEstimator:
        if self._estimator is None:
            raise ProtocolError(
                "webcam: gaze is not active; send a webcam message first", ErrorCode.OUT_OF_ORDER
            )
        return self._estimator

    def _process_face(self, face: FaceFrame, received_ns: int) -> None:
        start_s = time.thread_time()
        try:
            estimate = self._estimate_gaze(face, received_ns)
        except SamEdgeError as error:
            code = error.code if isinstance(error, ProtocolError) else ErrorCode.ENGINE_FAILED
            self._metrics.add("sam_edge_faces_total", outcome="error")
            self._send(ErrorReply(code, str(error), MessageKind.FACE_FRAME, face.face_frame_id))
        else:
            self._metrics.add("sam_edge_faces_total", outcome="seen" if estimate.face else "none")
            self._send(estimate)
            self._use_estimate(estimate)
        cpu_s = time.thread_time() - start_s
        # People wait while the face is learned and during a calibration: no rest then.
        rests = self._face_known and not self._calibration.running
        self._rest_until_s = time.monotonic() + REST_SHARE * cpu_s if rests else 0.0

    def _use_estimate(self, estimate: GazeEstimate) -> None:
        """Give the gaze to the running calibration, or else to the session."""
        if self._calibration.running:
            progress = self._calibration.add_sample(estimate.sample)
            if progress is not None:
                self._send(progress)
        elif self._viewport is not None:
            self._gaze.add_samples([to_frame_px(estimate.sample, self._viewport)])

    def _estimate_gaze(self, face: FaceFrame, received_ns: int) -> GazeEstimate:
        estimator = self._active_estimator
        if self._times_ns and face.time_ns <= self._times_ns[-1]:
            raise ProtocolError(
                f"face_frame: its time {face.time_ns} ns does not come after {self._times_ns[-1]} ns",
                ErrorCode.OUT_OF_ORDER,
            )
        frame = SceneFrame(face.face_frame_id, face.time_ns, ImageFormat.JPEG, face.size, face.data)
        sample = estimator.estimate(read_frame(frame, max_pixels=self._max_pixels), face.time_ns)
        self._times_ns.append(face.time_ns)
        found = estimator.face
        if found is not None:
            self._faces_seen += 1
            self._distances_mm.append(found.pose.distance_mm)
        sample = sendable_sample(sample)
        self._face_known |= sample.valid
        return GazeEstimate(
            face.face_frame_id,
            sample,
            None if found is None else observe_face(found),
            blinking=estimator.blinking,
            calibrated=estimator.calibration is not None,
            face_model_progress=1.0 if self._face_known else min(0.99, self._faces_seen / LEARNING_FACES),
            latency_ms=(time.monotonic_ns() - received_ns) / 1e6,
        )

    @property
    def _interval_ms(self) -> float:
        """Mean time between face frames. The mean is right for face frames that arrive in bursts, too."""
        if len(self._times_ns) < 2:
            return DEFAULT_INTERVAL_MS
        return (self._times_ns[-1] - self._times_ns[0]) / (len(self._times_ns) - 1) / 1e6

    @property
    def _screen_px_per_deg(self) -> float:
        """Screen pixels in a degree, at the distance of the face."""
        distance_mm = float(np.median(self._distances_mm)) if self._distances_mm else EYE_TO_SCREEN_MM
        return self._active_estimator.screen.px_per_deg(max(distance_mm, MIN_DISTANCE_MM))

    def _update_px_per_deg(self) -> None:
        """Tell the session the size of a degree in frame pixels."""
        if self._estimator is None or self._viewport is None:
            self._gaze.set_screen_px_per_deg(None)
        else:
            screen_px_per_deg = self._estimator.screen.px_per_deg(EYE_TO_SCREEN_MM)
            self._gaze.set_screen_px_per_deg(screen_px_per_deg / self._viewport.scale[0])


KINDS: dict[type, int] = {
    Webcam: MessageKind.WEBCAM,
    FaceFrame: MessageKind.FACE_FRAME,
    Viewport: MessageKind.VIEWPORT,
    Calibrate: MessageKind.CALIBRATE,
    CalibrationTarget: MessageKind.TARGET,
    Click: MessageKind.CLICK,
}
