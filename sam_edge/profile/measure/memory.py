"""Resident memory of this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STATM = Path("/proc/self/statm")


def resident_mb() -> float | None:
    """Return the resident set size of this process, MB (10^6 bytes); None where the system does not report it."""
    if sys.platform == "win32" or not STATM.is_file():
        from sam_edge.media.environment import peak_memory_mb

        # These systems report only the peak cheaply. While a model is opened the two hardly differ.
        return peak_memory_mb()
    pages = int(STATM.read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
