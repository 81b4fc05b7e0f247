"""Compiled models on disk, for engines that take long to compile.

A file is named by a hash of everything that changes what is compiled: the bundle's files, the graph, its shapes, the
engine's version and settings, the processor. It begins with the hash of its own content: one that was cut off or
damaged is compiled and written again, and never reaches the engine.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sam_edge.bundle import Bundle, GraphEntry
from sam_edge.errors import InputError

ENDING = ".compiled"
DIGEST_BYTES = 32


class CompiledCache:
    """A folder of compiled models. Several processes may share one."""

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            InputError: it cannot be made.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cache: {folder} cannot be made: {error}; give a folder that can be written"
            ) from error

    def read(self, key: str) -> bytes | None:
        """Return what is kept under `key`; None where nothing is, or what is there is damaged."""
        try:
            content = (self._folder / f"{key}{ENDING}").read_bytes()
        except OSError:
            return None
        compiled = content[DIGEST_BYTES:]
        return compiled if hashlib.sha256(compiled).digest() == content[:DIGEST_BYTES] else None

    def write(self, key: str, compiled: bytes) -> None:
        """Keep `compiled` under `key`, whole or not at all.

        Raises:
            InputError: the folder cannot be written.
        """
        try:
            descriptor, made = tempfile.mkstemp(prefix=f".{key}", dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as handle:
                    handle.write(hashlib.sha256(compiled).digest() + compiled)
                os.replace(made, self._folder / f"{key}{ENDING}")
            except OSError:
                Path(made).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise InputError(f"cache: {self._folder} cannot be written: {error}") from error


def cache_key(
    bundle: Bundle, graph: GraphEntry, shapes: Mapping[str, object], engine: Mapping[str, object]
) -> str:
    """Hash everything that changes a compiled model.

    Args:
        bundle: whose files.
        graph: the graph that is compiled.
        shapes: the shape of every input.
        engine: its name, version, device and settings, and the processor.
    """
    known = {
        "files": {entry.path: entry.sha256 for entry in bundle.manifest.files},
        "graph": graph.file,
        "shapes": dict(shapes),
        "engine": {name: str(value) for name, value in engine.items()},
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
