"""Data sets from video, with gaze as the annotator."""

from sam_edge.annotate.answers import (
    Accept,
    Answer,
    Box,
    Delete,
    EndStage,
    Point,
    Proposal,
    Reject,
    Relabel,
    Take,
    Undo,
    WithoutGaze,
)
from sam_edge.annotate.dataset import write_dataset
from sam_edge.annotate.dwells import dwells_of
from sam_edge.annotate.film import Film
from sam_edge.annotate.journal import Journal
from sam_edge.annotate.kept import Kept
from sam_edge.annotate.source import Source, open_source
from sam_edge.annotate.stages import Annotator, Stage, Stopped

__all__ = [
    "Accept",
    "Annotator",
    "Answer",
    "Box",
    "Delete",
    "EndStage",
    "Film",
    "Journal",
    "Kept",
    "Point",
    "Proposal",
    "Reject",
    "Relabel",
    "Source",
    "Stage",
    "Stopped",
    "Take",
    "Undo",
    "WithoutGaze",
    "dwells_of",
    "open_source",
    "write_dataset",
]
