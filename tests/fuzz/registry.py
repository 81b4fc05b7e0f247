"""The fuzz targets by name. A module of targets joins with its name in `MODULES`."""

from __future__ import annotations

import importlib
from functools import cache

from tests.fuzz.target import FuzzTarget

MODULES = ("gaze_files", "annotation_files", "packets", "weight_files", "image_files", "video_files")
"""Modules of this package that each have a function `targets()`."""


@cache
def targets_of(module: str) -> tuple[FuzzTarget, ...]:
    """Return the targets of one module."""
    return tuple(importlib.import_module(f"tests.fuzz.{module}").targets())


def module_of(name: str) -> str:
    """Return the module of a target: a worker imports that one alone. Raises `KeyError` for an unknown name."""
    return {target.name: module for module in MODULES for target in targets_of(module)}[name]


@cache
def targets() -> dict[str, FuzzTarget]:
    """Return all targets by name. Raises `ValueError` when two have the same name."""
    found: dict[str, FuzzTarget] = {}
    for module in MODULES:
        for target in targets_of(module):
            if target.name in found:
                raise ValueError(f"fuzz target {target.name!r} is named twice")
            found[target.name] = target
    return found
