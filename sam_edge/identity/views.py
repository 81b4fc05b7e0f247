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

SHORTLIST = 48
"""Objects that are compared in full: those that can be alike by their coarse colours."""
GROUPED = (3, 2, 4, 2, 4, 2)
"""Groups of bins and bins in a group, for lightness, a and b: a coarse histogram has an eighth of the bins."""
GROUPS = GROUPED[0] * GROUPED[2] * GROUPED[4]

Rows = NDArray[np.intp]


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
        # Coarse colour and surround, in their own light and in even light: what bounds the log-odds.
        self._coarse = np.zeros((0, VIEWS, 2 * GROUPS), np.float32)
        self._coarse_even = np.zeros((0, VIEWS, 2 * GROUPS), np.float32)

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
        self._coarse[row, slot], self._coarse_even[row, slot] = coarse_colours(view)
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
        self,
        view: Appearance,
        centre: NDArray[np.float32],
        *,
        before_ns: int | None = None,
        always: int | None = None,
    ) -> dict[int, float]:
        """Return the log-odds that an appearance is that of each known object, by its most similar appearance.

        Of more than `SHORTLIST` objects those are left out whose coarse colours allow the least.

        Args:
            view: how the object in question looks.
            centre: (C,) mean embedding of the scenes so far: what all objects have in common.
            before_ns: appearances from this time on do not count; None counts all. Objects without any are left out.
            always: an object that is not left out.
        """
        if not self._row_of or self._texture.shape[2] != len(view.texture):
            return {}
        object_ids = np.fromiter(self._row_of, np.int64, len(self._row_of))
        rows = np.fromiter(self._row_of.values(), np.intp, len(self._row_of))
        if len(rows) > SHORTLIST:
            listed = self._shortlist(view, rows, before_ns)
            listed |= object_ids == (-1 if always is None else always)
            object_ids, rows = object_ids[listed], rows[listed]
        best = np.where(self._counts(before_ns)[rows], self._odds(view, centre, rows), -np.inf).max(axis=1)
        return {
            int(number): float(odds)
            for number, odds in zip(object_ids, best, strict=True)
            if np.isfinite(odds)
        }

    def _counts(self, before_ns: int | None) -> NDArray[np.bool_]:
        return self._used if before_ns is None else self._used & (self._time_ns < before_ns)

    def _shortlist(self, view: Appearance, rows: Rows, before_ns: int | None) -> NDArray[np.bool_]:
        """Return of each row whether its object can be one of the `SHORTLIST` that are most alike.

        The product of two coarse histograms is never less than that of the histograms (Cauchy and Schwarz).
        """
        own, even = coarse_colours(view) * np.repeat([WEIGHT_COLOUR, WEIGHT_SURROUND], GROUPS).astype(
            np.float32
        )
        bounds = np.maximum(self._coarse @ own, self._coarse_even @ even + OTHER_LIGHT_ODDS)
        best = np.where(self._counts(before_ns), bounds, -np.inf).max(axis=1)[rows]
        return np.asarray(best >= np.partition(best, -SHORTLIST)[-SHORTLIST])

    def _odds(self, view: Appearance, centre: NDArray[np.float32], rows: Rows) -> NDArray[np.float32]:
        """Return the log-odds (rows, `VIEWS`) of each kept appearance."""
        odds = WEIGHT_COLOUR * (self._colour[rows] @ view.colour)
        odds += WEIGHT_SURROUND * (self._surround[rows] @ view.surround)
        other_light = light_change(self._light[rows], view.light) >= OTHER_LIGHT
        if other_light.any():
            even = WEIGHT_COLOUR * (self._even_colour[rows] @ view.even_colour)
            even += WEIGHT_SURROUND * (self._even_surround[rows] @ view.even_surround) + OTHER_LIGHT_ODDS
            odds = np.where(other_light, np.maximum(odds, even), odds)
        odds += BIAS + WEIGHT_TEXTURE * centred_cosine(self._texture[rows], view.texture, centre)
        return np.asarray(odds, np.float32)

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
        for name in (*looks, *light, "_coarse", "_coarse_even", "_time_ns", "_used"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros((added, *array.shape[1:]), array.dtype)]))

    def _most_redundant(self, row: int) -> int:
        alike = self._colour[row] @ self._colour[row].T
        np.fill_diagonal(alike, -1.0)
        first, second = np.unravel_index(int(alike.argmax()), alike.shape)
        return int(first if self._time_ns[row, first] > self._time_ns[row, second] else second)


def coarse_colours(view: Appearance) -> NDArray[np.float32]:
    """Return the coarse colour and surround of an appearance in its own light, and those in even light (2, groups)."""
    parts = ((view.colour, view.surround), (view.even_colour, view.even_surround))
    return np.stack([np.concatenate([group_bins(part) for part in pair]) for pair in parts])


def group_bins(roots: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the square roots (groups,) of a coarse histogram, from those of a histogram (384,) of `BINS`."""
    squares = np.square(roots).reshape(GROUPED)
    return np.asarray(np.sqrt(squares.sum(axis=(1, 3, 5))).ravel(), np.float32)


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
