"""The appearances that are kept of each object, compared all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sam_edge.identity.appearance import COLOURS, Appearance

VIEWS = 10
"""Appearances that are kept of each object."""
SAME_VIEW = 0.97
"""An appearance whose colours are this much like those of a kept one tells nothing new."""
WEIGHT_COLOUR, WEIGHT_TEXTURE, WEIGHT_SURROUND, BIAS = 13.0, 4.0, 5.5, -14.5
"""Log-odds that two appearances are of one object, from the likeness of each part. Fitted by logistic regression."""
OTHER_LIGHT = 0.05
"""Frames whose light differs by this are in other light: the logarithm of the ratio of the means of a channel."""
OTHER_LIGHT_ODDS = -1.0
"""Log-odds of an appearance in other light that is alike only after both are brought to the same light."""

Odds = NDArray[np.float32]


class ViewStore:
    """Holds up to `VIEWS` appearances of each object in arrays, so that all are compared by a few products."""

    def __init__(self) -> None:
        """Begin empty."""
        self._row_of: dict[int, int] = {}
        self._free: list[int] = []
        self._colour = np.zeros((0, VIEWS, COLOURS), np.float32)
        self._surround = np.zeros((0, VIEWS, COLOURS), np.float32)
        self._even_colour = np.zeros((0, VIEWS, COLOURS), np.float32)
        self._even_surround = np.zeros((0, VIEWS, COLOURS), np.float32)
        self._light = np.zeros((0, VIEWS, 3), np.float32)
        self._texture = np.zeros((0, VIEWS, 0), np.float32)
        self._time_ns = np.zeros((0, VIEWS), np.int64)
        self._used = np.zeros((0, VIEWS), np.bool_)

    def add(self, object_id: int, view: Appearance, time_ns: int) -> None:
        """Keep an appearance of an object, unless it is much like one that is kept already.

        Where `VIEWS` are kept, the newer one of the two that are most alike makes room.
        """
        row = self._row(object_id, len(view.texture))
        used = np.flatnonzero(self._used[row])
        if len(used) and float((self._colour[row, used] @ view.colour).max()) > SAME_VIEW:
            return
        slot = int(np.argmin(self._used[row])) if len(used) < VIEWS else self._most_redundant(row)
        self._colour[row, slot], self._surround[row, slot] = view.colour, view.surround
        self._even_colour[row, slot], self._even_surround[row, slot] = view.even_colour, view.even_surround
        self._texture[row, slot], self._light[row, slot] = view.texture, view.light
        self._time_ns[row, slot], self._used[row, slot] = time_ns, True

    def count(self, object_id: int) -> int:
        """Return how many appearances of an object are kept."""
        row = self._row_of.get(object_id)
        return 0 if row is None else int(np.count_nonzero(self._used[row]))

    def drop(self, object_id: int) -> None:
        """Forget an object's appearances."""
        row = self._row_of.pop(object_id, None)
        if row is not None:
            self._used[row] = False
            self._free.append(row)

    def merge(self, keep_id: int, other_id: int) -> None:
        """Give the appearances of one object to another one."""
        self.split(other_id, keep_id, 0)
        self.drop(other_id)

    def split(self, object_id: int, other_id: int, since_ns: int) -> None:
        """Give an object's appearances from a time on to another one."""
        row = self._row_of.get(object_id)
        if row is None:
            return
        for slot in np.flatnonzero(self._used[row] & (self._time_ns[row] >= since_ns)):
            view = self._view(row, int(slot))
            self._used[row, slot] = False
            self.add(other_id, view, int(self._time_ns[row, slot]))

    def compare(
        self, view: Appearance, centre: NDArray[np.float32], *, before_ns: int | None = None
    ) -> dict[int, float]:
        """Return the log-odds that an appearance is that of each known object, by its most similar appearance.

        Args:
            view: how the object in question looks.
            centre: (C,) mean embedding of the scenes so far: what all objects have in common.
            before_ns: appearances from this time on do not count; None counts all. Objects without any are left out.
        """
        if not self._row_of or self._texture.shape[2] != len(view.texture):
            return {}
        odds = WEIGHT_COLOUR * (self._colour @ view.colour) + WEIGHT_SURROUND * (
            self._surround @ view.surround
        )
        other_light = light_change(self._light, view.light) >= OTHER_LIGHT
        if other_light.any():
            even = WEIGHT_COLOUR * (self._even_colour @ view.even_colour)
            even += WEIGHT_SURROUND * (self._even_surround @ view.even_surround) + OTHER_LIGHT_ODDS
            odds = np.where(other_light, np.maximum(odds, even), odds)
        odds += BIAS + WEIGHT_TEXTURE * centred_cosine(self._texture, view.texture, centre)
        counts = self._used if before_ns is None else self._used & (self._time_ns < before_ns)
        best = np.where(counts, odds, -np.inf).max(axis=1)
        return {
            object_id: float(best[row]) for object_id, row in self._row_of.items() if np.isfinite(best[row])
        }

    def _view(self, row: int, slot: int) -> Appearance:
        looks = (self._colour, self._surround, self._texture)
        light = (self._light, self._even_colour, self._even_surround)
        return Appearance(*(array[row, slot].copy() for array in (*looks, *light)))

    def _row(self, object_id: int, channels: int) -> int:
        if self._texture.shape[2] != channels:
            self._texture = np.zeros((*self._used.shape, channels), np.float32)
        if object_id not in self._row_of:
            if not self._free:
                self._grow()
            self._row_of[object_id] = self._free.pop()
        return self._row_of[object_id]

    def _grow(self) -> None:
        rows = len(self._used)
        added = max(16, rows // 2)
        self._free.extend(range(rows + added - 1, rows - 1, -1))
        looks, light = ("_colour", "_surround", "_texture"), ("_light", "_even_colour", "_even_surround")
        for name in (*looks, *light, "_time_ns", "_used"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros((added, *array.shape[1:]), array.dtype)]))

    def _most_redundant(self, row: int) -> int:
        alike = self._colour[row] @ self._colour[row].T
        np.fill_diagonal(alike, -1.0)
        first, second = np.unravel_index(int(alike.argmax()), alike.shape)
        return int(first if self._time_ns[row, first] > self._time_ns[row, second] else second)


def light_change(stored: NDArray[np.float32], light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much the light of frames (..., 3) differs from one (3,): the largest logarithm of a ratio."""
    ratio = np.log(np.maximum(stored, 1)) - np.log(np.maximum(light, 1))
    return np.asarray(np.abs(ratio).max(axis=-1), np.float32)


def centred_cosine(
    stored: NDArray[np.float32], view: NDArray[np.float32], centre: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the cosine of vectors (..., C) and one (C,), after a centre (C,) is taken off all; 0 without channels."""
    if not len(view):
        return np.zeros(stored.shape[:-1], np.float32)
    own = view - centre
    lengths = np.sqrt(
        np.maximum(
            np.einsum("...c,...c->...", stored, stored) - 2 * (stored @ centre) + centre @ centre, 1e-12
        )
    )
    return np.asarray(
        (stored @ own - centre @ own) / (lengths * max(1e-6, float(np.linalg.norm(own)))), np.float32
    )
