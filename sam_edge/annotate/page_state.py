"""What the page shows, as JSON: the open proposal, the masks of its frame, and the progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.annotate.annotation import CONFIDENT, Annotation
from sam_edge.annotate.annotator import Annotator
from sam_edge.annotate.answers import Point
from sam_edge.annotate.dwells import NS_PER_MS
from sam_edge.annotate.proposal import Proposal
from sam_edge.gaze.events.whole_fixations import samples_between
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks.clean import find_components

TRAIL_NS = 600_000_000
"""Length of the gaze trail before and after a dwell."""
MAX_TRAIL_SAMPLES = 240
"""Most samples of a trail."""
OUTLINE_TOLERANCE = 1 / 1600
"""Outlines are simplified within this share of the frame's longer side."""


def describe_proposal(proposal: Proposal, samples: Sequence[GazeSample]) -> dict[str, Any]:
    """Return a proposal with its gaze trail, frame pixels."""
    height, width = proposal.frame.image.shape[:2]
    dwell, draft, candidates = proposal.dwell, proposal.draft, proposal.candidates
    return {
        "stage": proposal.stage.value,
        "frame": proposal.frame.index,
        "stem": proposal.frame.stem,
        "width": width,
        "height": height,
        "timeS": round(proposal.frame.time_ns / 1e9, 3),
        "dwell": {
            "x": round(dwell.x_px, 1),
            "y": round(dwell.y_px, 1),
            "spread": round(dwell.spread_px, 1),
            "ms": round(dwell.duration_ns / NS_PER_MS),
            "used": draft.gaze in draft.points,
        },
        "trail": gaze_trail(samples, dwell.onset_ns - TRAIL_NS, dwell.time_ns + TRAIL_NS),
        "points": [
            {"x": prompt.x_px, "y": prompt.y_px, "positive": prompt.positive}
            for prompt in draft.prompts
            if isinstance(prompt, Point)
        ],
        "box": list(draft.box.sides) if draft.box is not None else None,
        "maskIndex": draft.mask_index,
        "corrected": draft.corrected,
        "masks": [
            {
                "score": round(float(score), 3),
                "share": round(float(np.count_nonzero(mask)) / mask.size, 4),
                **outline_mask(np.asarray(mask)),
            }
            for mask, score in zip(candidates.masks, candidates.scores, strict=True)
        ],
    }


def describe_annotation(annotation: Annotation) -> dict[str, Any]:
    """Return an annotation with the outline of its mask, frame pixels."""
    return {
        "number": annotation.number,
        "category": annotation.category,
        "stage": annotation.stage,
        "decision": annotation.decision,
        "area": annotation.mask.area,
        **outline_mask(annotation.mask.mask()),
    }


def describe_progress(annotator: Annotator) -> dict[str, Any]:
    """Return the progress of each stage, and the contents of the data set."""
    journal = annotator.journal
    annotations = journal.annotations
    return {
        "stages": [
            {
                "name": progress.stage.value,
                "done": progress.done,
                "total": progress.total,
                "unit": progress.unit,
                "ended": journal.is_ended(progress.stage.value),
            }
            for progress in annotator.progress()
        ],
        "labels": list(journal.categories),
        "masks": len(annotations),
        "frames": len({annotation.stem for annotation in annotations}),
        "byHand": sum(annotation.decision != CONFIDENT for annotation in annotations),
    }


def outline_mask(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the outline of a mask (H, W) as an SVG path, and its box as x, y, width, height; frame pixels."""
    tolerance_px = max(0.5, OUTLINE_TOLERANCE * max(mask.shape))
    paths: list[str] = []
    boxes = []
    for component in find_components(mask):
        boxes.append(cv2.boundingRect(component.outline))
        for ring in (component.outline, *component.holes):
            vertices = cv2.approxPolyDP(ring, tolerance_px, True).reshape(-1, 2) + 0.5
            paths.append("M" + "L".join(f"{x:g} {y:g}" for x, y in vertices.tolist()) + "Z")
    if not boxes:
        return {"path": "", "box": [0, 0, 0, 0]}
    sides = np.array(boxes)
    x0, y0 = sides[:, 0].min(), sides[:, 1].min()
    x1, y1 = (sides[:, 0] + sides[:, 2]).max(), (sides[:, 1] + sides[:, 3]).max()
    return {"path": "".join(paths), "box": [int(x0), int(y0), int(x1 - x0), int(y1 - y0)]}


def gaze_trail(samples: Sequence[GazeSample], begin_ns: int, end_ns: int) -> list[list[float]]:
    """Return x, y of the valid gaze in an interval, frame pixels, thinned to `MAX_TRAIL_SAMPLES`."""
    valid = [sample for sample in samples_between(samples, begin_ns, end_ns) if sample.valid]
    step = max(1, -(-len(valid) // MAX_TRAIL_SAMPLES))
    return [[round(sample.x_px, 1), round(sample.y_px, 1)] for sample in valid[::step]]
