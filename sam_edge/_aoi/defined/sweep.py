"""Follow defined AOIs from frame to frame, in one direction of time, and find them again after they were away."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.defined.closeups import describe_given, look_at_place, make_mask, mask_to_grid
from sam_edge._aoi.defined.definition import FrameSpot
from sam_edge._aoi.defined.local_features import (
    Features,
    FeatureView,
    detect_features,
    find_features,
    make_feature_view,
)
from sam_edge._aoi.defined.mask_store import MaskStore
from sam_edge.identity.appearance import Appearance, describe_colour
from sam_edge.identity.colour_places import colour_bins, find_colour_places
from sam_edge.identity.known_views import KnownViews
from sam_edge.media.frame_reader import VideoFrame
from sam_edge.segmenter import Segmenter
from sam_edge.stream.candidate import CLIP, Grid, grid_iou
from sam_edge.stream.closeup import Track
from sam_edge.stream.motion import FrameMotion, dense_flow, grid_of, grid_places

CHECKS_PER_S = 4.0
"""How often an AOI is looked for, or looked at more closely."""
HURRY_LIKENESS, HURRY_WAY = 0.8, 0.5
"""An AOI is looked at before its time when its colours are less like those at the last look, or its middle has moved
by more than this share of its size: motion alone loses what is fast."""
SURE_CHECKS = 2
"""An AOI that was recognised for sure is looked at every second time only."""
FOUND_ODDS = 2.0
"""Something is the AOI from these log-odds on."""
KEEP_ODDS, KEEP_IOU = 2.0, 0.2
"""An AOI that is followed is let go below these log-odds, and where its mask overlaps the carried one by less (IoU)."""
LEARN_ODDS, LEARN_IOU, LEARN_S = 5.0, 0.8, 0.5
"""A new appearance is kept above these log-odds and this predicted IoU, and this long after the last one."""
MIN_LIKENESS = 0.5
"""A place is looked at when its colours are this much like the AOI's."""
MIN_CELLS = 12
"""Cells of the motion grid below which an AOI is not visible."""
BACK_FRAMES = 60
"""Frames that are kept, to follow what was found back to when it came into the picture."""
STILL_IT = 0.6
"""On frames between two looks, the mask's colours are this much like those on the nearest frame that was looked at."""
FEATURE_VIEWS = 2
"""Appearances whose features are kept."""
SURE_ODDS = 4.5
"""What is found with less must be recognised at the next look too; otherwise it was not the AOI."""
PLACES = 2
"""Places that are looked at more closely at a time."""
OVERLAP = 0.5
"""Two AOIs are not in one place: masks that overlap this much (IoU) belong to the one that is likelier."""
MAX_WAIT = 8
"""After places that were not the AOI, up to this many looks are left out, unless a better place comes up."""


@dataclass(slots=True)
class Followed:
    """One AOI while it is followed and looked for."""

    number: int
    """Its place in the list of AOIs."""
    start: int
    """Number of the frame on which it was given."""
    given: NDArray[np.bool_] | FrameSpot
    """Its mask (H, W) there, or what the model makes one of."""
    known: KnownViews
    """How it looks."""
    features: deque[FeatureView] = field(default_factory=lambda: deque(maxlen=FEATURE_VIEWS))
    """Features of the newest appearances."""
    track: Track | None = None
    """Where it is; None while it is not visible."""
    colour: NDArray[np.float32] | None = None
    """Square roots of its colour histogram when it was last looked at."""
    pending: list[tuple[int, Grid, float]] = field(default_factory=list)
    """Number, mask and likeness of the frames since it was last looked at."""
    learned_ns: int = 0
    strikes: int = 0
    sure: bool = False
    """Whether it was recognised for sure at the last look."""
    rest: int = 0
    is_hurried: bool = False
    """Whether it has to be looked at now, because motion may have lost it."""
    middle: tuple[float, float] = (0.0, 0.0)
    """Middle of its mask when it was last looked at, grid cells."""
    unsure: bool = False
    """Whether it has not been recognised again since it was found."""
    failed: int = 0
    wait: int = 0
    failed_likeness: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class PassedFrame:
    """A frame that went by, small."""

    index: int
    grey: NDArray[np.uint8]
    """(rows, columns) on the motion grid."""
    small: NDArray[np.uint8]
    """RGB (rows, columns, 3)."""


class Sweep:
    """Goes through frames in order, and writes the masks of AOIs to a store."""

    def __init__(self, model: Segmenter, aois: Sequence[Followed], store: MaskStore, *, fps: float) -> None:
        """Begin before the first frame.

        Args:
            model: makes masks.
            aois: what is followed and looked for; `learn_given` says how each looks.
            store: takes the masks.
            fps: frames a second.
        """
        self._model = model
        self._aois = aois
        self._store = store
        self._every = max(1, round(fps / CHECKS_PER_S))
        self._motion = FrameMotion()
        self._passed: deque[PassedFrame] = deque(maxlen=BACK_FRAMES)
        self._flow = dense_flow()
        self._count = 0
        self._size = (0, 0)
        self._before_ns: int | None = None

    def run(self, frames: Iterable[VideoFrame]) -> None:
        """Go through frames whose times rise."""
        for frame in frames:
            self._step(frame)
        for aoi in self._aois:
            self._flush(aoi)

    def _step(self, frame: VideoFrame) -> None:
        self._size = (frame.image.shape[0], frame.image.shape[1])
        time_ns, before_ns = frame.time_ns, self._before_ns
        grid = grid_of(self._size)
        small = np.asarray(cv2.resize(frame.image, grid[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        self._motion.advance(small, time_ns)
        motion = self._motion.between(before_ns, time_ns) if before_ns is not None else None
        due = self._count % self._every == 0
        search: tuple[NDArray[np.int32], Features] | None = None
        for aoi in self._aois:
            if not aoi.features:
                continue
            if frame.index == aoi.start:
                self._start(aoi, frame, small)
                continue
            if aoi.track is not None:
                self._carry(aoi, frame, small, motion)
            if not due:
                if aoi.track is not None and aoi.is_hurried:
                    self._check(aoi, frame, small)
                continue
            if aoi.track is not None:
                aoi.rest = (aoi.rest + 1) % SURE_CHECKS if aoi.sure else 0
                if aoi.rest == 0 or aoi.is_hurried:
                    self._check(aoi, frame, small)
            if aoi.track is None:
                search = search or (colour_bins(small), detect_features(frame.image))
                self._search(aoi, frame, small, *search)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        self._passed.append(PassedFrame(frame.index, np.asarray(grey, np.uint8), small))
        self._count += 1
        self._before_ns = time_ns

    def learn_given(self, frame: VideoFrame) -> None:
        """Learn how the AOIs look that are given on a frame, before the first frame is stepped."""
        size = (frame.image.shape[0], frame.image.shape[1])
        for aoi in self._aois:
            if aoi.start != frame.index:
                continue
            mask = aoi.given = make_mask(self._model, frame.image, aoi.given)
            grid_logits = mask_to_grid(mask, grid_of(size))
            if not (grid_logits > 0).any():
                continue
            view = describe_given(self._model, frame.image, grid_logits, aoi.known)
            aoi.known.add(view, frame.time_ns, float((grid_logits > 0).mean()))
            aoi.features.append(make_feature_view(frame.image, mask))

    def _start(self, aoi: Followed, frame: VideoFrame, small: NDArray[np.uint8]) -> None:
        """Go on from the frame on which an AOI is given."""
        if isinstance(aoi.given, FrameSpot):
            return
        grid_logits = mask_to_grid(aoi.given, grid_of(self._size))
        if aoi.track is None:
            self._begin(aoi, frame, small, grid_logits, is_sure=True)
            return
        self._take(aoi, frame, small, grid_logits)

    def _begin(
        self, aoi: Followed, frame: VideoFrame, small: NDArray[np.uint8], grid_logits: Grid, *, is_sure: bool
    ) -> None:
        """Follow an AOI that is found, onwards, and back over the frames that went by."""
        aoi.failed = aoi.wait = aoi.strikes = 0
        aoi.unsure = not is_sure
        self._take(aoi, frame, small, grid_logits)
        self._follow_back(aoi, grid_logits, small)

    def _take(self, aoi: Followed, frame: VideoFrame, small: NDArray[np.uint8], grid_logits: Grid) -> None:
        """Go on from a mask that is believed."""
        aoi.track = Track(aoi.number, frame.time_ns, grid_logits, 1.0, frame.time_ns)
        aoi.colour = describe_colour(small, grid_logits > 0)
        aoi.middle, aoi.is_hurried = middle_of(grid_logits > 0)[0], False
        if aoi.unsure:
            aoi.pending.append((frame.index, grid_logits, 1.0))
            return
        self._flush(aoi)
        self._store.put(aoi.number, frame.index, to_frame_mask(grid_logits, self._size))

    def _carry(self, aoi: Followed, frame: VideoFrame, small: NDArray[np.uint8], motion: Any) -> None:
        track = aoi.track
        grid_logits = None if track is None or motion is None else motion.carry(track.grid_logits)
        if track is None or grid_logits is None or np.count_nonzero(grid_logits > 0) < MIN_CELLS:
            self._lose(aoi)
            return
        aoi.track = Track(aoi.number, frame.time_ns, grid_logits, track.score, track.decoded_ns)
        likeness = float(describe_colour(small, grid_logits > 0) @ cast(Any, aoi.colour))
        aoi.pending.append((frame.index, grid_logits, likeness))
        middle, side = middle_of(grid_logits > 0)
        way = float(np.hypot(middle[0] - aoi.middle[0], middle[1] - aoi.middle[1]))
        aoi.is_hurried = likeness < HURRY_LIKENESS or way > HURRY_WAY * side

    def _check(self, aoi: Followed, frame: VideoFrame, small: NDArray[np.uint8]) -> None:
        """Look at an AOI that is followed: correct its mask, and let it go if it is not there any more."""
        track = aoi.track
        if track is None:
            return
        carried = track.grid_logits > 0
        # Of the masks there the one that looks most like the AOI: what motion carried along may have spread.
        found = look_at_place(self._model, frame.image, small, carried, aoi.known)
        if (
            found is None
            or found.log_odds < KEEP_ODDS
            or grid_iou(found.grid_logits > 0, carried) < KEEP_IOU
            or np.count_nonzero(found.grid_logits > 0) < MIN_CELLS
        ):
            self._strike(aoi)
            return
        view, odds = found.view, found.log_odds
        if self._is_another(aoi, found.grid_logits, view, odds):
            aoi.pending = []
            self._lose(aoi)
            return
        aoi.strikes = 0
        aoi.sure = odds >= SURE_ODDS
        aoi.unsure = aoi.unsure and odds < SURE_ODDS
        self._take(aoi, frame, small, found.grid_logits)
        learned_s = abs(frame.time_ns - aoi.learned_ns) / 1e9
        if odds >= LEARN_ODDS and found.predicted_iou >= LEARN_IOU and learned_s >= LEARN_S:
            self._learn(aoi, frame, view, found.grid_logits)

    def _learn(self, aoi: Followed, frame: VideoFrame, view: Any, grid_logits: Grid) -> None:
        aoi.learned_ns = frame.time_ns
        aoi.known.add(view, frame.time_ns, float((grid_logits > 0).mean()))
        aoi.features.append(make_feature_view(frame.image, to_frame_mask(grid_logits, self._size)))

    def _strike(self, aoi: Followed) -> None:
        """Note that an AOI was not recognised where it is followed; twice in a row, and it is let go."""
        aoi.strikes += 1
        aoi.is_hurried = False
        aoi.sure = False
        if aoi.strikes >= 2:
            self._lose(aoi)

    def _lose(self, aoi: Followed) -> None:
        """Let go of an AOI: the frames since the last look count as long as its colours were there."""
        if aoi.unsure:
            aoi.pending = []
        kept = next(
            (place for place, (_, _, likeness) in enumerate(aoi.pending) if likeness < STILL_IT),
            len(aoi.pending),
        )
        if aoi.strikes:
            kept = min(kept, len(aoi.pending) // 2)
        aoi.pending = aoi.pending[:kept]
        self._flush(aoi)
        aoi.track, aoi.strikes, aoi.unsure, aoi.sure = None, 0, False, False
        aoi.failed = aoi.wait = 0
        aoi.failed_likeness = 0.0

    def _flush(self, aoi: Followed) -> None:
        for index, grid_logits, _ in aoi.pending:
            self._store.put(aoi.number, index, to_frame_mask(grid_logits, self._size))
        aoi.pending = []

    def _search(
        self,
        aoi: Followed,
        frame: VideoFrame,
        small: NDArray[np.uint8],
        bins: NDArray[np.int32],
        features: Features,
    ) -> None:
        """Look for an AOI that is not followed."""
        places = self._places(aoi, bins, features)
        if not places:
            aoi.wait = 0
            return
        likeness = places[0][1]
        if aoi.wait > 0 and likeness < aoi.failed_likeness + 0.05:
            aoi.wait -= 1
            return
        for place, _ in places[:PLACES]:
            found = look_at_place(self._model, frame.image, small, place, aoi.known)
            if (
                found is not None
                and found.log_odds >= FOUND_ODDS
                and not self._is_another(aoi, found.grid_logits, found.view, found.log_odds)
            ):
                self._begin(aoi, frame, small, found.grid_logits, is_sure=found.log_odds >= SURE_ODDS)
                return
        aoi.failed += 1
        aoi.wait = min(MAX_WAIT, aoi.failed)
        aoi.failed_likeness = likeness

    def _is_another(self, aoi: Followed, grid_logits: Grid, view: Appearance, log_odds: float) -> bool:
        """Return whether a mask is that of another AOI, which is followed there and is likelier."""
        mask = grid_logits > 0
        return any(
            other is not aoi
            and other.track is not None
            and grid_iou(other.track.grid_logits > 0, mask) > OVERLAP
            and other.known.log_odds(view) > log_odds
            for other in self._aois
        )

    def _places(
        self, aoi: Followed, bins: NDArray[np.int32], features: Features
    ) -> list[tuple[NDArray[np.bool_], float]]:
        """Return where an AOI may be, on the motion grid, the likeliest first; 2 for a place by its features."""
        found = []
        for view in aoi.features:
            place = find_features(view, features, self._size)
            if place is not None:
                grid_mask = mask_to_grid(place.mask, bins.shape) > 0
                if np.count_nonzero(grid_mask) >= MIN_CELLS:
                    found.append((grid_mask, 2.0 + place.inliers / 1000))
        found += [
            (place.mask, place.likeness)
            for place in find_colour_places(bins, aoi.known.colours, aoi.known.area_share)
            if place.likeness >= MIN_LIKENESS
        ]
        return sorted(found, key=lambda item: -item[1])

    def _follow_back(self, aoi: Followed, grid_logits: Grid, small: NDArray[np.uint8]) -> None:
        """Follow what was found back over the frames that went by, until it was not there yet."""
        newer = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        rows, columns = newer.shape
        for passed in reversed(self._passed):
            if self._store.has(aoi.number, passed.index):
                return
            there = np.asarray(self._flow.calc(passed.grey, newer, cast(Any, None)), np.float32)
            where = grid_places(rows, columns) + there
            grid_logits = np.asarray(
                cv2.remap(
                    grid_logits, where, cast(Any, None), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
                ),
                np.float32,
            )
            own = grid_logits > 0
            if np.count_nonzero(own) < MIN_CELLS:
                return
            likeness = float(describe_colour(passed.small, own) @ cast(Any, aoi.colour))
            if likeness < STILL_IT:
                return
            if aoi.unsure:
                aoi.pending.append((passed.index, grid_logits, 1.0))
            else:
                self._store.put(aoi.number, passed.index, to_frame_mask(grid_logits, self._size))
            newer = passed.grey


def middle_of(mask: NDArray[np.bool_]) -> tuple[tuple[float, float], float]:
    """Return the middle (x, y) of a mask that is not empty, and the side of a square as large, cells."""
    facts = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    area = facts["m00"]
    return (facts["m10"] / area, facts["m01"] / area), float(np.sqrt(area))


def to_frame_mask(grid_logits: Grid, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Scale a mask of the motion grid to a frame of `size` (height, width)."""
    clipped = np.clip(grid_logits, -CLIP, CLIP)
    return np.asarray(cv2.resize(clipped, size[::-1], interpolation=cv2.INTER_LINEAR) > 0)
