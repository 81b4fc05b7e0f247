"""How one object looks: what is known of it, and how likely something on a frame is it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_edge.identity.appearance import Appearance
from sam_edge.identity.views import WEIGHT_SURROUND, ViewStore

VIEWS_OF = 1
"""Each object has a store of its own: its number there."""
USUAL_SURROUND = 0.75
"""Likeness of the surroundings of one object on two frames, typically: what a picture without surroundings gets."""


class KnownViews:
    """The appearances of one object: those that were given, and those that following it added."""

    def __init__(self) -> None:
        """Begin without any."""
        self._seen = ViewStore()
        self._pictures = ViewStore()
        self._colours: list[NDArray[np.float32]] = []
        self._areas: list[float] = []
        self._centre = np.zeros(0, np.float32)
        self._embeddings = 0

    @property
    def colours(self) -> NDArray[np.float32]:
        """(V, 384) square roots of the colour histograms of all appearances."""
        return np.stack(self._colours)

    @property
    def area_share(self) -> float | None:
        """Median share of the frame that it covered; None where only pictures are known."""
        return float(np.median(self._areas)) if self._areas else None

    @property
    def has_seen(self) -> bool:
        """Whether it was seen on a frame of the recording."""
        return bool(self._areas)

    def see_embedding(self, cells: NDArray[np.float32]) -> None:
        """Take the embedding (C, h, w) of any close-up into the mean of what all have in common."""
        mean = np.asarray(cells.reshape(len(cells), -1).mean(axis=1), np.float32)
        if self._centre.shape != mean.shape:
            self._centre, self._embeddings = mean, 0
        self._embeddings = min(self._embeddings + 1, 500)
        self._centre = self._centre + (mean - self._centre) / np.float32(self._embeddings)

    def add(self, view: Appearance, time_ns: int, area_share: float) -> None:
        """Keep an appearance on a frame of the recording."""
        self._seen.add(VIEWS_OF, view, abs(time_ns))
        self._keep_colour(view)
        self._areas.append(area_share)

    def add_picture(self, view: Appearance) -> None:
        """Keep an appearance in a picture that shows the object elsewhere: its surroundings do not count."""
        bare = Appearance(
            view.colour,
            np.zeros_like(view.surround),
            view.texture,
            view.light,
            view.even_colour,
            np.zeros_like(view.even_surround),
        )
        self._pictures.add(VIEWS_OF, bare, 0)
        self._keep_colour(view)

    def log_odds(self, view: Appearance) -> float:
        """Return the log-odds that an object on a frame is this one, by how it looks."""
        seen = self._seen.compare(view, self._centre).get(VIEWS_OF, -np.inf)
        pictures = self._pictures.compare(view, self._centre).get(VIEWS_OF, -np.inf)
        return float(max(seen, pictures + WEIGHT_SURROUND * USUAL_SURROUND))

    def _keep_colour(self, view: Appearance) -> None:
        known = self._colours
        if not known or max(float(other @ view.colour) for other in known) < 0.97:
            self._colours = [*known[-19:], view.colour]
