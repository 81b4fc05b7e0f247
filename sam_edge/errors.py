"""The error tree. Everything that sam-edge raises on purpose is a `SamEdgeError`.

A message names the argument, the value it got, the values that are accepted, and what to do about it.
"""

from __future__ import annotations


class SamEdgeError(Exception):
    """Base of every error that sam-edge raises on purpose."""


class SamEdgeWarning(UserWarning):
    """An input is used, but not as it stands, or not all of it. The message says what was done and what to check."""


class InputError(SamEdgeError, ValueError):
    """An argument, a file or a stream holds something that is not accepted."""


class CheckpointError(InputError):
    """A checkpoint's keys or shapes are not those of the model."""


class BundleError(InputError):
    """A bundle is incomplete, damaged, or of another schema."""


class MediaError(InputError):
    """An image or a video cannot be read or written."""


class GazeDataError(InputError):
    """A gaze recording or packet cannot be understood."""


class EngineError(SamEdgeError):
    """An inference engine is unknown, refuses a model, or failed while it ran."""


class MissingExtraError(SamEdgeError, ImportError):
    """An optional library is not installed. The message holds the pip command."""

    def __init__(self, library: str, *, extra: str, purpose: str) -> None:
        """Name the missing `library`, the `extra` that brings it, and what it is needed for."""
        super().__init__(
            f"{purpose} needs {library}, which is not installed. Install it: pip install 'sam-edge[{extra}]'"
        )
        self.library = library
        self.extra = extra


class ExportError(SamEdgeError):
    """An export could not be carried out. Nothing was written under the final name."""


class GateError(ExportError):
    """An exported artifact lost more accuracy than its precision allows."""


class TrackerError(SamEdgeError):
    """A live eye tracker cannot be reached, broke its protocol, or fell silent."""


class SessionError(SamEdgeError):
    """A streaming session was used in a way or in a state that it does not support."""
