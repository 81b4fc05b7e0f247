"""Selection in a live camera by live gaze, from one address.

The package is private, so that the function and no module is called `sam_edge.live`.
docs/how-to/live.md says how to use it.
"""

from sam_edge._live.run import LiveRun, live
from sam_edge._live.step import LiveStep

__all__ = ["LiveRun", "LiveStep", "live"]
