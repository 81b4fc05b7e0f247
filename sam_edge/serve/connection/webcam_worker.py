"""One client's face: pictures in, where the person looks out, in a thread of its own.

The newest picture wins. Each is looked at, and is gone: none is kept, written or logged.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sam_edge.errors import InputError, SamEdgeError
from sam_edge.gaze.calibration import Calibration
from sam_edge.gaze.samples import GazeSample
from sam_edge.gaze.webcam.drift import DriftCorrector
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.gaze.webcam.source import CLICK_DEG, WANDER_DEG_PER_S, WebcamGazeEstimator
from sam_edge.gaze.webcam.tracker import Face
from sam_edge.serve.connection.calibration_run import CalibrationRun
from sam_edge.serve.connection.gaze_inbox import GazeInbox
from sam_edge.serve.connection.worker import ConnectionThread
from sam_edge.serve.image_decoding import read_frame
from sam_edge.web.metrics import Metrics
from sam_edge.wire.binary import LARGEST_NUMBER
from sam_edge.wire.errors import ErrorCode, ProtocolError
from sam_edge.wire.kinds import MessageKind
from sam_edge.wire.messages import ErrorReply, ImageFormat, SceneFrame, ServerMessage, WebcamRequest
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationAction,
    CalibrationResult,
    CalibrationTarget,
    Click,
    FaceFrame,
    FaceObservation,
    GazeEstimate,
    Viewport,
    Webcam,
)

LEARNING_FACES = 40
"""About so many faces until the estimator knows a face's shape."""
EYE_TO_SCREEN_MM = 600.0
"""Usual distance, until the face's is known."""
TOLD = 64
"""Messages that wait, at most."""
REMEMBERED = 30
"""Intervals and distances that are remembered."""
FIRST_INTERVAL_MS = 33.0
REST = 1.0
"""Between faces the thread rests so many times as long as the last one took of a core: at most half a core in use."""


class WebcamWorker(ConnectionThread):
    """Looks at the newest face of one client, one after the other. `say` is called from its thread."""

    def __init__(
        self,
        sight: GazeInbox,
        *,
        say: Callable[[ServerMessage], None],
        most_pixels: int,
        metrics: Metrics,
        name: str = "sam-edge-eye",
    ) -> None:
        """Begin to wait.

        Args:
            sight: takes gaze in pixels of the frames.
            say: takes answers.
            most_pixels: of a face's picture.
            metrics: counts what becomes of faces.
            name: of the thread.
        """
        super().__init__(say, name)
        self._sight = sight
        self._most_pixels = most_pixels
        self._metrics = metrics
        self._estimator: WebcamGazeEstimator | None = None
        self._sitting: CalibrationRun | None = None
        self._before: tuple[Calibration | None, DriftCorrector] | None = None
        self._stage: Viewport | None = None
        self._times_ns: deque[int] = deque(maxlen=REMEMBERED)
        self._distances_mm: deque[float] = deque(maxlen=REMEMBERED)
        self._faces = 0
        self._learned = False
        self._rested_s = 0.0
        self._face: tuple[FaceFrame, int] | None = None
        self._told: deque[WebcamRequest] = deque()
        self._begin()

    def tell(self, message: WebcamRequest, at_ns: int) -> None:
        """Take a message that came at a time of the server's clock; a face that waits is let go for a newer one.

        Raises:
            ProtocolError: too many wait.
        """
        with self._changed:
            if isinstance(message, FaceFrame):
                if self._face is not None:
                    self._metrics.add("sam_edge_faces_total", outcome="skipped")
                self._face = (message, at_ns)
            elif len(self._told) >= TOLD:
                raise ProtocolError(f"webcam: {TOLD} messages wait already; send fewer", ErrorCode.RATE_LIMIT)
            else:
                self._told.append(message)
            self._changed.notify_all()

    def _run(self) -> None:
        # Numbers out of a kept calibration may be of any size; what overflows counts as not seen.
        with np.errstate(all="ignore"):
            super()._run()

    def _end(self) -> None:
        self._estimator = None

    def _turn(self) -> bool:
        """Do what is to be done next; False when that is to end."""
        with self._changed:
            while not (self._stop or self._told or (self._face is not None and self._rest_s <= 0)):
                self._changed.wait(None if self._face is None else self._rest_s)
            if self._stop:
                return False
            message: WebcamRequest | None = self._told.popleft() if self._told else None
            arrived = None
            if message is None:
                arrived, self._face = self._face, None
        if message is not None:
            self._answered(message)
        elif arrived is not None:
            begun_s = time.thread_time()
            self._looked(*arrived)
            took_s = time.thread_time() - begun_s
            # Who learns a face or calibrates waits for it: no rest then.
            resting = self._learned and self._sitting is None
            self._rested_s = time.monotonic() + REST * took_s if resting else 0.0
        return True

    @property
    def _rest_s(self) -> float:
        """How long the thread rests from now on, seconds; 0 or less: not at all."""
        return self._rested_s - time.monotonic()

    def _answered(self, message: WebcamRequest) -> None:
        try:
            self._act(message)
        except ProtocolError as error:
            self._refuse(error.code, error, message)
        except InputError as error:
            self._refuse(ErrorCode.INVALID_OPTION, error, message)
        except SamEdgeError as error:
            self._refuse(ErrorCode.ENGINE_FAILED, error, message)

    def _refuse(self, code: ErrorCode, error: SamEdgeError, message: WebcamRequest) -> None:
        number = message.target_id if isinstance(message, CalibrationTarget) else 0
        self._say(ErrorReply(code, str(error), KINDS[type(message)], number))

    def _act(self, message: WebcamRequest) -> None:
        if isinstance(message, Webcam):
            self._watch(message)
        elif isinstance(message, Viewport):
            self._stage = message
            self._tell_degree()
        elif isinstance(message, Calibrate):
            self._calibrate(message)
        elif isinstance(message, CalibrationTarget):
            if self._sitting is None:
                raise ProtocolError(
                    "target: no calibration was started; send calibrate with start first",
                    ErrorCode.OUT_OF_ORDER,
                )
            self._sitting.aim(message, self._interval_ms)
        elif isinstance(message, Click) and self._sitting is None:
            # While targets are shown nobody looks at what is clicked.
            self._open.drift.record_click(message.position_px, message.time_ns, size_px=message.size_px)

    def _watch(self, eye: Webcam) -> None:
        self._sitting = self._before = self._estimator = None
        self._times_ns.clear()
        self._distances_mm.clear()
        self._faces, self._learned = 0, False
        if eye.screen is not None:
            self._estimator = WebcamGazeEstimator(eye.screen, fov_deg=eye.fov_deg)
        self._tell_degree()

    @property
    def _open(self) -> WebcamGazeEstimator:
        if self._estimator is None:
            raise ProtocolError(
                "webcam: gaze is not active; send a webcam message first", ErrorCode.OUT_OF_ORDER
            )
        return self._estimator

    def _calibrate(self, message: Calibrate) -> None:
        estimator, action = self._open, message.action
        if action is CalibrationAction.START:
            self._begin_sitting(estimator)
            self._say(CalibrationResult(action))
        elif action is CalibrationAction.RESTORE:
            estimator.calibration = _restored(message.calibration, estimator.screen)
            estimator.drift = _fresh_drift(estimator.screen)
            self._sitting = self._before = None
            self._say(CalibrationResult(action))
        elif self._sitting is None:
            raise ProtocolError(f"calibrate: {action.name.lower()} without start", ErrorCode.OUT_OF_ORDER)
        elif action is CalibrationAction.FINISH:
            sitting, self._sitting = self._sitting, None
            try:
                estimator.calibration, told = sitting.finish(estimator.screen.size, self._px_per_deg)
            except InputError:
                self._go_back(estimator)
                raise
            self._before = None
            self._say(told)
        else:
            self._go_back(estimator)
            self._say(CalibrationResult(action))

    def _begin_sitting(self, estimator: WebcamGazeEstimator) -> None:
        if self._before is None:
            self._before = (estimator.calibration, estimator.drift)
        estimator.calibration, estimator.drift = None, _fresh_drift(estimator.screen)
        self._sitting = CalibrationRun(self._px_per_deg)

    def _go_back(self, estimator: WebcamGazeEstimator) -> None:
        """Use again what was used before the calibration began."""
        self._sitting = None
        if self._before is not None:
            estimator.calibration, estimator.drift = self._before
        self._before = None

    def _looked(self, face: FaceFrame, at_ns: int) -> None:
        try:
            seeing = self._seeing(face, at_ns)
        except SamEdgeError as error:
            code = error.code if isinstance(error, ProtocolError) else ErrorCode.ENGINE_FAILED
            self._metrics.add("sam_edge_faces_total", outcome="error")
            self._say(ErrorReply(code, str(error), MessageKind.FACE_FRAME, face.face_frame_id))
            return
        self._metrics.add("sam_edge_faces_total", outcome="seen" if seeing.face else "none")
        self._say(seeing)
        if self._sitting is not None:
            aimed = self._sitting.take(seeing.sample)
            if aimed is not None:
                self._say(aimed)
        elif self._stage is not None:
            self._sight.look(_in_frame(seeing.sample, self._stage))

    def _seeing(self, face: FaceFrame, at_ns: int) -> GazeEstimate:
        estimator = self._open
        if self._times_ns and face.time_ns <= self._times_ns[-1]:
            raise ProtocolError(
                f"face_frame: its time {face.time_ns} ns does not come after {self._times_ns[-1]} ns",
                ErrorCode.OUT_OF_ORDER,
            )
        picture = SceneFrame(face.face_frame_id, face.time_ns, ImageFormat.JPEG, face.size, face.data)
        sample = estimator.estimate(read_frame(picture, most_pixels=self._most_pixels), face.time_ns)
        self._times_ns.append(face.time_ns)
        found = estimator.face
        if found is not None:
            self._faces += 1
            self._distances_mm.append(found.pose.distance_mm)
        sample = _sensible(sample)
        self._learned |= sample.valid
        return GazeEstimate(
            face.face_frame_id,
            sample,
            None if found is None else _seen(found),
            blinking=estimator.blinking,
            calibrated=estimator.calibration is not None,
            face_model_progress=1.0 if self._learned else min(0.99, self._faces / LEARNING_FACES),
            latency_ms=(time.monotonic_ns() - at_ns) / 1e6,
        )

    @property
    def _interval_ms(self) -> float:
        """From one face to the next."""
        if len(self._times_ns) < 2:
            return FIRST_INTERVAL_MS
        # The mean: pictures that come in bursts are as few as others.
        return (self._times_ns[-1] - self._times_ns[0]) / (len(self._times_ns) - 1) / 1e6

    @property
    def _px_per_deg(self) -> float:
        """Pixels of the screen in a degree, at the distance of the face."""
        distance_mm = float(np.median(self._distances_mm)) if self._distances_mm else EYE_TO_SCREEN_MM
        return self._open.screen.px_per_deg(max(distance_mm, 50.0))

    def _tell_degree(self) -> None:
        """Tell the session how large a degree is in its frames."""
        if self._estimator is None or self._stage is None:
            self._sight.watch(None)
        else:
            self._sight.watch(self._estimator.screen.px_per_deg(EYE_TO_SCREEN_MM) / self._stage.scale[0])


KINDS: dict[type, int] = {
    Webcam: MessageKind.WEBCAM,
    FaceFrame: MessageKind.FACE_FRAME,
    Viewport: MessageKind.VIEWPORT,
    Calibrate: MessageKind.CALIBRATE,
    CalibrationTarget: MessageKind.TARGET,
    Click: MessageKind.CLICK,
}


def _fresh_drift(screen: Screen) -> DriftCorrector:
    px_per_deg = screen.px_per_deg(EYE_TO_SCREEN_MM)
    return DriftCorrector(click_sd_px=CLICK_DEG * px_per_deg, wander_px_per_s=WANDER_DEG_PER_S * px_per_deg)


def _restored(kept: bytes, screen: Screen) -> Calibration:
    """Read a calibration that a client kept. Raises `ProtocolError`."""
    try:
        calibration = Calibration.from_json(kept.decode("ascii"))
    except (UnicodeDecodeError, SamEdgeError) as error:
        raise ProtocolError(f"{error}; calibrate again", ErrorCode.INVALID_OPTION) from error
    if calibration.size != screen.size:
        height, width = calibration.size
        raise ProtocolError(
            f"calibration: it is for a screen of {width}x{height}, this one has {screen.size[1]}x{screen.size[0]}; "
            "calibrate again",
            ErrorCode.INVALID_OPTION,
        )
    return calibration


def _sensible(sample: GazeSample) -> GazeSample:
    """Return the sample, or one that is not valid where its numbers are none that can be said."""
    spread = sample.covariance_px2 or (0.0, 0.0, 0.0)
    said = all(abs(number) <= LARGEST_NUMBER for number in (sample.x_px, sample.y_px, *spread))
    if not sample.valid or (said and spread[0] >= 0.0 and spread[2] >= 0.0):
        return sample
    return GazeSample(sample.time_ns, math.nan, math.nan, 0.0)


def _seen(found: Face) -> FaceObservation:
    left, top = found.landmarks[:, :2].min(axis=0)
    right, bottom = found.landmarks[:, :2].max(axis=0)
    (ax, ay), (bx, by) = found.iris_centres_px
    return FaceObservation(
        (float(left), float(top), float(right), float(bottom)),
        (float(ax), float(ay), float(bx), float(by)),
        found.pose.distance_mm,
    )


def _in_frame(sample: GazeSample, stage: Viewport) -> GazeSample:
    """Take a sample from pixels of the screen to those of the frames."""
    (left, top), (across, down) = stage.origin_px, stage.scale
    spread = sample.covariance_px2
    if spread is not None:
        xx, xy, yy = spread
        spread = (xx / across**2, xy / (across * down), yy / down**2)
    return replace(
        sample,
        x_px=(sample.x_px - left) / across,
        y_px=(sample.y_px - top) / down,
        covariance_px2=spread,
    )
