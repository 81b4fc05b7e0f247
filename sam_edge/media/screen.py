"""Whether a window can be opened on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

from sam_edge.errors import SessionError

NO_WINDOW = "no window can be opened"
SCREEN_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
"""Environment variables of Linux that name a screen."""
PROBE_TIMEOUT_S = 20.0
"""Longest time for the process that tries to open a window, seconds."""


def check_screen() -> None:
    """Check that OpenCV can open a window, without opening one in this process.

    On Linux, its window library ends the whole program where it cannot reach a screen; so a second process tries.

    Raises:
        SessionError: no window can be opened; the message says why.
    """
    if not sys.platform.startswith("linux"):
        return
    if not any(os.environ.get(name) for name in SCREEN_VARIABLES):
        raise SessionError(f"{NO_WINDOW}: this machine has no screen; run it on a desktop, not over SSH")
    try:
        probe = subprocess.run(
            [sys.executable, "-c", "import cv2; cv2.namedWindow('sam-edge')"],
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SessionError(f"{NO_WINDOW}: the screen does not answer; check DISPLAY") from error
    if probe.returncode:
        screens = ", ".join(f"{name}={os.environ[name]}" for name in SCREEN_VARIABLES if name in os.environ)
        raise SessionError(
            f"{NO_WINDOW} on {screens}: the screen cannot be reached, or opencv-python-headless is installed; "
            "run it on a desktop with opencv-python"
        )
