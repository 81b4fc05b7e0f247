"""Everything mode: finds and masks all that is in a picture."""

from sam_edge.everything.config import EXACT, FAST, PRESETS, STANDARD, MaskGeneratorConfig
from sam_edge.everything.edges import edge_map
from sam_edge.everything.generate import generate_masks, total_points
from sam_edge.everything.generated_mask import GeneratedMask
from sam_edge.everything.proposals import PROPOSALS, propose
from sam_edge.everything.sam_generator import SamAutomaticMaskGenerator

__all__ = [
    "EXACT",
    "FAST",
    "PRESETS",
    "PROPOSALS",
    "STANDARD",
    "GeneratedMask",
    "MaskGeneratorConfig",
    "SamAutomaticMaskGenerator",
    "edge_map",
    "generate_masks",
    "propose",
    "total_points",
]
