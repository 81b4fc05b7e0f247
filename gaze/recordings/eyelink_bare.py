"""EyeLink files of samples alone, as `edf2asc -s` and `-ne` write them: no line says which eyes they hold.

One eye has 3 values a sample, 5 with velocities or resolutions, and 7 with both; two eyes have 6, 8, 10 and 12. The
word of flags behind them has 3 characters for one eye and 5 for two. Source: EyeLink 1000 user manual, 4.9.1 and 4.9.2.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

SUFFIX = ".asc"
NOTE = (
    "no line says which kind of position it holds: they are taken for gaze in display pixels. Convert the EDF again "
    "with events (edf2asc without -s and -ne) to be sure"
)
UNKNOWN_EYE = ("",)
BOTH_EYES = ("left", "right")
_FLAGS = re.compile(r"[.ICR]{3}|[.ICR]{5}")
_ONE_EYE, _TWO_EYES = (3, 5, 7), (6, 8, 10, 12)
_LOOKED_AT = 3


def is_bare(path: Path, text: str) -> bool:
    """Return whether a file of the name `path` that begins with `text` holds samples without other lines."""
    first = [line.split() for line in text.splitlines()[: _LOOKED_AT + 1] if line.strip()]
    # The last line of a file's beginning may be cut.
    whole = first[:_LOOKED_AT] if len(first) > 1 else first
    return path.suffix.lower() == SUFFIX and bool(whole) and all(eyes_of(words) for words in whole)


def eyes_of(words: list[str]) -> tuple[str, ...]:
    """Return the eyes of a sample's words: `UNKNOWN_EYE`, `BOTH_EYES`, or none where it is not a sample."""
    if not words or not _is_number(words[0]):
        return ()
    values = next((at for at, word in enumerate(words[1:]) if not _is_value(word)), len(words) - 1)
    flags = words[1 + values] if 1 + values < len(words) else ""
    if _FLAGS.fullmatch(flags):
        eyes = UNKNOWN_EYE if len(flags) == 3 else BOTH_EYES
        return eyes if values >= 3 * len(eyes) else ()
    if flags:
        return ()
    return UNKNOWN_EYE if values in _ONE_EYE else BOTH_EYES if values in _TWO_EYES else ()


def _is_value(word: str) -> bool:
    return word == "." or _is_number(word)


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
