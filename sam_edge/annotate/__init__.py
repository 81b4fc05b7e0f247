"""Data sets from video, with gaze as the annotator."""

from sam_edge.annotate.annotation import Annotation
from sam_edge.annotate.annotator import Annotator
from sam_edge.annotate.answers import (
    Accept,
    Answer,
    Box,
    ChooseMask,
    Delete,
    EndStage,
    ExcludeGaze,
    Point,
    Reject,
    Relabel,
    Undo,
)
from sam_edge.annotate.dataset import write_dataset
from sam_edge.annotate.dwells import detect_dwells
from sam_edge.annotate.journal import Journal
from sam_edge.annotate.proposal import Proposal
from sam_edge.annotate.seekable_video import SeekableVideo
from sam_edge.annotate.stage import AnnotationStage, StageProgress, StopRequested, WorkStatus
from sam_edge.gaze_video import GazeVideo, open_gaze_video

__all__ = [
    "Accept",
    "Annotation",
    "AnnotationStage",
    "Annotator",
    "Answer",
    "Box",
    "ChooseMask",
    "Delete",
    "EndStage",
    "ExcludeGaze",
    "GazeVideo",
    "Journal",
    "Point",
    "Proposal",
    "Reject",
    "Relabel",
    "SeekableVideo",
    "StageProgress",
    "StopRequested",
    "Undo",
    "WorkStatus",
    "detect_dwells",
    "open_gaze_video",
    "write_dataset",
]
