"""Eye-movement events from a live stream of gaze samples: causal, with a bounded look-ahead.

Of a recording, `smooth_kinds` tells fixation from pursuit again with all of it in view.
"""

from __future__ import annotations

from sam_edge.gaze.events.detector import EventDetector
from sam_edge.gaze.events.labels_file import write_labels
from sam_edge.gaze.events.merging import is_continuation, merge_fixations
from sam_edge.gaze.events.recording import label_recording, label_whole_recording
from sam_edge.gaze.events.smoothing import smooth_kinds
from sam_edge.gaze.events.types import EventKind, EventUpdate, Fixation, LabelledSample, Phase
from sam_edge.gaze.events.whole_fixations import detect_fixations

__all__ = [
    "EventDetector",
    "EventKind",
    "EventUpdate",
    "Fixation",
    "LabelledSample",
    "Phase",
    "detect_fixations",
    "is_continuation",
    "label_recording",
    "label_whole_recording",
    "merge_fixations",
    "smooth_kinds",
    "write_labels",
]
