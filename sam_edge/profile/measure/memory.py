"""How much memory this process holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STATM = Path("/proc/self/statm")


def resident_mb() -> float | None:
    """Return the memory that this process holds now (resident set), MB (10^6 bytes); None where not known."""
    if sys.platform == "win32" or not STATM.is_file():
        from sam_edge.media.environment import peak_memory_mb

        # The peak is all that these systems tell cheaply; while a model is opened the two hardly differ.
        return peak_memory_mb()
    pages = int(STATM.read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
