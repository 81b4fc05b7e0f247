"""What a server refuses: error codes, and the exception that carries one."""

from __future__ import annotations

from enum import IntEnum

from sam_edge.errors import InputError


class ErrorCode(IntEnum):
    """Codes of error messages; docs/reference/protocol.md says which end the connection."""

    UNKNOWN = 0
    """Stands for a code of a later version; never sent."""
    MALFORMED = 1
    UNSUPPORTED_VERSION = 2
    UNAUTHORIZED = 3
    TOO_LARGE = 4
    INVALID_IMAGE = 5
    OUT_OF_ORDER = 6
    INVALID_OPTION = 7
    RATE_LIMIT = 8
    TOO_MANY_CLIENTS = 9
    TIMEOUT = 10
    ENGINE_FAILED = 11
    SHUTTING_DOWN = 12
    TOO_MANY_WEBCAMS = 13
    UNKNOWN_OBJECT = 14


class ProtocolError(InputError):
    """A message does not follow the protocol, or asks for something that the server does not offer."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.MALFORMED) -> None:
        """Store the message and its code."""
        super().__init__(message)
        self.code = code
