"""What went wrong, in a line."""

from __future__ import annotations

from sam_edge.errors import SamEdgeError

LONGEST = 300
"""Characters of a reason."""


def reason(error: BaseException) -> str:
    """Write an error in one line; the kind is named where it is not one of our own."""
    text = " ".join(str(error).split())
    said = (
        text if isinstance(error, SamEdgeError) and text else f"{type(error).__name__}: {text}".rstrip(": ")
    )
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."
