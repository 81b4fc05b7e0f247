"""Memory that was freed goes back to the operating system.

The C library of most Linux systems keeps what is freed for later, by thread: a server whose clients come and go holds
the most that each of its threads ever used at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache


@lru_cache(maxsize=1)
def _find_trim() -> Callable[[int], int] | None:
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        # Another C library than glibc, or another system.
        return None
    trim.argtypes = (ctypes.c_size_t,)
    return trim


def return_free_memory() -> None:
    """Let the C library return what it does not use, where it can. Other threads go on meanwhile."""
    trim = _find_trim()
    if trim is not None:
        trim(0)
