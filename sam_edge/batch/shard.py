"""A part of the recordings, so that several machines share the work without talking to each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sam_edge.batch.unit import Recording
from sam_edge.errors import InputError


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `count`."""

    number: int
    """From 1."""
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise InputError(f"shard: {self} is not accepted; give I/N with I from 1 to N, for example 3/40")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse `3/40`. Raises `InputError`."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if match is None:
            raise InputError(
                f"shard: {text!r} is not accepted; give I/N with I from 1 to N, for example 3/40"
            )
        return cls(int(match[1]), int(match[2]))

    def choose(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Return this part of recordings that are sorted, the longest first: each part has long ones and short ones."""
        return list(recordings[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
