"""Live selection: the gaze session and what it is made of."""

from sam_edge.stream.selection import Selection, State
from sam_edge.stream.session import GazeSession

__all__ = ["GazeSession", "Selection", "State"]
