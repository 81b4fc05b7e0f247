"""Scores of masks and object numbers on a gallery, a simulated recording with ground truth (gallery.py).

    python benchmarks/gallery_scores.py MASKS TIMELINE.csv GALLERY [--grace-s 0.5]

MASKS holds the mask of the selected object, one PNG a frame, named like the frames; a missing one counts as empty.
TIMELINE.csv is the timeline of `sam-edge track`: a row a frame with the columns `frame` (from 0 on) and `object` (its
number; empty for none). The result is a line of JSON. `GalleryScores` in gallery_figures.py defines the figures.

Scored are frames that lie wholly within a visit of at least one second and show at least 100 pixels of its object. What
is shown while the eye is on its way is not scored.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from endings import run_script
from gallery_figures import LEAST_VISIT_S, GalleryScores, ScoredFrame, score
from gallery_truth import GalleryTruth, read_labels
from mask_scores import boundary_accuracy, read_mask, region_similarity

GRACE_S = 0.5
"""J, F and hits count from this long after landing."""
LEAST_PX = 100
"""Frames that show fewer pixels of the object are not scored."""
JSON_NAMES = {"j": "J", "f": "F", "jf": "JF"}
"""Figures whose names are capitals in the output."""


def scored_frames(
    masks: Path, numbers: Mapping[int, str], gallery: Path, *, grace_s: float = GRACE_S
) -> Iterator[ScoredFrame]:
    """Compare a folder of masks with the truth of a gallery, frame by frame."""
    truth = GalleryTruth.read(gallery)
    paths = sorted((gallery / "truth").glob("*.png"))
    for index, visit in enumerate(truth.visits):
        if visit.length_s < LEAST_VISIT_S:
            continue
        begin, end = math.ceil(visit.start_s * truth.fps), int(visit.end_s * truth.fps)
        for frame in range(begin, min(len(paths), end)):
            true = read_labels(paths[frame]) == visit.thing
            if np.count_nonzero(true) < LEAST_PX:
                continue
            file = masks / paths[frame].name
            shown = read_mask(file) if file.is_file() else np.zeros_like(true)
            if shown.shape != true.shape:
                sizes = [f"{width}x{height}" for height, width in (shown.shape, true.shape)]
                raise SystemExit(f"{file}: {sizes[0]}; its truth is {sizes[1]}")
            counts = frame / truth.fps >= visit.start_s + grace_s
            yield ScoredFrame(
                visit=index,
                thing=visit.thing,
                number=numbers.get(frame),
                iou=region_similarity(shown, true),
                boundary=boundary_accuracy(shown, true) if counts else None,
                delay_s=(frame + 1) / truth.fps - visit.start_s,
            )


def read_numbers(timeline: Path) -> dict[int, str]:
    """Read the object's number on each frame that has one.

    Raises:
        SystemExit: the file lacks a column.
    """
    with timeline.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        missing = {"frame", "object"} - set(reader.fieldnames or ())
        if missing:
            raise SystemExit(
                f"{timeline}: no column {', '.join(sorted(missing))}; give a timeline of sam-edge"
            )
        return {int(row["frame"]): row["object"].strip() for row in reader if row["object"].strip()}


def score_gallery(masks: Path, timeline: Path, gallery: Path, *, grace_s: float = GRACE_S) -> GalleryScores:
    """Score the masks and the timeline of one gallery."""
    truth = GalleryTruth.read(gallery)
    frames = list(scored_frames(masks, read_numbers(timeline), gallery, grace_s=grace_s))
    return score(frames, truth.visits, truth.fps)


def main() -> None:
    """Print the scores of one gallery as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("masks", type=Path)
    parser.add_argument("timeline", type=Path)
    parser.add_argument("gallery", type=Path)
    parser.add_argument(
        "--grace-s", type=float, default=GRACE_S, help="not scored after landing, seconds (default: 0.5)"
    )
    args = parser.parse_args()
    scores = score_gallery(args.masks, args.timeline, args.gallery, grace_s=args.grace_s)
    figures = {
        JSON_NAMES.get(key, key): round(value, 4) if isinstance(value, float) else value
        for key, value in asdict(scores).items()
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    run_script(main)
