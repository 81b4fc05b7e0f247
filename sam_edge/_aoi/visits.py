"""Visits of the gaze to objects, and the transitions between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sam_edge._aoi.looks import LookOptions, Looks


@dataclass(frozen=True, slots=True)
class Visit:
    """Fixations on one object until a fixation on another, or too long a pause."""

    object_id: int
    """The object."""
    begin_ns: int
    """When its first fixation begins, nanoseconds after the first frame."""
    end_ns: int
    """When its last fixation ends."""
    fixations: int
    """Number of its fixations."""


def find_visits(looks: Looks, options: LookOptions) -> list[Visit]:
    """Return the visits to all objects, in order of their begin. A fixation on no object does not end a visit.

    A fixation on several objects goes on with, or begins, a visit to each of them.
    """
    visits: list[Visit] = []
    going: dict[int, int] = {}
    for onset_ns, end_ns, objects in looks.fixations():
        if not objects:
            continue
        before, going = going, {}
        for object_id in objects:
            place = before.get(object_id)
            last = None if place is None else visits[place]
            if place is None or last is None or onset_ns - last.end_ns > options.max_off_ms * 1e6:
                place = len(visits)
                visits.append(Visit(object_id, onset_ns, end_ns, 1))
            else:
                visits[place] = replace(last, end_ns=max(last.end_ns, end_ns), fixations=last.fixations + 1)
            going[object_id] = place
    return visits


def count_transitions(visits: Sequence[Visit]) -> Counter[tuple[int, int]]:
    """Return how often each pair of objects (from, to) follow one another; the same twice is a return after a pause."""
    return Counter((first.object_id, second.object_id) for first, second in pairwise(visits))
