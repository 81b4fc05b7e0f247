"""Client libraries that only some adapters need: imported when such an adapter is opened."""

from __future__ import annotations

import importlib
from types import ModuleType

from sam_edge.errors import MissingExtraError


def require(module: str, *, library: str, purpose: str, extra: str = "gaze") -> ModuleType:
    """Import `module` and return it.

    Args:
        module: name to import.
        library: name on the package index.
        purpose: what it is needed for, as the start of a sentence.
        extra: the extra of sam-edge that brings it.

    Raises:
        MissingExtraError: it is not installed; the message holds the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(library, extra=extra, purpose=purpose) from error
