"""Webcam gaze over a connection to `sam-edge serve`: sends face frames, receives gaze estimates.

    with connect(url) as client:
        webcam = RemoteWebcam(client, Screen((1080, 1920), 530.0))
        webcam.set_viewport((0, 0), (1.5, 1.5))
        webcam.start_calibration()     # show targets, send face frames, and `receive` until each target is collected
        ...

docs/reference/protocol.md specifies the messages. The server stores no image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_edge.client.client import Client, jpeg_of
from sam_edge.gaze.webcam.line_of_sight import Screen
from sam_edge.segmenter import check_frame
from sam_edge.wire.messages import WebcamReply
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationAction,
    CalibrationTarget,
    Click,
    FaceFrame,
    Point,
    Viewport,
    Webcam,
)

JPEG_QUALITY = 92
"""High, because the edge of the iris is a fine detail."""


class RemoteWebcam:
    """A webcam whose images the server turns into gaze. Times are on the clock of the client's frames."""

    def __init__(self, client: Client, screen: Screen, *, fov_deg: float = 78.0) -> None:
        """Start webcam gaze; `fov_deg` is the webcam's diagonal field of view.

        Raises:
            SessionError: the connection has ended, as every other method.
        """
        self._client = client
        self._last_frame_id = 0
        client.send(Webcam(screen, fov_deg))

    def send_face_frame(self, image: NDArray[np.uint8], time_ns: int) -> int:
        """Send an image of the person, RGB uint8 (H, W, 3), later than the previous one. Returns its number.

        Raises:
            InputError: it is not such an image.
        """
        check_frame(image)
        return self.send_face_jpeg(jpeg_of(image, JPEG_QUALITY), (image.shape[0], image.shape[1]), time_ns)

    def send_face_jpeg(self, data: bytes, size: tuple[int, int], time_ns: int) -> int:
        """Send an image of (height, width) that is already a JPEG. Returns its number."""
        self._last_frame_id = (self._last_frame_id + 1) % (1 << 32)
        self._client.send(FaceFrame(self._last_frame_id, time_ns, size, data))
        return self._last_frame_id

    def set_viewport(self, origin_px: Point, scale: Point) -> None:
        """Set where frames are shown: their top left corner (screen pixels), and screen pixels per frame pixel."""
        self._client.send(Viewport(origin_px, scale))

    def start_calibration(self) -> None:
        """Start a calibration."""
        self._client.send(Calibrate(CalibrationAction.START))

    def collect_target(
        self, target_id: int, position_px: Point, start_ns: int, *, validation: bool = False
    ) -> None:
        """Collect gaze at a target, at which the person looks from `start_ns` on.

        Args:
            target_id: 0 to 63, repeated in the replies.
            position_px: x, y of the target, screen pixels.
            start_ns: time from which gaze counts.
            validation: the target measures the calibration's accuracy; the calibration is not fitted to it.
        """
        self._client.send(CalibrationTarget(target_id, start_ns, position_px, validation))

    def finish_calibration(self) -> None:
        """Fit the calibration and use it."""
        self._client.send(Calibrate(CalibrationAction.FINISH))

    def cancel_calibration(self) -> None:
        """Discard the calibration that was started and use the previous one."""
        self._client.send(Calibrate(CalibrationAction.CANCEL))

    def restore_calibration(self, calibration: bytes) -> None:
        """Use a stored calibration: `CalibrationResult.calibration` for a screen of the same size."""
        self._client.send(Calibrate(CalibrationAction.RESTORE, calibration))

    def report_click(self, position_px: Point, time_ns: int, *, size_px: float = 0.0) -> None:
        """Report a click on something that the person looked at: it corrects the drift of the gaze."""
        self._client.send(Click(time_ns, position_px, size_px))

    def receive(self, timeout_s: float = 0.0) -> WebcamReply | None:
        """Return the oldest reply that was not received yet; None after `timeout_s`.

        Raises:
            RefusedError: the server refused a message, or ended the connection.
            SessionError: the connection was lost.
        """
        return self._client.receive_webcam(timeout_s)

    def stop(self) -> None:
        """Stop webcam gaze."""
        self._client.send(Webcam(None))
