"""Visits of the gaze to objects, and the transitions between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sam_edge._aoi.looks import NO_OBJECT, LookOptions, Looks


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
    """Return the visits to all objects, in order of time. Fixations on no object do not end a visit by themselves."""
    visits: list[Visit] = []
    spans = zip(looks.onset_ns.tolist(), looks.end_ns.tolist(), looks.fixation_object.tolist(), strict=True)
    for onset_ns, end_ns, object_id in spans:
        if object_id == NO_OBJECT:
            continue
        last = visits[-1] if visits else None
        if (
            last is not None
            and last.object_id == object_id
            and onset_ns - last.end_ns <= options.max_off_ms * 1e6
        ):
            visits[-1] = replace(last, end_ns=max(last.end_ns, end_ns), fixations=last.fixations + 1)
        else:
            visits.append(Visit(object_id, onset_ns, end_ns, 1))
    return visits


def count_transitions(visits: Sequence[Visit]) -> Counter[tuple[int, int]]:
    """Return how often each pair of objects (from, to) follow one another; the same twice is a return after a pause."""
    return Counter((first.object_id, second.object_id) for first, second in pairwise(visits))
