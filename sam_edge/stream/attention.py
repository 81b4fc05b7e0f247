"""What the person means: readings of every look compete to explain where the gaze has rested.

The model of it is a small generative one. Whoever means a thing rests the gaze here and there on it, evenly over it and
off by the tracker's error; now and then they glance elsewhere for a moment; and they may turn to another thing. So a
candidate gains by every rest that lies on it, the more the smaller it is (Tenenbaum's size principle: a large thing
would have drawn gaze elsewhere, too), loses by rests off it, and pays for every change of mind that its story needs. A
single look is read by SAM in three ways; which of them is a thing shows in time, because the same thing is read again
from other places of it and from other frames. `docs/selection.md` has the formulas and what each part is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam_edge.segmenter import Embedding, Segmenter
from sam_edge.stream.candidate import (
    Candidate,
    Grid,
    box_on_frame,
    cell_of,
    deepest_on_frame,
    density_at,
    gaze_density,
    in_one_piece,
    on_grid,
    overlap,
    pieces_with,
)
from sam_edge.stream.looking import Look
from sam_edge.stream.motion import Motion, grid_of
from sam_edge.stream.rest import NS_PER_MS

NOISE_DEG = 0.6
"""Standard deviation of a tracker's error, degrees: half a degree of accuracy, and some precision."""
GLANCE = 0.10
"""Share of rests that go elsewhere though the same thing is meant."""
GLANCE_MS, GLANCE_FADE_MS = 250.0, 60.0
"""A rest longer than this is hardly a glance; how fast that fades."""
CHANGE_SETTLED, CHANGE_SCANNING = 0.05, 0.5
"""Chance that a rest turns to another thing: once the thing is settled, and before that."""
SETTLED_RESTS, SETTLED_DWELL_MS = 2, 600.0
"""So many rests on one thing settle what is meant, or one rest that lasts so long."""
FIT_MOST = 8.0
"""Most that one rest speaks for a thing. Otherwise a speck under the gaze would beat the thing it is on."""
CARRIED = 0.5
"""Weight of a rest of the past for a candidate found later: the place was carried by motion and may be off."""
FIT_GAIN = 0.3
"""How fast the fit of a rest that goes on follows its newest look."""
READING_SLACK, READING_SHARPNESS = 0.1, 40.0
"""Readings whose predicted IoU is within the slack of the best one's are equal; below it they fade this sharply."""
LARGEST_SHARE = 0.5
"""Things that fill more of the frame than this are background more often than not."""
TOGETHER_SHARE = 0.3
"""Places on two things may be read together as the scene that holds both. A single thing as large as this part of the
frame is found by each look on its own."""
VOTE_WEIGHT, VOTES_AT_FIRST, CHANCES_AT_FIRST, CHANCES_KEPT = 3.0, 0.45, 3.0, 24.0
"""Weight of being reproduced; what a newcomer is believed to have; how many looks are remembered."""
SAME = 0.85
"""Candidates that overlap more than this are one."""
FAINT = 0.03
"""Readings less likely than this are not followed."""
HYSTERESIS = 0.5
"""Another candidate must be better by this log-likelihood before it is shown: a tie is not a flicker."""
PLACES_KEPT = 8
"""Rests that are remembered."""
PLACES_PROMPTED = 5
"""Rests that prompt together. Five points select as well as a box does on DAVIS; more add nothing."""
NEWEST_GAIN = 0.3
"""Least weight of a new look in the place of its rest: places are averaged as they move."""
LEAST_AREA = 6
"""Grid pixels below which a thing is lost."""
IDENTITY = 0.5
"""What is selected anew keeps the number of what was selected before when so much of the smaller lies in the larger."""


@dataclass(slots=True)
class Place:
    """Where the gaze rested, carried along with what is there."""

    rest_id: int
    """The rest."""
    x_px: float
    """Where it is on the newest scene, frame pixels."""
    y_px: float
    """As `x_px`, vertical."""
    onset_ns: int
    """When the rest began."""
    time_ns: int
    """Its newest sample."""
    looks: int = 1
    """Looks that were averaged."""
    story: float = 0.0
    """Log-likelihood of the best story before this rest, with a change of mind at it."""
    best_prior: float = -math.inf
    """Prior of the likeliest thing ever found at this place, also of one that is followed no longer."""

    @property
    def dwell_ms(self) -> float:
        """How long the gaze has rested there."""
        return (self.time_ns - self.onset_ns) / NS_PER_MS


@dataclass(frozen=True, slots=True)
class Scene:
    """A frame as the encoder saw it."""

    embedding: Embedding
    """Of the frame, or of an earlier one that looks the same."""
    time_ns: int
    """When the frame was shown."""
    motion: Motion | None
    """From the scene before; None at the first one and where it is not known."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look may mean, by one of SAM's masks."""

    soft: Grid
    """The mask on the scene that was looked at."""
    share: float
    """How likely it is among the readings of this look."""
    score: float
    """Predicted IoU."""
    low: NDArray[np.float32]
    """Low-resolution logits."""


class Attention:
    """Follows candidates from scene to scene and says which one is meant. Not for several threads."""

    def __init__(self, model: Segmenter, *, px_per_deg: float, most: int = 5) -> None:
        """Begin with nothing in mind.

        Args:
            model: decodes prompts.
            px_per_deg: frame pixels in a degree of visual angle.
            most: candidates that are followed; each costs one prompt of a batch a scene.
        """
        self._model = model
        self.noise_px = NOISE_DEG * px_per_deg
        self._most = most
        self._objects = 0
        self.candidates: list[Candidate] = []
        self.pinned: list[Candidate] = []
        self.places: list[Place] = []
        self.best: Candidate | None = None

    def see(self, scene: Scene, look: Look | None, followed: Grid | None = None) -> Candidate | None:
        """Move on to the next scene, take what was looked at, and return what is meant; None when nothing is.

        Args:
            scene: the new scene.
            look: what was looked at since the scene before, its place on the new one; None when gaze did not rest.
            followed: where the thing meant is on the new scene, if somebody followed it closer than motion alone can.
        """
        live = self._move(scene, look)
        if followed is not None and self.best is not None:
            self.best.soft = followed
        self._follow(scene.embedding)
        if look is not None:
            self._read(scene.embedding, look)
        self._weigh(scene, live=live)
        return self._choose()

    def forget(self, object_id: int | None = None) -> None:
        """Let go of one pinned thing, or of everything."""
        if object_id is None:
            self.candidates, self.places, self.pinned, self.best = [], [], [], None
            return
        self.pinned = [one for one in self.pinned if one.object_id != object_id]
        if self.best is not None and self.best.object_id == object_id:
            self.candidates, self.places, self.best = [], [], None

    def pin(self, at_ns: int | None = None) -> int | None:
        """Keep a thing until it is let go: what is meant now, or what was looked at closest to a time.

        Returns:
            The thing's number; None when there is nothing to keep.
        """
        chosen = self.best
        if at_ns is not None and self.places:
            place = min(self.places, key=lambda one: distance_ns(one, at_ns))
            fitting = [one for one in self.candidates if one.fits.get(place.rest_id, 0.0) >= 1.0]
            chosen = chosen if chosen in fitting else max(fitting, key=lambda one: one.worth, default=None)
        if chosen is None:
            return None
        self._number(chosen, None)
        if all(one.object_id != chosen.object_id for one in self.pinned):
            self.pinned.append(
                Candidate(chosen.soft.copy(), chosen.score, chosen.low, object_id=chosen.object_id)
            )
        return chosen.object_id

    @property
    def agreed(self) -> int:
        """How many rests lie on what is meant, since it is meant."""
        best = self.best
        if best is None:
            return 0
        return sum(
            place.rest_id >= best.since and best.fits.get(place.rest_id, 0) >= 1 for place in self.places
        )

    @property
    def settled(self) -> bool:
        """Whether what is meant is settled, so that a rest elsewhere is taken for a glance at first."""
        best = self.best
        longest_ms = max(
            (one.dwell_ms for one in self.places if best is not None and best.fits.get(one.rest_id, 0) >= 1),
            default=0.0,
        )
        return self.agreed >= SETTLED_RESTS or longest_ms >= SETTLED_DWELL_MS

    def looked_at(self, rest_id: int) -> bool:
        """Say whether a rest lies on what is meant."""
        return self.best is not None and self.best.fits.get(rest_id, 0.0) >= 1.0

    def _move(self, scene: Scene, look: Look | None) -> bool:
        """Carry everything to the new scene, note the place that is looked at, and say whether there is one."""
        motion = scene.motion
        for candidate in (*self.candidates, *self.pinned):
            candidate.low = None
            if motion is not None:
                candidate.soft = motion.carry(candidate.soft)
        if motion is not None:
            for place in self.places:
                place.x_px, place.y_px = motion.carry_point(place.x_px, place.y_px)
        if look is not None:
            self._note(look)
        height, width = scene.embedding.frame_size
        self.places = [
            place for place in self.places if 0 <= place.x_px < width and 0 <= place.y_px < height
        ][-PLACES_KEPT:]
        return look is not None and bool(self.places) and self.places[-1].rest_id == look.rest_id

    def _note(self, look: Look) -> None:
        if self.places and self.places[-1].rest_id == look.rest_id:
            place = self.places[-1]
            place.looks += 1
            gain = max(1.0 / place.looks, NEWEST_GAIN)
            place.x_px += gain * (look.x_px - place.x_px)
            place.y_px += gain * (look.y_px - place.y_px)
            place.time_ns = look.time_ns
            return
        place = Place(look.rest_id, look.x_px, look.y_px, look.onset_ns, look.time_ns)
        best_worth = max((one.worth for one in self.candidates if one.worth > -math.inf), default=0.0)
        if self.best is not None:
            place.story = best_worth + math.log(CHANGE_SETTLED if self.settled else CHANGE_SCANNING)
        self.places.append(place)

    def _follow(self, embedding: Embedding) -> None:
        """Decode every candidate anew from where motion has carried it: its box, and one place on it."""
        self.candidates = [one for one in self.candidates if one.area >= LEAST_AREA]
        self.pinned = [one for one in self.pinned if one.area >= LEAST_AREA]
        followed = [*self.candidates, *self.pinned]
        if not followed:
            return
        size = embedding.frame_size
        for one in self.candidates:
            on_it = [
                (place.x_px, place.y_px) for place in self.places if one.fits.get(place.rest_id, 0.0) >= 1.0
            ]
            one.soft = pieces_with(one.soft, on_it, size)
        boxes = [box_on_frame(one.soft, size) for one in followed]
        points = [[self._place_on(one, size)] for one in followed]
        logits, scores = self._model.decode_logits(embedding, points=points, boxes=boxes)
        kept: list[Candidate] = []
        for candidate, maps, values in zip(followed, logits, scores, strict=True):
            softs = [on_grid(low, embedding) for low in maps]
            was = candidate.mask
            chosen = int(np.argmax([overlap(soft > 0, was) for soft in softs] + values))
            candidate.soft, candidate.low = softs[chosen], maps[chosen]
            candidate.score = float(values[chosen])
            mask = candidate.mask
            pinned = any(candidate is one for one in self.pinned)
            if not pinned and not any(overlap(other.mask, mask) > SAME for other in kept):
                kept.append(candidate)
        self.candidates = kept

    def _place_on(self, candidate: Candidate, size: tuple[int, int]) -> tuple[float, float]:
        for place in reversed(self.places):
            if candidate.soft[cell_of(place.x_px, place.y_px, candidate.soft.shape, size)] > 0:
                return place.x_px, place.y_px
        return deepest_on_frame(candidate.soft, size)

    def _read(self, embedding: Embedding, look: Look) -> None:
        """Read a look on its own, let candidates be voted for, and take in what is new."""
        height, width = embedding.frame_size
        if not (0 <= look.x_px <= width and 0 <= look.y_px <= height):
            return
        readings = self._readings(embedding, [(look.x_px, look.y_px)], alone=True)
        newcomers = [
            Candidate(reading.soft, reading.score, reading.low)
            for reading in readings
            if reading.share > FAINT
        ]
        together = [(place.x_px, place.y_px) for place in self._meant()][-PLACES_PROMPTED:]
        if len(together) > 1:
            newcomers += [
                Candidate(reading.soft, reading.score, reading.low)
                for reading in self._readings(embedding, together, alone=False)
                if reading.share > FAINT
                and np.count_nonzero(reading.soft > 0) <= TOGETHER_SHARE * reading.soft.size
                and in_one_piece(reading.soft, together, (height, width))
            ]
        for newcomer in newcomers:
            if newcomer.area >= LEAST_AREA and not any(
                overlap(one.mask, newcomer.mask) > SAME for one in self.candidates
            ):
                self.candidates.append(newcomer)
        if readings:
            for candidate in self.candidates:
                vote(candidate, readings)

    def _meant(self) -> list[Place]:
        since = self.best.since if self.best is not None else -1
        return [place for place in self.places if place.rest_id >= since]

    def _readings(
        self, embedding: Embedding, points: list[tuple[float, float]], *, alone: bool
    ) -> list[Reading]:
        """Decode points on one thing, and say how likely each mask is the thing meant."""
        logits, scores = self._model.decode_logits(embedding, points=[points])
        # One point has three readings; SAM's single mask is for prompts that leave no doubt.
        first = 1 if alone else 0
        maps, values = logits[0, first:], scores[0, first:].astype(np.float64)
        softs = [on_grid(low, embedding) for low in maps]
        areas = np.array([max(np.count_nonzero(soft > 0) / soft.size, 1e-5) for soft in softs])
        log_share = READING_SHARPNESS * np.minimum(values - values.max() + READING_SLACK, 0.0)
        # Of equals the largest: people mean things, not parts of them.
        log_share += np.log(areas) - 8.0 * np.maximum(areas - LARGEST_SHARE, 0.0)
        shares = np.exp(log_share - log_share.max())
        shares /= shares.sum()
        return [
            Reading(soft, float(share), float(value), low)
            for soft, share, value, low in zip(softs, shares, values, maps, strict=True)
        ]

    def _weigh(self, scene: Scene, *, live: bool) -> None:
        """Work out how well each candidate explains where the gaze has rested."""
        size = scene.embedding.frame_size
        noise_grid = self.noise_px * grid_of(size)[1] / size[1]
        current = self.places[-1] if live and self.places else None
        for candidate in self.candidates:
            self._fit(candidate, size, noise_grid, current)
            believed = (candidate.votes + VOTES_AT_FIRST) / (candidate.chances + CHANCES_AT_FIRST)
            candidate.prior = VOTE_WEIGHT * math.log(believed + 0.01)
        for place in self.places:
            there = [one.prior for one in self.candidates if one.fits[place.rest_id] >= 0.5]
            # What was found there once is not forgotten: a poor reading must not claim the place later, unrivalled.
            place.best_prior = (
                max(there, default=-math.inf) if place is current else max([place.best_prior, *there])
            )
        gains = [
            (1.0 - GLANCE, GLANCE * math.exp(-max(0.0, place.dwell_ms - GLANCE_MS) / GLANCE_FADE_MS))
            for place in self.places
        ]
        for candidate in self.candidates:
            candidate.worth, candidate.since = -math.inf, -1
            later = 0.0
            for index in range(len(self.places) - 1, -1, -1):
                place = self.places[index]
                fit = candidate.fits[place.rest_id]
                story = place.story if index > 0 else 0.0
                worth = story + candidate.prior - place.best_prior + later
                if fit >= 0.5 and worth > candidate.worth:
                    candidate.worth, candidate.since = worth, place.rest_id
                stays, glances = gains[index]
                later += math.log(stays * fit + max(glances, 1e-3))

    def _fit(
        self, candidate: Candidate, size: tuple[int, int], noise_grid: float, current: Place | None
    ) -> None:
        unknown = [place for place in self.places if place.rest_id not in candidate.fits]
        if unknown or current is not None:
            density = gaze_density(candidate.soft, noise_grid)
            for place in self.places:
                if place is not current and place.rest_id in candidate.fits:
                    continue
                fit = min(density_at(density, place.x_px, place.y_px, size), FIT_MOST)
                if place is not current and fit > 1.0:
                    fit **= CARRIED
                known = candidate.fits.get(place.rest_id)
                candidate.fits[place.rest_id] = fit if known is None else known + FIT_GAIN * (fit - known)
        kept = {place.rest_id for place in self.places}
        candidate.fits = {rest: fit for rest, fit in candidate.fits.items() if rest in kept}

    def _choose(self) -> Candidate | None:
        """Take the likeliest candidate, with hysteresis, and let the least likely ones go."""
        self.candidates = [one for one in self.candidates if one.worth > -math.inf or one is self.best]
        self.candidates.sort(key=lambda one: -one.worth)
        del self.candidates[self._most :]
        if not self.candidates:
            self.best = None
            return None
        top, held = self.candidates[0], self.best
        stays = held is not None and any(one is held for one in self.candidates)
        if stays and held is not None and held.worth > top.worth - HYSTERESIS:
            top = held
        self._number(top, held)
        self.best = top
        return top

    def _number(self, chosen: Candidate, held: Candidate | None) -> None:
        if chosen.object_id is not None:
            return
        known = [*self.pinned, held] if held is not None and held is not chosen else self.pinned
        same = next((one for one in known if one.object_id is not None and part_of(chosen, one)), None)
        if same is not None:
            chosen.object_id = same.object_id
        else:
            self._objects += 1
            chosen.object_id = self._objects


def vote(candidate: Candidate, readings: list[Reading]) -> None:
    """Note how well a look on its own is read as this candidate."""
    mask = candidate.mask
    candidate.votes += max(reading.share * overlap(reading.soft > 0, mask) ** 2 for reading in readings)
    candidate.chances += 1.0
    if candidate.chances > CHANCES_KEPT:
        candidate.votes *= CHANCES_KEPT / candidate.chances
        candidate.chances = CHANCES_KEPT


def part_of(one: Candidate, other: Candidate) -> bool:
    """Say whether one of two candidates is part of the other, or much the same; a background is no whole of things."""
    smaller, larger = sorted((max(1, one.area), max(1, other.area)))
    shared = np.count_nonzero(one.mask & other.mask)
    return bool(shared >= IDENTITY * smaller and larger <= LARGEST_SHARE * one.soft.size)


def distance_ns(place: Place, at_ns: int) -> int:
    """Return how far a rest is from a time, nanoseconds; 0 within it."""
    return max(place.onset_ns - at_ns, at_ns - place.time_ns, 0)
