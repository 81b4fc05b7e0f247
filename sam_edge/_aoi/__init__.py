"""Areas of interest: from samples and fixations to visits, dwell times and transitions.

The package is private, so that the function and no module is called `sam_edge.aoi`.
docs/reference/metrics.md has the definitions.
"""

from sam_edge._aoi.apply import apply_aois
from sam_edge._aoi.looks import LookOptions, Looks, Section
from sam_edge._aoi.metric_tables import metrics_table, transitions_table
from sam_edge._aoi.metrics import ObjectMetrics, measure_objects
from sam_edge._aoi.run import EXPORTS, aoi
from sam_edge._aoi.summary import AoiResult
from sam_edge._aoi.visits import Visit, count_transitions, find_visits

__all__ = [
    "EXPORTS",
    "AoiResult",
    "LookOptions",
    "Looks",
    "ObjectMetrics",
    "Section",
    "Visit",
    "aoi",
    "apply_aois",
    "count_transitions",
    "find_visits",
    "measure_objects",
    "metrics_table",
    "transitions_table",
]
