"""Gaze: every tracker in, through one interface, with honest clocks, units and uncertainty.

Importing this package imports no tracker's client library; `open` does, for the scheme it is given.
"""

from __future__ import annotations

from sam_edge.gaze.events import EventDetector, EventKind, Fixation
from sam_edge.gaze.registry import SchemeInfo, open, register, schemes
from sam_edge.gaze.samples import GazeRay, GazeSample
from sam_edge.gaze.source import GazeSource, SourceStats

__all__ = [
    "EventDetector",
    "EventKind",
    "Fixation",
    "GazeRay",
    "GazeSample",
    "GazeSource",
    "SchemeInfo",
    "SourceStats",
    "open",
    "register",
    "schemes",
]
