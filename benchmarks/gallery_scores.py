"""Scores of masks and object numbers on a gallery, a simulated recording with ground truth (gallery.py).

    python benchmarks/gallery_scores.py MASKS TIMELINE.csv GALLERY [--grace-s 0.5]

MASKS holds the mask of the selected object, one PNG a frame, named like the frames; a missing one counts as empty.
TIMELINE.csv is the timeline of `sam-edge track`: a row a frame with the columns `frame` (from 0 on) and `object` (its
number; empty for none). The result is a line of JSON; `GalleryScores` defines the figures.

Scored are frames that lie wholly within a visit of at least one second and show at least 100 pixels of its object. What
is shown while the eye is on its way is not scored.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from endings import run_script
from gallery_truth import GalleryTruth, Visit, read_labels
from mask_scores import HIT_IOU, boundary_accuracy, read_mask, region_similarity
from scipy.optimize import linear_sum_assignment

GRACE_S = 0.5
"""J, F and hits count from this long after landing."""
LEAST_VISIT_S = 1.0
"""Shorter visits are not scored."""
LEAST_PX = 100
"""Frames that show fewer pixels of the object are not scored."""
LEAST_RIGHT = 6
"""A number belongs to an object once this many frames have it with a right mask."""
JSON_NAMES = {"j": "J", "f": "F", "jf": "JF"}
"""Figures whose names are capitals in the output."""


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """One frame of a visit."""

    visit: int
    """Index of the visit."""
    thing: int
    """Number of the object that is truly looked at."""
    number: str | None
    """Number that the program under test gave; None for none."""
    iou: float
    """IoU of the shown mask with the object."""
    boundary: float | None
    """Boundary accuracy F; None within the grace period."""
    delay_s: float
    """From landing to the end of the frame, seconds."""

    @property
    def right(self) -> bool:
        """Whether the mask is that of the object."""
        return self.iou > HIT_IOU


@dataclass(frozen=True, slots=True)
class GalleryScores:
    """Figures of one gallery."""

    j: float
    """Mean IoU over frames after the grace period; Perazzi et al., CVPR 2016, as F."""
    f: float
    """Mean F1 of the contours over the same frames."""
    jf: float
    """Mean of J and F."""
    hits: float
    """Share of the same frames with an IoU above 0.5."""
    right_ms: float | None
    """Median over visits of the time from landing to the end of the first frame with an IoU above 0.5, milliseconds."""
    never: int
    """Visits without such a frame."""
    ids: float
    """Mean over objects of the count of numbers that at least 6 frames have with a right mask; 1 is perfect.

    An object without any counts as many as there are visits. As "identities per track" in evaluations of tracking.
    """
    idf1: float
    """Identity F1 over frames, with the best assignment of one number to each object.

    Ristani et al., "Performance measures and a data set for multi-target, multi-camera tracking", ECCV 2016 workshops.
    """
    back: float | None
    """Share of the returns to an object that was shown before, on which it has the number that it mostly had.

    Only frames with a right mask count. A number that another object has more often does not count: one number for all
    objects is no identity. None without returns.
    """
    dwell_error: float
    """Mean over objects of |time with its number - true time| / true time, for the assignment of `idf1`."""
    visits: int
    """Visits of the recording, of any length."""
    revisits: int
    """Returns that `back` counts."""
    frames: int
    """Frames that J and F count."""


@dataclass(frozen=True, slots=True)
class Return:
    """A visit to an object that was shown before."""

    thing: int
    """Number of the object."""
    number: str
    """Number that it mostly has on this visit."""
    before: str
    """Number that it mostly had on the visits before."""


def score(frames: Sequence[ScoredFrame], visits: Sequence[Visit], fps: float) -> GalleryScores:
    """Return the figures of frames in the order of time; `visits` are all those of the recording.

    Raises:
        SystemExit: no frame is left after the grace period.
    """
    counted = [frame for frame in frames if frame.boundary is not None]
    if not counted:
        raise SystemExit("no frame of a visit is left after the grace period; nothing can be scored")
    j = float(np.mean([frame.iou for frame in counted]))
    f = float(np.mean([frame.boundary for frame in counted if frame.boundary is not None]))
    firsts = first_right_s(frames)
    returns = find_returns(frames)
    return GalleryScores(
        j=j,
        f=f,
        jf=(j + f) / 2,
        hits=float(np.mean([frame.right for frame in counted])),
        right_ms=1e3 * float(np.median(list(firsts.values()))) if firsts else None,
        never=sum(visit.length_s >= LEAST_VISIT_S for visit in visits) - len(firsts),
        ids=count_numbers(frames, len(visits)),
        idf1=identity_f1(frames),
        back=share_back(frames, returns),
        dwell_error=dwell_error(frames, fps),
        visits=len(visits),
        revisits=len(returns),
        frames=len(counted),
    )


def first_right_s(frames: Sequence[ScoredFrame]) -> dict[int, float]:
    """Return the delay of the first right mask of each visit that has one."""
    delays: dict[int, float] = {}
    for frame in frames:
        if frame.right:
            delays.setdefault(frame.visit, frame.delay_s)
    return delays


def count_votes(frames: Sequence[ScoredFrame], *, right_only: bool) -> Counter[tuple[int, str]]:
    """Count the frames of each pair of an object and a number."""
    return Counter(
        (frame.thing, frame.number)
        for frame in frames
        if frame.number is not None and (frame.right or not right_only)
    )


def assign_numbers(frames: Sequence[ScoredFrame]) -> dict[int, str]:
    """Assign one number to each object, as far as there are enough, so that most frames agree."""
    votes = count_votes(frames, right_only=False)
    things, numbers = sorted({frame.thing for frame in frames}), sorted({number for _, number in votes})
    agreement = np.array([[votes[thing, number] for number in numbers] for thing in things], np.float64)
    rows, columns = linear_sum_assignment(agreement.reshape(len(things), len(numbers)), maximize=True)
    return {things[row]: numbers[column] for row, column in zip(rows, columns, strict=True)}


def identity_f1(frames: Sequence[ScoredFrame]) -> float:
    """Return twice the frames with the assigned number, relative to true frames and frames with a number."""
    assigned = assign_numbers(frames)
    agreed = sum(frame.number is not None and frame.number == assigned.get(frame.thing) for frame in frames)
    return 2 * agreed / (len(frames) + sum(frame.number is not None for frame in frames))


def dwell_error(frames: Sequence[ScoredFrame], fps: float) -> float:
    """Return the mean relative error of the time that each object is looked at."""
    assigned = assign_numbers(frames)
    true_s = {thing: count / fps for thing, count in Counter(frame.thing for frame in frames).items()}
    shown = Counter(frame.number for frame in frames if frame.number is not None)
    shown_s = {number: count / fps for number, count in shown.items()}
    return float(
        np.mean(
            [
                abs(shown_s.get(assigned.get(thing, ""), 0.0) - seconds) / seconds
                for thing, seconds in true_s.items()
            ]
        )
    )


def count_numbers(frames: Sequence[ScoredFrame], visits: int) -> float:
    """Return how many numbers an object has on average; `visits` for one that has none."""
    votes = count_votes(frames, right_only=True)
    owners = Counter(thing for (thing, _), count in votes.items() if count >= LEAST_RIGHT)
    return float(np.mean([owners[thing] or visits for thing in {frame.thing for frame in frames}]))


def find_returns(frames: Sequence[ScoredFrame]) -> list[Return]:
    """Return the visits with a right mask to objects that had one on a visit before."""
    of_visit: dict[tuple[int, int], Counter[str]] = {}
    for frame in frames:
        if frame.right and frame.number is not None:
            of_visit.setdefault((frame.visit, frame.thing), Counter())[frame.number] += 1
    earlier: dict[int, Counter[str]] = {}
    returns = []
    for (_, thing), numbers in of_visit.items():
        known = earlier.setdefault(thing, Counter())
        if known:
            returns.append(Return(thing, numbers.most_common(1)[0][0], known.most_common(1)[0][0]))
        known.update(numbers)
    return returns


def share_back(frames: Sequence[ScoredFrame], returns: Sequence[Return]) -> float | None:
    """Return the share of returns with the number of before, if no other object has that number more often."""
    if not returns:
        return None
    owner: dict[str, int] = {}
    votes = count_votes(frames, right_only=True)
    for (thing, number), _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        owner.setdefault(number, thing)
    kept = [item.number == item.before and owner[item.number] == item.thing for item in returns]
    return float(np.mean(kept))


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
