"""Which known object a target is: decided when it becomes the target, and reviewed as long as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sam_edge.identity.appearance import Appearance
from sam_edge.identity.memory import ObjectMemory
from sam_edge.identity.places import Box, share_in_common

RETURN_ODDS = 2.0
"""A new target is a known object from these log-odds on; in doubt it is a new one."""
MARGIN = 0.7
"""It must be likelier by this than every other object that gaze has rested on."""
MERGE_ODDS = 3.0
"""An object that began with this target turns out to be an older one from these log-odds on."""
DOUBT_ODDS = 1.0
"""A target that has the number of a known object loses it below these log-odds."""
SWITCH_ODDS = 2.0
"""It also loses it to an object that is likelier by this."""
REVIEWS, DOUBTS = 2, 3
"""Appearances after which a target may get a known number, and lose one."""
PRIOR_WEIGHT, PRIOR_LIMIT, PRIOR_DWELL_MS = 0.7, 1.5, 1000.0
"""Gaze is likelier to return to what it rested on for long: the weight of the logarithm of that time, its limit, and
the time at which it is 0."""
KNOWN_DWELL_MS = 500.0
"""An object that gaze rested on for less than this is no rival of one that it rested on for longer."""
EVIDENCE_GAIN = 0.5
"""Weight of the newest appearance in the evidence for each object."""
JUMP_SHARE = 0.1
"""A target whose box has less than this in common with where it was has jumped to something else."""
DESCRIBE_MS, SETTLED_DESCRIBE_MS, SETTLED_MS = 100.0, 500.0, 1000.0
"""A target is described this often before it has been the target for `SETTLED_MS`, and later."""
STAY_MS, STAY_SHARE = 500.0, 0.7
"""A new target is the object before if gaze stays at that object's place, with a gap of this at most, and the new box
is at least this large, as a share of the object's."""
YOUNG_MS = 3000.0
"""An object that has been known for less than this is still merged with an older one, rather than left."""
LINEAGES = 64
"""Lineages whose number is remembered: far more than are followed at a time."""
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sighting:
    """The target on one scene."""

    lineage: int
    """Number of what is followed: the same as long as the session follows it from scene to scene."""
    time_ns: int
    """Time of the scene."""
    box: Box
    """Its box x0, y0, x1, y1 in frame pixels."""
    looked_at: bool
    """Whether gaze rests on it."""
    view: Appearance | None
    """How it looks; None on most scenes."""
    gaze: tuple[float, float] | None = None
    """Where gaze rests, x and y in frame pixels; None where it does not."""
    is_elsewhere: bool = False
    """Whether it is surely another thing than the target of the scene before: both were seen at nearly the same moment
    in different places."""


@dataclass(slots=True)
class Claim:
    """That a lineage is an object, from some time on."""

    lineage: int
    object_id: int
    since_ns: int
    seen_ns: int
    described_ns: int
    fresh: bool
    """Whether the object is hardly known from before: it may turn out to be another one."""
    by_place: bool = False
    """Whether it is that object because gaze stayed at its place, and does not look like it."""
    apart: frozenset[int] = frozenset()
    """Objects that were surely elsewhere when it began: they are other ones, however alike."""
    reviews: int = 0
    evidence: dict[int, float] = field(default_factory=dict)
    """By object: log-odds that the lineage is that one, the newest appearances counting most."""


class ObjectRecognizer:
    """Gives lineages the numbers of objects. Not for several threads."""

    def __init__(self, memory: ObjectMemory | None = None) -> None:
        """Begin without a target."""
        self.memory = memory or ObjectMemory()
        self._numbers: dict[int, int] = {}
        self._claim: Claim | None = None

    def number_of(self, lineage: int, time_ns: int) -> int:
        """Return a lineage's number; a lineage that was never the target is a new object."""
        number = self._numbers.pop(lineage, None)
        if number is None or number not in self.memory:
            number = self.memory.add(time_ns)
        self._set_number(lineage, number)
        return number

    def lineages_of(self, object_id: int) -> tuple[int, ...]:
        """Return the lineages that have an object's number."""
        return tuple(lineage for lineage, number in self._numbers.items() if number == object_id)

    def wants_view(
        self, lineage: int, time_ns: int, box: Box, *, looked_at: bool, is_elsewhere: bool = False
    ) -> bool:
        """Return whether it matters how a target looks now; arguments as the fields of `Sighting`."""
        claim = self._claim
        if claim is None or claim.lineage != lineage or is_elsewhere or self._has_jumped(claim, box):
            return True
        settled = claim.described_ns - claim.since_ns > SETTLED_MS * NS_PER_MS
        wait_ms = SETTLED_DESCRIBE_MS if settled else DESCRIBE_MS
        return looked_at and time_ns - claim.described_ns >= wait_ms * NS_PER_MS

    def see(self, sighting: Sighting) -> int:
        """Take the target of a scene, and return its number."""
        claim = self._claim
        dwell_ms = 0.0
        if claim is None or claim.lineage != sighting.lineage or claim.object_id not in self.memory:
            claim = self._begin(sighting)
        elif sighting.is_elsewhere or self._has_jumped(claim, sighting.box):
            claim = self._begin(sighting, jumped=True)
        else:
            if sighting.looked_at:
                dwell_ms = (sighting.time_ns - claim.seen_ns) / NS_PER_MS
            if sighting.view is not None:
                self._review(claim, sighting, sighting.view)
        claim.seen_ns = sighting.time_ns
        self._claim = claim
        self._set_number(sighting.lineage, claim.object_id)
        if claim.by_place:
            self.memory.dwell(claim.object_id, dwell_ms)
        else:
            self.memory.see(
                claim.object_id, sighting.time_ns, sighting.box, dwell_ms=dwell_ms, view=sighting.view
            )
        return claim.object_id

    def lose(self) -> None:
        """Note that there is no target."""
        self._claim = None

    def merge(self, keep_id: int, other_id: int, time_ns: int) -> None:
        """Make one object of two. Raises what `ObjectMemory.merge` does."""
        self.memory.merge(keep_id, other_id, time_ns)
        self._numbers.update(dict.fromkeys(self.lineages_of(other_id), keep_id))
        if self._claim is not None and self._claim.object_id == other_id:
            self._claim.object_id = keep_id

    def forget(self, object_id: int, time_ns: int) -> tuple[int, ...]:
        """Forget an object, and return the lineages that had its number. Raises what `ObjectMemory.forget` does."""
        self.memory.forget(object_id, time_ns)
        lineages = self.lineages_of(object_id)
        for lineage in lineages:
            del self._numbers[lineage]
        return lineages

    def _has_jumped(self, claim: Claim, box: Box) -> bool:
        place = self.memory.places.get(claim.object_id)
        return place is not None and share_in_common(place.box, box) < JUMP_SHARE

    def _begin(self, sighting: Sighting, *, jumped: bool = False) -> Claim:
        """Decide which object a new target is."""
        time_ns, by_place = sighting.time_ns, False
        number = None if jumped else self._numbers.get(sighting.lineage)
        if number is None or number not in self.memory:
            odds = {} if sighting.view is None else self.memory.compare(sighting.view, sighting.box)
            if sighting.is_elsewhere and self._claim is not None:
                odds.pop(self._claim.object_id, None)
            number = self._winner(odds, RETURN_ODDS)
            if number is None:
                number = None if sighting.is_elsewhere else self._staying(sighting)
                by_place = number is not None
        fresh = number is None or self.memory.age_ms(number, time_ns) < YOUNG_MS
        if number is None:
            number = self.memory.add(time_ns)
        elif self.memory.places.get(number) is not None:
            self.memory.places.correct(number, sighting.box)
        if self._claim is None or self._claim.object_id != number:
            self.memory.visit(number, time_ns)
        apart = self.memory.places.apart_from(sighting.box)
        if sighting.is_elsewhere and self._claim is not None:
            apart |= {self._claim.object_id}
        return Claim(sighting.lineage, number, time_ns, time_ns, time_ns, fresh, by_place, apart)

    def _staying(self, sighting: Sighting) -> int | None:
        """Return the object before, if gaze is still at its place and the mask only grew over it.

        A mask that fails takes in what is round the object. A smaller one is something on the object, or a part of it.
        """
        claim = self._claim
        if claim is None or sighting.gaze is None or claim.object_id not in self.memory:
            return None
        place = self.memory.places.get(claim.object_id)
        if place is None or sighting.time_ns - claim.seen_ns > STAY_MS * NS_PER_MS:
            return None
        x0, y0, x1, y1 = sighting.box
        grown = (x1 - x0) * (y1 - y0) >= STAY_SHARE * place.width_px * place.height_px
        return claim.object_id if grown and place.holds(*sighting.gaze) else None

    def _review(self, claim: Claim, sighting: Sighting, view: Appearance) -> None:
        """Weigh a new appearance of the target, which may change its number."""
        claim.described_ns = sighting.time_ns
        claim.reviews += 1
        odds = self.memory.compare(view, sighting.box, before_ns=claim.since_ns, taken_for=claim.object_id)
        before, claim.evidence = claim.evidence, {}
        for object_id, value in odds.items():
            known = before.get(object_id, value)
            claim.evidence[object_id] = known + EVIDENCE_GAIN * (value - known)
        if claim.fresh and claim.reviews >= REVIEWS:
            apart = {*claim.apart, claim.object_id}
            others = {key: value for key, value in claim.evidence.items() if key not in apart}
            winner = self._winner(others, MERGE_ODDS)
            if winner is not None:
                self.merge(winner, claim.object_id, sighting.time_ns)
                claim.object_id, claim.fresh = winner, False
        elif not claim.fresh and claim.reviews >= DOUBTS:
            own = claim.evidence.get(claim.object_id)
            best = max(claim.evidence.values(), default=0.0)
            if claim.by_place:
                self._review_place(claim, sighting, own)
            elif own is not None and (own < DOUBT_ODDS or best > max(own + SWITCH_ODDS, MERGE_ODDS)):
                self._change(claim, sighting.time_ns)

    def _review_place(self, claim: Claim, sighting: Sighting, own: float | None) -> None:
        """Look whether a target that was taken for an object by its place looks like it by now, or like another."""
        winner = self._winner(claim.evidence, MERGE_ODDS)
        if winner == claim.object_id and own is not None:
            claim.by_place = False
        elif winner is not None:
            claim.object_id, claim.by_place = winner, False
            self.memory.visit(winner, sighting.time_ns)

    def _change(self, claim: Claim, time_ns: int) -> None:
        """Give a target that is not what it was taken for another number, and what was seen of it with that."""
        number = self._winner(claim.evidence, RETURN_ODDS)
        claim.fresh = number is None
        wrong, claim.object_id = claim.object_id, self.memory.add(time_ns) if number is None else number
        self.memory.split(wrong, claim.object_id, claim.since_ns)
        self.memory.visit(claim.object_id, time_ns)
        claim.reviews = 0

    def _winner(self, odds: Mapping[int, float], least: float) -> int | None:
        """Return the likeliest object, if its log-odds are `least` or more and no other known object comes close."""
        weighed = {object_id: value + self._prior(object_id) for object_id, value in odds.items()}
        ranked = sorted((item for item in weighed if odds[item] >= least), key=lambda item: -weighed[item])
        if not ranked:
            return None
        best = ranked[0]
        rivals = [item for item in ranked[1:] if self.memory.dwell_ms(item) >= KNOWN_DWELL_MS]
        return None if any(weighed[best] - weighed[item] < MARGIN for item in rivals) else best

    def _prior(self, object_id: int) -> float:
        share = (self.memory.dwell_ms(object_id) + 0.1 * PRIOR_DWELL_MS) / PRIOR_DWELL_MS
        return min(PRIOR_LIMIT, max(-PRIOR_LIMIT, PRIOR_WEIGHT * math.log(share)))

    def _set_number(self, lineage: int, number: int) -> None:
        self._numbers.pop(lineage, None)
        # Those used last are at the end; lineages that are not followed any more do not come back.
        self._numbers[lineage] = number
        if len(self._numbers) > LINEAGES:
            del self._numbers[next(iter(self._numbers))]
