"""The one place where errors of this package become error codes of the server."""

from __future__ import annotations

from sam_edge.errors import InputError, SamEdgeError
from sam_edge.wire.errors import ErrorCode, ProtocolError


def error_code(error: SamEdgeError) -> ErrorCode:
    """Return the code that a client gets: its own error, or a failure of the engine."""
    if isinstance(error, ProtocolError):
        return error.code
    return ErrorCode.INVALID_OPTION if isinstance(error, InputError) else ErrorCode.ENGINE_FAILED
