"""What a fuzz target is, and how one input is tried on it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sam_edge.errors import SamEdgeError, SamEdgeWarning

CRASHERS = Path(__file__).parent / "crashers"
"""Inputs that once broke a parser, in one folder for each target; every run begins with them."""
MAX_BYTES = 1 << 16
"""Longest input that is made, bytes."""


@dataclass(frozen=True, slots=True)
class FuzzTarget:
    """A parser of bytes from outside."""

    name: str
    """Its name on the command line, for example `gaze-csv`."""
    parse: Callable[[bytes], object]
    """Reads one input. It refuses with a `SamEdgeError`; any other exception is a crash."""
    seeds: Callable[[], list[bytes]]
    """Returns small inputs that the parser accepts, from which others are made."""

    def try_input(self, data: bytes) -> bool:
        """Parse an input; return whether it was accepted. Raises what the parser must not raise."""
        with warnings.catch_warnings(), suppress(SamEdgeError):
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", SamEdgeWarning)
            self.parse(data)
            return True
        return False

    def crashers(self) -> list[bytes]:
        """Return the inputs that once broke it."""
        folder = CRASHERS / self.name
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []

    def inputs(self) -> list[bytes]:
        """Return seeds and crashers."""
        return [*self.seeds(), *self.crashers()]


def of_file(
    name: str, parse: Callable[[Path], object], seeds: Callable[[], list[bytes]], *, file_name: str
) -> FuzzTarget:
    """Return a target whose parser takes a path: the input is written to a file of that name in a folder of its own."""

    def parse_bytes(data: bytes) -> object:
        path = work_folder(name) / file_name
        path.write_bytes(data)
        return parse(path)

    return FuzzTarget(name, parse_bytes, seeds)


@cache
def work_folder(name: str) -> Path:
    """Return a temporary folder of this process for a target, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-", dir=memory if memory.is_dir() else None))
