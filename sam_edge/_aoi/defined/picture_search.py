"""Where in a recording something looks most like the pictures of an AOI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sam_edge._aoi.defined.closeups import describe_given, look_at_place, mask_to_grid
from sam_edge._aoi.defined.definition import AoiPicture
from sam_edge._aoi.defined.local_features import (
    Features,
    FeatureView,
    detect_features,
    find_features,
    make_feature_view,
)
from sam_edge.identity.colour_places import colour_bins, find_colour_places
from sam_edge.identity.known_views import KnownViews
from sam_edge.media.frame_reader import VideoFrame
from sam_edge.segmenter import Segmenter
from sam_edge.stream.motion import grid_of

LOOKS_PER_S = 2.0
"""Frames a second that are looked at."""
FOUND_SCORE = 2.0
"""Something is the AOI of a picture from this score on: log-odds, and what matching details add."""
SURE_SCORE = 6.0
"""The search ends with a frame that has this score."""
INLIER_ODDS, MAX_INLIER_ODDS = 0.1, 3.0
"""Log-odds that each matching detail adds, and all together at most."""
MIN_LIKENESS = 0.5
"""A place is looked at when its colours are this much like the AOI's."""
PLACES = 2
MAX_PICTURE_SIDE = 640
"""Pictures are scaled down to this."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureMatch:
    """The best place for a picture so far."""

    frame: int
    """Number of the frame."""
    score: float
    """Log-odds that it is the AOI, by its looks and matching details."""
    mask: NDArray[np.bool_]
    """(rows, columns) its mask on the motion grid."""


class PictureSearch:
    """Looks for the AOI of some pictures."""

    def __init__(self, model: Segmenter, pictures: Sequence[AoiPicture], known: KnownViews) -> None:
        """Take in how the AOI looks.

        Args:
            model: encodes the pictures.
            pictures: of the AOI.
            known: receives how it looks.
        """
        self._model = model
        self._known = known
        self._views: list[FeatureView] = []
        self.best: PictureMatch | None = None
        """The most likely place so far."""
        for picture in map(_shrink, pictures):
            logits = mask_to_grid(picture.mask, grid_of((picture.mask.shape[0], picture.mask.shape[1])))
            known.add_picture(describe_given(model, picture.image, logits, known))
            self._views.append(make_feature_view(picture.image, picture.mask))

    @property
    def is_sure(self) -> bool:
        """Whether no other frame needs to be looked at."""
        return self.best is not None and self.best.score >= SURE_SCORE

    def look(
        self, frame: VideoFrame, small: NDArray[np.uint8], bins: NDArray[np.int32], features: Features
    ) -> None:
        """Look for the AOI on a frame; `small` is the frame scaled to the motion grid."""
        size = (frame.image.shape[0], frame.image.shape[1])
        places: list[tuple[float, float, NDArray[np.bool_]]] = []
        for view in self._views:
            place = find_features(view, features, size)
            if place is not None:
                mask = mask_to_grid(place.mask, (bins.shape[0], bins.shape[1])) > 0
                places.append((2.0, min(MAX_INLIER_ODDS, INLIER_ODDS * place.inliers), mask))
        places += [
            (found.likeness, 0.0, found.mask)
            for found in find_colour_places(bins, self._known.colours, None)
            if found.likeness >= MIN_LIKENESS
        ]
        for _, bonus, mask in sorted(places, key=lambda item: -item[0])[:PLACES]:
            if not mask.any():
                continue
            closeup = look_at_place(self._model, frame.image, small, mask, self._known)
            if closeup is None:
                continue
            score = closeup.log_odds + bonus
            if self.best is None or score > self.best.score:
                self.best = PictureMatch(frame.index, score, closeup.grid_logits > 0)


def search_pictures(frames: Iterable[VideoFrame], searches: Sequence[PictureSearch], *, fps: float) -> None:
    """Look for all AOIs on some frames a second, until all are found for sure."""
    every = max(1, round(fps / LOOKS_PER_S))
    for frame in frames:
        if frame.index % every:
            continue
        left = [search for search in searches if not search.is_sure]
        if not left:
            return
        size = (frame.image.shape[0], frame.image.shape[1])
        small = np.asarray(
            cv2.resize(frame.image, grid_of(size)[::-1], interpolation=cv2.INTER_AREA), np.uint8
        )
        bins, features = colour_bins(small), detect_features(frame.image)
        for search in left:
            search.look(frame, small, bins, features)


def _shrink(picture: AoiPicture) -> AoiPicture:
    scale = min(1.0, MAX_PICTURE_SIDE / max(picture.mask.shape))
    if scale == 1.0:
        return picture
    size = round(picture.mask.shape[1] * scale), round(picture.mask.shape[0] * scale)
    mask = cv2.resize(picture.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    image = cv2.resize(picture.image, size, interpolation=cv2.INTER_AREA)
    return AoiPicture(np.asarray(image, np.uint8), np.asarray(mask))
