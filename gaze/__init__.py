"""Gaze samples of eye trackers and recordings, through one interface, with times, units and uncertainty.

    with sam_edge.gaze.open("neon://neon.local") as source:        # a live tracker
        samples = source.read(timeout_s=1.0)
    recording = sam_edge.gaze.read_recording("exports/000")        # a file or folder of many formats

`open` imports a tracker's client library; importing this package does not.
"""

from __future__ import annotations

from sam_edge.gaze.events import EventDetector, EventKind, Fixation
from sam_edge.gaze.fit import GazeFit, fit_gaze
from sam_edge.gaze.recordings import GazeRecording
from sam_edge.gaze.recordings import read as read_recording
from sam_edge.gaze.registry import SchemeInfo, open, register, schemes
from sam_edge.gaze.samples import GazeRay, GazeSample
from sam_edge.gaze.source import GazeSource, SourceStats

__all__ = [
    "EventDetector",
    "EventKind",
    "Fixation",
    "GazeFit",
    "GazeRay",
    "GazeRecording",
    "GazeSample",
    "GazeSource",
    "SchemeInfo",
    "SourceStats",
    "fit_gaze",
    "open",
    "read_recording",
    "register",
    "schemes",
]
