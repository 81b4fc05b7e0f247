"""The live picture in a window of this computer."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge._live.drawing import LivePicture
from sam_edge._live.step import LiveStep
from sam_edge.closing import Closing
from sam_edge.gaze.adapters.mouse import MouseSource
from sam_edge.gaze.clocks import host_now_ns
from sam_edge.media.screen import check_screen
from sam_edge.stream.session import GazeSession

TITLE = "sam-edge live: a click or s pins, a right click or r unpins all, q ends"
ENDS = (ord("q"), 27)


class LiveWindow(Closing):
    """Shows frames, and pins what is looked at. With a mouse as the eye tracker, the window feeds it."""

    def __init__(self, session: GazeSession, mouse: MouseSource | None = None) -> None:
        """Open the window.

        Raises:
            SessionError: no window can be opened here.
        """
        check_screen()
        self._session, self._mouse = session, mouse
        self._picture = LivePicture()
        cv2.namedWindow(TITLE)
        cv2.setMouseCallback(TITLE, self._happened)

    def show(self, step: LiveStep) -> bool:
        """Show a step with its selection, and do what the pressed key says. Returns whether to go on."""
        return self.show_picture(self._picture.draw(step))

    def show_picture(self, picture: NDArray[np.uint8]) -> bool:
        """Show a picture, RGB, and do what the pressed key says. Returns whether to go on."""
        cv2.imshow(TITLE, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1) & 0xFF
        if key == ord("s"):
            self._session.pin(at_ns=host_now_ns())
        elif key == ord("r"):
            self._session.unpin()
        return key not in ENDS

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(TITLE)

    def _happened(self, event: int, x: int, y: int, _flags: int, _data: object) -> None:
        if self._mouse is not None:
            self._mouse.move(x + 0.5, y + 0.5)
        if event == cv2.EVENT_LBUTTONDOWN:
            self._session.pin(at_ns=host_now_ns())
        elif event == cv2.EVENT_RBUTTONDOWN:
            self._session.unpin()
