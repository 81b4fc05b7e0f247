"""The figures of a gallery: what masks and object numbers of the frames of visits are worth.

gallery_scores.py makes the frames from files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gallery_truth import Visit
from mask_scores import HIT_IOU
from scipy.optimize import linear_sum_assignment

LEAST_VISIT_S = 1.0
"""Shorter visits are not scored."""
LEAST_RIGHT = 6
"""A number belongs to an object once this many frames have it with a right mask."""


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

    An object without any counts as many as there are visits. The definition is this project's, as those of `back` and
    `dwell_error`.
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
