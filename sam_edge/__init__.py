"""sam-edge turns a glance into a mask: the Segment Anything Model at the edge, prompted by gaze.

import sam_edge
model = sam_edge.load()
masks = model.segment(image, points=[[320, 200]], labels=[1])
masks.best
"""

from typing import TYPE_CHECKING

from sam_edge.errors import (
    BundleError,
    CheckpointError,
    EngineError,
    ExportError,
    GateError,
    GazeDataError,
    InputError,
    MediaError,
    MissingExtraError,
    SamEdgeError,
    SessionError,
    TrackerError,
)
from sam_edge.geometry import View
from sam_edge.masks import Masks
from sam_edge.predictor import SamPredictor
from sam_edge.segmenter import Embedding, Segmenter, load
from sam_edge.version import __version__

if TYPE_CHECKING:
    from sam_edge.stream import GazeSession, Selection, State

__all__ = [
    "BundleError",
    "CheckpointError",
    "Embedding",
    "EngineError",
    "ExportError",
    "GateError",
    "GazeDataError",
    "GazeSession",
    "InputError",
    "Masks",
    "MediaError",
    "MissingExtraError",
    "SamEdgeError",
    "SamPredictor",
    "Segmenter",
    "Selection",
    "SessionError",
    "State",
    "TrackerError",
    "View",
    "__version__",
    "load",
]


def __getattr__(name: str) -> object:
    """Import the session when it is first asked for: who only segments pictures need not wait for it."""
    if name in ("GazeSession", "Selection", "State"):
        from sam_edge import stream

        return getattr(stream, name)
    raise AttributeError(f"module 'sam_edge' has no attribute {name!r}")
