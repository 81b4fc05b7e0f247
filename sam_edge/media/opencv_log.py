"""OpenCV's own log lines, which would stand between our messages on the terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

_SILENT = 0
"""OpenCV's LOG_LEVEL_SILENT."""
_lock = threading.Lock()
_depth, _usual = 0, 0
_names: Any = cv2
# OpenCV 4 has the two functions at the top, OpenCV 5 in a module.
_log: Any = _names if hasattr(_names, "setLogLevel") else _names.utils.logging


@contextmanager
def opencv_silenced() -> Iterator[None]:
    """Keep OpenCV from writing to the terminal in the block; what went wrong is in our own errors.

    The level is one for the whole process: it is restored when the last of several threads leaves its block.
    """
    global _depth, _usual
    with _lock:
        if _depth == 0:
            _usual = _log.getLogLevel()
            _log.setLogLevel(_SILENT)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _log.setLogLevel(_usual)
