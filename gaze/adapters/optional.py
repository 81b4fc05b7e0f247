"""Import of optional client libraries when an adapter that needs them is opened."""

from __future__ import annotations

import importlib
from types import ModuleType

from sam_edge.errors import MissingExtraError


def require(module: str, *, library: str, purpose: str, extra: str = "gaze") -> ModuleType:
    """Import `module` and return it.

    Args:
        module: name to import.
        library: name on the package index.
        purpose: what needs it, as the subject of a sentence.
        extra: the extra of sam-edge that installs it.

    Raises:
        MissingExtraError: the module is not installed; the message has the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(library, extra=extra, purpose=purpose) from error
