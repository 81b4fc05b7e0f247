"""Webcam gaze over a connection to `sam-edge serve`: faces out, where the person looks in.

    with connect(url) as client:
        eye = RemoteEye(client, Screen((1080, 1920), 530.0))
        eye.show_frames((0, 0), (1.5, 1.5))
        eye.begin()                                 # show targets, send faces, `receive` until each is seen
        ...

docs/protocol.md says what each message means, and that the server keeps no picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_edge.client.client import Client, jpeg_of
from sam_edge.gaze.webcam.sight import Screen
from sam_edge.segmenter import check_frame
from sam_edge.wire.messages import EyeAnswer
from sam_edge.wire.webcam_messages import (
    Calibrate,
    CalibrationAction,
    Clicked,
    Eye,
    Face,
    Point,
    Stage,
    Target,
)

QUALITY = 92
"""Of JPEGs: the iris's border is fine."""


class RemoteEye:
    """A camera that looks at the person, watched by the server. Times are on the clock of the client's frames."""

    def __init__(self, client: Client, screen: Screen, *, fov_deg: float = 78.0) -> None:
        """Begin; `fov_deg` is how wide the camera sees along the diagonal.

        Raises:
            SessionError: the connection has ended, as with every other method.
        """
        self._client = client
        self._faces = 0
        client.send(Eye(screen, fov_deg))

    def send_face(self, image: NDArray[np.uint8], time_ns: int) -> int:
        """Send a picture of the person, RGB uint8 (H, W, 3), later than the one before, and return its number.

        Raises:
            InputError: it is none.
        """
        check_frame(image)
        return self.send_jpeg(jpeg_of(image, QUALITY), (image.shape[0], image.shape[1]), time_ns)

    def send_jpeg(self, data: bytes, size: tuple[int, int], time_ns: int) -> int:
        """Send a picture of (height, width) that is a JPEG already, and return its number."""
        self._faces = (self._faces + 1) % (1 << 32)
        self._client.send(Face(self._faces, time_ns, size, data))
        return self._faces

    def show_frames(self, origin_px: Point, scale: Point) -> None:
        """Say where frames are shown: their top left corner, and pixels of the screen in one of theirs."""
        self._client.send(Stage(origin_px, scale))

    def begin(self) -> None:
        """Begin a calibration."""
        self._client.send(Calibrate(CalibrationAction.BEGIN))

    def target(self, number: int, place_px: Point, from_ns: int, *, check: bool = False) -> None:
        """Say that the person looks at a target from a moment on; `check` only to see how good it became."""
        self._client.send(Target(number, from_ns, place_px, check))

    def finish(self) -> None:
        """Fit the calibration and use it."""
        self._client.send(Calibrate(CalibrationAction.FINISH))

    def abandon(self) -> None:
        """Go back to what was before `begin`."""
        self._client.send(Calibrate(CalibrationAction.ABANDON))

    def restore(self, kept: bytes) -> None:
        """Use a calibration again: `Calibrated.kept` of an earlier one for a screen of this size."""
        self._client.send(Calibrate(CalibrationAction.RESTORE, kept))

    def clicked(self, place_px: Point, time_ns: int, *, size_px: float = 0.0) -> None:
        """Say that something was clicked or selected; it was looked at."""
        self._client.send(Clicked(time_ns, place_px, size_px))

    def receive(self, timeout_s: float = 0.0) -> EyeAnswer | None:
        """Return the oldest answer that was not received yet; None when none comes in time.

        Raises:
            RefusedError: the server refused something, or ended the connection.
            SessionError: the connection was lost.
        """
        return self._client.receive_eye(timeout_s)

    def end(self) -> None:
        """End webcam gaze."""
        self._client.send(Eye(None))
