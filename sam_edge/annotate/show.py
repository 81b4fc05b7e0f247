"""What the page is told: the open question, the masks of its frame, and how far all is, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge.annotate.answers import Box, Point, Proposal
from sam_edge.annotate.dwells import between
from sam_edge.annotate.kept import Kept
from sam_edge.annotate.stages import Annotator
from sam_edge.gaze.samples import GazeSample
from sam_edge.masks.clean import find_components

TRAIL_NS = 600_000_000
"""How much of the gaze's way to and from a dwell is drawn."""
MOST_TRAIL = 240
"""Samples of it, at most."""
SMOOTH_SHARE = 1 / 1600
"""Outlines are drawn to this share of the frame's longer side."""
MS = 1_000_000


def question_of(asked: Proposal, samples: Sequence[GazeSample]) -> dict[str, Any]:
    """Describe a question."""
    height, width = asked.frame.image.shape[:2]
    dwell, draft, found = asked.dwell, asked.draft, asked.candidates
    return {
        "stage": asked.stage,
        "frame": asked.frame.index,
        "stem": asked.frame.stem,
        "width": width,
        "height": height,
        "timeS": round(asked.frame.time_ns / 1e9, 3),
        "dwell": {
            "x": round(dwell.x_px, 1),
            "y": round(dwell.y_px, 1),
            "spread": round(dwell.spread_px, 1),
            "ms": round(dwell.duration_ns / MS),
            "used": draft.gaze in draft.points,
        },
        "trail": trail_of(samples, dwell.onset_ns - TRAIL_NS, dwell.time_ns + TRAIL_NS),
        "points": [
            {"x": one.x_px, "y": one.y_px, "on": one.on} for one in draft.prompts if isinstance(one, Point)
        ],
        "box": list(draft.box.sides) if isinstance(draft.box, Box) else None,
        "shown": draft.shown,
        "corrected": draft.corrected,
        "masks": [
            {
                "score": round(float(score), 3),
                "share": round(float(np.count_nonzero(mask)) / mask.size, 4),
                **drawn(np.asarray(mask)),
            }
            for mask, score in zip(found.masks, found.scores, strict=True)
        ],
    }


def kept_of(kept: Kept) -> dict[str, Any]:
    """Describe an accepted mask."""
    return {
        "number": kept.number,
        "category": kept.category,
        "stage": kept.stage,
        "decision": kept.decision,
        "area": kept.mask.area,
        **drawn(kept.mask.mask()),
    }


def progress_of(annotator: Annotator) -> dict[str, Any]:
    """Say how far all is."""
    journal = annotator.journal
    masks = journal.kept
    return {
        "stages": [
            {
                "name": one.stage.value,
                "done": one.done,
                "total": one.total,
                "unit": one.unit,
                "ended": journal.ended(one.stage.value),
            }
            for one in annotator.progress()
        ],
        "labels": list(journal.categories),
        "masks": len(masks),
        "frames": len({one.stem for one in masks}),
        "byHand": sum(one.decision != "confident" for one in masks),
    }


def drawn(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return a mask's outline as an SVG path, frame pixels, and its box as x, y, width, height."""
    tolerance_px = max(0.5, SMOOTH_SHARE * max(mask.shape))
    parts: list[str] = []
    corners = []
    for piece in find_components(mask):
        corners.append(cv2.boundingRect(piece.outline))
        for ring in (piece.outline, *piece.holes):
            path = cv2.approxPolyDP(ring, tolerance_px, True).reshape(-1, 2) + 0.5
            parts.append("M" + "L".join(f"{x:g} {y:g}" for x, y in path.tolist()) + "Z")
    if not corners:
        return {"path": "", "box": [0, 0, 0, 0]}
    sides = np.array(corners)
    x0, y0 = sides[:, 0].min(), sides[:, 1].min()
    x1, y1 = (sides[:, 0] + sides[:, 2]).max(), (sides[:, 1] + sides[:, 3]).max()
    return {"path": "".join(parts), "box": [int(x0), int(y0), int(x1 - x0), int(y1 - y0)]}


def trail_of(samples: Sequence[GazeSample], begin_ns: int, end_ns: int) -> list[list[float]]:
    """Return x, y of the gaze in a stretch of time."""
    seen = [one for one in between(samples, begin_ns, end_ns) if one.valid]
    step = max(1, -(-len(seen) // MOST_TRAIL))
    return [[round(one.x_px, 1), round(one.y_px, 1)] for one in seen[::step]]
