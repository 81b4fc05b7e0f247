"""What every exporter does with its graphs: a new folder, a manifest, the gate, and the folder's final name."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sam_edge.bundle import MANIFEST, FileEntry, GraphEntry, Manifest, describe_file
from sam_edge.errors import ExportError
from sam_edge.exporters.gate import Gate
from sam_edge.exporters.image_sets import CalibrationSet
from sam_edge.media.atomic import missing_parents, remove_empty, replace_folder
from sam_edge.nn import ORIGINS, Sam
from sam_edge.precision import CALIBRATED
from sam_edge.version import __version__

UNKNOWN_ORIGIN = "unknown"
"""Licence of a model that is not in `ORIGINS`."""


def check_out(out: Path) -> None:
    """Check that a bundle may be written to `out`: nothing is there, or a bundle, which is replaced.

    Raises:
        ExportError: something else is there.
    """
    if out.exists() and not (out / MANIFEST).is_file():
        raise ExportError(f"out: {out} exists and is no bundle; give a new folder, or remove it first")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder next to `out`, and move it there if the block ends without an error.

    Raises:
        ExportError: `out` exists and is no bundle, or cannot be written.
    """
    check_out(out)
    missing = missing_parents(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        remove_empty(missing)
        raise ExportError(f"out: {out} cannot be written: {error}") from error
    try:
        yield temporary
        temporary.chmod(0o755)
        replace_folder(temporary, out)
    except OSError as error:
        raise ExportError(f"out: {out} cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        remove_empty(missing)


def write_manifest(
    folder: Path,
    model: Sam,
    *,
    name: str,
    target: str,
    precision: str,
    graphs: Iterable[GraphEntry],
    tools: Mapping[str, str],
    sizes: Sequence[tuple[int, int]] = (),
    calibration: CalibrationSet | None = None,
    gate: Gate | None = None,
) -> Manifest:
    """Describe the files in `folder` in a manifest, write it there, and let the gate measure the bundle.

    Args:
        folder: holds every file of the bundle but the manifest.
        model: what was exported.
        name: of the bundle, for people.
        target: what it is compiled for.
        precision: as in `sam_edge.precision`.
        graphs: the graphs among the files.
        tools: versions of what made the bundle, by name.
        sizes: input sizes (height, width) that the bundle is fixed to; none where a graph serves every size.
        calibration: what an 8-bit precision was fitted on.
        gate: what the bundle has to pass; None measures nothing.

    Returns:
        The manifest as written, with the gate's figures.

    Raises:
        GateError: the bundle lost too much accuracy.
    """
    manifest = Manifest(
        name=name,
        model=model.name,
        target=target,
        precision=precision,
        checkpoint_sha256=model.checkpoint_sha256,
        files=tuple(describe_files(folder)),
        graphs=tuple(graphs),
        sizes=tuple(sizes),
        licence=ORIGINS.get(model.name, UNKNOWN_ORIGIN),
        calibration=calibration.summary() if calibration and precision in CALIBRATED else {},
        tools=tools,
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest if gate is None else gate.check(folder)


def describe_files(folder: Path) -> list[FileEntry]:
    """Measure every file in `folder` and below. A Core ML package is a folder, so paths may have slashes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [replace(describe_file(path), path=path.relative_to(folder).as_posix()) for path in files]


def tool_versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the versions of sam-edge, Python and some installed distributions, by name."""
    versions = {name: importlib.metadata.version(name) for name in distributions}
    return {"sam_edge": __version__, "python": platform.python_version(), **versions}
