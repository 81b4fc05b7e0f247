"""`sam_edge.track`: a video and gaze in, the selection on every frame out.

The package is private, so that the function and no module is called `sam_edge.track`.
"""

from sam_edge._track.job import track
from sam_edge._track.report import FrameRecord, StageSummary, TrackReport
from sam_edge._track.result import StreamedFrame, TrackedFrame, TrackResult
from sam_edge._track.stream import TrackStream

__all__ = [
    "FrameRecord",
    "StageSummary",
    "StreamedFrame",
    "TrackReport",
    "TrackResult",
    "TrackStream",
    "TrackedFrame",
    "track",
]
