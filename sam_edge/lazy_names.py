"""Names of a package that are imported on first use, so that importing the package stays fast (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping


def import_lazy_name(package: str, names: Mapping[str, str], name: str) -> object:
    """Import a name for the `__getattr__` of a package, and keep it there.

    Args:
        package: the package's own name.
        names: where its names come from, as `module:name`.
        name: what is asked for.

    Raises:
        AttributeError: `names` has no such name.
    """
    if name not in names:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    module, _, attribute = names[name].partition(":")
    value = getattr(importlib.import_module(module), attribute)
    setattr(sys.modules[package], name, value)
    return value
