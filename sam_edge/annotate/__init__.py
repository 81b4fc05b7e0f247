"""Data sets from video, with gaze as the annotator."""

from sam_edge.annotate.dataset import write_dataset
from sam_edge.annotate.journal import Journal, Kept
from sam_edge.annotate.stages import Annotator, Decision, Proposal, Stage, dwells_of

__all__ = ["Annotator", "Decision", "Journal", "Kept", "Proposal", "Stage", "dwells_of", "write_dataset"]
