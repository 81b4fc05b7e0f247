"""How many failures a run may have before it counts as failed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sam_edge.errors import InputError


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """A number of recordings, or a share of them."""

    count: int | None = 0
    """Most failures; None: `percent` counts."""
    percent: float = 0.0
    """Most failures in percent of the recordings."""

    @classmethod
    def parse(cls, text: str) -> MaxFailures:
        """Parse `3` or `5%`. Raises `InputError`."""
        match = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)%", text.strip())
        if match is None or (match[2] is not None and float(match[2]) > 100):
            raise InputError(
                f"max_failures: {text!r} is not accepted; give a number such as 3, or a share such as 5%"
            )
        return cls(int(match[1])) if match[1] is not None else cls(None, float(match[2]))

    def allows(self, failures: int, total: int) -> bool:
        """Say whether so many failures of `total` recordings are accepted."""
        return failures <= (self.count if self.count is not None else self.percent / 100 * total)
