"""What a caller may say about a recording that it does not state itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sam_edge.errors import GazeDataError

MAX_LISTED = 20
"""Most recordings of a file that an error names."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a caller says about a recording."""

    recording_name: str | None = None
    """Name of the recording to read, where a file holds several; None where it holds one."""
    frame_size: tuple[int, int] | None = None
    """(height, width) of the video's frames, pixels, for positions that are shares of them; None: as recorded."""

    def choose(self, path: Path, names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
        """Return the recording to read among those of a file.

        Args:
            path: the file, for messages.
            names: names of each recording, for example those of participant and recording.

        Raises:
            GazeDataError: there are several and none is chosen, or none or several have the chosen name.
        """
        known = list(dict.fromkeys(names))
        if self.recording_name is None:
            fitting = known
        else:
            wanted = self.recording_name.casefold().strip()
            fitting = [name for name in known if wanted in (_join(name).casefold(), *map(str.casefold, name))]
            exact = [name for name in known if wanted == _join(name).casefold()]
            fitting = exact or fitting
        if len(fitting) == 1:
            return fitting[0]
        more = " ..." if len(known) > MAX_LISTED else ""
        listed = ", ".join(repr(_join(name)) for name in known[:MAX_LISTED]) + more
        if self.recording_name is None:
            raise GazeDataError(
                f"{path}: holds {len(known)} recordings: {listed}; choose one with recording_name=... "
                "(--recording NAME)"
            )
        found = "several recordings have" if fitting else "no recording has"
        raise GazeDataError(f"{path}: {found} the name {self.recording_name!r}; accepted: {listed}")


def _join(name: tuple[str, ...]) -> str:
    return " ".join(part for part in name if part)
