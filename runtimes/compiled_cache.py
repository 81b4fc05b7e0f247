"""Compiled models on disk, so that a program that starts again need not compile them.

A file is named by a hash of everything that changes what is compiled: the bundle's files, the graph, its shapes, the
engine's version and settings, the processor. It begins with the hash of its own content: one that was cut off or
damaged is compiled and written again, and never reaches the engine.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sam_edge.bundle import Bundle, GraphEntry
from sam_edge.errors import InputError

ENDING = ".compiled"
DIGEST_BYTES = 32
MAX_BYTES = 1 << 30
"""Most that a folder holds, bytes: some twenty sizes of the model in the package on two engines."""
VARIABLE, OFF = "SAM_EDGE_CACHE", "off"
"""The environment variable that names the folder, and its value that keeps nothing."""


class CompiledCache:
    """A folder of compiled models. Several processes may share one.

    What was not used for longest goes when the folder exceeds `MAX_BYTES`.
    """

    def __init__(self, folder: Path, *, optional: bool = False) -> None:
        """Make the folder.

        Args:
            folder: where.
            optional: whether a folder that cannot be made or written is no error: nothing is kept then.

        Raises:
            InputError: it cannot be made.
        """
        self._folder, self._optional = folder, optional
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if optional:
                return
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
        if hashlib.sha256(compiled).digest() != content[:DIGEST_BYTES]:
            return None
        with contextlib.suppress(OSError):
            os.utime(self._folder / f"{key}{ENDING}")
        return compiled

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
            if self._optional:
                return
            raise InputError(
                f"cache: {self._folder} cannot be written: {error}; give a folder that can, or cache=False"
            ) from error
        self._shrink()

    def _shrink(self) -> None:
        """Remove what was not used for longest. Another process may remove the same files, or read them still."""
        with contextlib.suppress(OSError):
            states = {path: path.stat() for path in self._folder.glob(f"*{ENDING}")}
            total = sum(state.st_size for state in states.values())
            for path in sorted(states, key=lambda path: states[path].st_mtime_ns)[:-1]:
                if total <= MAX_BYTES:
                    break
                path.unlink(missing_ok=True)
                total -= states[path].st_size


def default_cache_folder() -> Path | None:
    """Return the folder that compiled models are kept in unless another is given; None where none are.

    `SAM_EDGE_CACHE` names it, or is `off`. Else it lies where the system has the user's caches.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return None if named == OFF else Path(named)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "sam-edge"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "sam-edge" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "sam-edge"


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """What a folder of compiled models holds."""

    files: int
    """Number of compiled models."""
    bytes: int
    """Their size."""


def measure_cache(folder: Path) -> CacheUsage | None:
    """Measure a folder of compiled models, which may be missing; None where it cannot be written."""
    nearest = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        return None
    try:
        sizes = [path.stat().st_size for path in folder.glob(f"*{ENDING}")]
    except OSError:
        return None
    return CacheUsage(len(sizes), sum(sizes))


def open_cache(folder: Path | None) -> CompiledCache | None:
    """Open a folder of compiled models; None keeps nothing.

    Raises:
        InputError: it is not the default one, and cannot be made.
    """
    return None if folder is None else CompiledCache(folder, optional=folder == default_cache_folder())


@functools.cache
def describe_processor() -> str:
    """Describe the processor by all that decides how a graph is compiled for it: its kind and its features."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")
    known = {line for line in lines if line.partition(":")[0].strip() in named}
    return "\n".join([platform.machine(), platform.processor(), *sorted(known)])


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
