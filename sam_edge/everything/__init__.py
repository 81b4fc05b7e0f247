"""Everything mode: automatic mask generation, object proposals and edges."""

from sam_edge.everything.config import EXACT, FAST, PRESETS, STANDARD, MaskGeneratorConfig
from sam_edge.everything.edges import detect_edges
from sam_edge.everything.generate import count_points, generate_masks
from sam_edge.everything.generated_mask import GeneratedMask
from sam_edge.everything.proposals import PROPOSAL_CONFIG, propose_objects
from sam_edge.everything.sam_generator import SamAutomaticMaskGenerator

__all__ = [
    "EXACT",
    "FAST",
    "PRESETS",
    "PROPOSAL_CONFIG",
    "STANDARD",
    "GeneratedMask",
    "MaskGeneratorConfig",
    "SamAutomaticMaskGenerator",
    "count_points",
    "detect_edges",
    "generate_masks",
    "propose_objects",
]
