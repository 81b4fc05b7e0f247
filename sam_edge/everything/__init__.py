"""Everything mode: finds and masks all that is in a picture."""

from sam_edge.everything.edges import edge_map
from sam_edge.everything.found import FoundMask
from sam_edge.everything.generate import find_everything, total_points
from sam_edge.everything.generator import SamAutomaticMaskGenerator
from sam_edge.everything.proposals import PROPOSALS, propose
from sam_edge.everything.settings import FAST, STANDARD, Settings

__all__ = [
    "FAST",
    "PROPOSALS",
    "STANDARD",
    "FoundMask",
    "SamAutomaticMaskGenerator",
    "Settings",
    "edge_map",
    "find_everything",
    "propose",
    "total_points",
]
