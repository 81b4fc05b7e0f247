"""Errors as one line of text."""

from __future__ import annotations

from sam_edge.errors import SamEdgeError

MAX_CHARACTERS = 300
"""Length of an error text; longer texts are cut."""


def describe_error(error: BaseException) -> str:
    """Write an error in one line. The class is named unless it is a `SamEdgeError`, whose message suffices."""
    text = " ".join(str(error).split())
    own = isinstance(error, SamEdgeError) and text
    line = text if own else f"{type(error).__name__}: {text}".rstrip(": ")
    return line if len(line) <= MAX_CHARACTERS else f"{line[: MAX_CHARACTERS - 3]}..."
