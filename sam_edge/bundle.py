"""Bundles: a model on disk, with everything that is known about it.

A bundle is a folder with `manifest.json` and the files that it names. Opening one checks the schema, that every file is
there, its size and its sha256. Nothing in a bundle is ever executed or unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sam_edge.errors import BundleError
from sam_edge.precision import current_name

MANIFEST = "manifest.json"
POINT_DECODER = "decoder_points"
"""Role of a decoder for prompts without a mask; a bundle may leave it out."""
FOLLOWER = "follower"
"""Role of the network that corrects a carried mask; a bundle may leave it out."""
SCHEMA = 1
"""The schema this version writes, and the newest it reads."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a bundle."""

    path: str
    """Where it lies inside the bundle's folder, with slashes."""
    sha256: str
    """Hash of its content, hexadecimal."""
    bytes: int
    """Its size."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One input or output of a graph."""

    name: str
    """Its name in the graph."""
    shape: tuple[int | str, ...]
    """Sizes; a word is a size that may vary."""
    dtype: str
    """numpy's name of its type."""
    meaning: str
    """What it holds: unit, space, order."""


@dataclass(frozen=True, slots=True)
class GraphEntry:
    """One graph that an engine can open."""

    role: str
    """`encoder`, `decoder`, `decoder_points` (a decoder of its own for prompts without a mask), or `follower`."""
    file: str
    """The graph's file."""
    multiple_of: int
    """Sides of the encoder's input must be multiples of this."""
    inputs: tuple[TensorEntry, ...]
    """What goes in."""
    outputs: tuple[TensorEntry, ...]
    """What comes out."""
    engine: str = ""
    """The engine it is made for; empty where any may open it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle holds, where it came from and how well it does."""

    name: str
    """Name of the model, for people."""
    model: str
    """Architecture, for example `mobile_sam`."""
    target: str
    """What it is compiled for: `onnx`, `openvino`, `coreml` or `torch`."""
    precision: str
    """Number format of its heavy layers, for example `fp32` or `int8`."""
    checkpoint_sha256: str
    """Hash of the checkpoint it was made from."""
    files: tuple[FileEntry, ...]
    """Every file but the manifest."""
    graphs: tuple[GraphEntry, ...]
    """The graphs among them; where two fit an input, the one with the largest `multiple_of` is used."""
    sizes: tuple[tuple[int, int], ...]
    """Input sizes (height, width) that it was checked at."""
    licence: str
    """Licence and origin of the weights."""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    """The images that quantization was calibrated on: their number and a fingerprint."""
    parity: Mapping[str, Any] = field(default_factory=dict)
    """Measured agreement with fp32 torch."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Versions of everything that made it."""
    schema: int = SCHEMA
    """Version of this layout."""

    def graphs_of(self, role: str) -> tuple[GraphEntry, ...]:
        """Return the graphs of `role`, strictest `multiple_of` first.

        Raises:
            BundleError: there is none.
        """
        graphs = [graph for graph in self.graphs if graph.role == role]
        if not graphs:
            raise BundleError(f"bundle: {self.name} holds no {role}")
        return tuple(sorted(graphs, key=lambda graph: -graph.multiple_of))

    def has(self, role: str) -> bool:
        """Say whether there is a graph of `role`."""
        return any(graph.role == role for graph in self.graphs)

    def to_json(self) -> str:
        """Write as JSON, keys in a fixed order."""
        return json.dumps(asdict(self), indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: its folder and its manifest, checked."""

    folder: Path
    """Where it lies."""
    manifest: Manifest
    """Its manifest, parsed."""

    def path_of(self, graph: GraphEntry) -> Path:
        """Return where the file of `graph` lies."""
        return self.folder / graph.file


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, hexadecimal, without holding it in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def describe_file(path: Path) -> FileEntry:
    """Measure a file for a manifest."""
    return FileEntry(path=path.name, sha256=hash_file(path), bytes=path.stat().st_size)


def open_bundle(folder: str | Path) -> Bundle:
    """Open and check a bundle.

    Args:
        folder: the bundle's folder, or its `manifest.json`.

    Raises:
        BundleError: the folder or a file is missing, a size or hash differs, the manifest cannot be read, or it was
            written by a newer version.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == MANIFEST else folder
    if not folder.is_dir():
        raise BundleError(f"bundle: no such folder: {folder}; accepted: a folder with {MANIFEST}")
    manifest = read_manifest(folder / MANIFEST)
    for entry in manifest.files:
        check_file(folder, entry)
    # A package for Core ML is a folder: naming it names what lies in it.
    listed = {entry.path for entry in manifest.files}
    listed |= {str(parent) for path in listed for parent in PurePosixPath(path).parents if parent.parts}
    for graph in manifest.graphs:
        if graph.file not in listed:
            raise BundleError(f"bundle: {folder}: graph file {graph.file!r} is not among the listed files")
    return Bundle(folder=folder, manifest=manifest)


def check_file(folder: Path, entry: FileEntry) -> None:
    """Compare one file with what the manifest says of it.

    Raises:
        BundleError: the file is missing, cannot be read, lies elsewhere, or differs.
    """
    if leads_out(entry.path):
        raise BundleError(f"bundle: {folder}: file name {entry.path!r} leads out of the folder")
    path = folder / entry.path
    try:
        if not path.is_file():
            raise BundleError(
                f"bundle: {folder}: {entry.path} is missing; copy the whole folder, or export it again"
            )
        size = path.stat().st_size
        digest = hash_file(path) if size == entry.bytes else ""
    except OSError as error:
        raise BundleError(f"bundle: {folder}: {entry.path} cannot be read: {error}") from error
    if size != entry.bytes:
        raise BundleError(f"bundle: {path} has {size} bytes, its manifest says {entry.bytes}; it is damaged")
    if digest != entry.sha256:
        raise BundleError(f"bundle: the content of {path} differs from its manifest's sha256; it is damaged")


def leads_out(path: str) -> bool:
    """Whether a file's name is anything but a plain path below the bundle's folder, written with slashes."""
    parts = path.split("/")
    odd = "\\" in path or ":" in path or "\0" in path
    return odd or any(part in ("", ".", "..") for part in parts)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        BundleError: it is missing, is not a manifest, or was written by a newer version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError(f"bundle: {path.parent} has no {MANIFEST}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"bundle: {path} cannot be read as JSON: {error}") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if type(schema) is not int or schema < 1:
        raise BundleError(f"bundle: {path} names no schema; accepted: 1 to {SCHEMA}")
    if schema > SCHEMA:
        raise BundleError(
            f"bundle: {path} has schema {schema}, this version reads up to {SCHEMA}; upgrade: pip install -U sam-edge"
        )
    try:
        return parse_manifest(content)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"bundle: {path} is not a complete manifest: {error!r}") from error


def parse_manifest(content: dict[str, Any]) -> Manifest:
    """Build a manifest from its JSON content; what is missing or of a wrong type raises as Python does."""
    texts = ("name", "model", "target", "precision", "checkpoint_sha256", "licence")
    for key in {"calibration", "parity", "tools"}.intersection(content):
        typed(content[key])
    return Manifest(
        **{
            **typed(content, texts=texts),
            "precision": current_name(content["precision"]),
            "files": tuple(
                FileEntry(**typed(entry, texts=("path", "sha256"), counts=("bytes",)))
                for entry in listed(content["files"])
            ),
            "graphs": tuple(parse_graph(entry) for entry in listed(content["graphs"])),
            "sizes": tuple(
                (count(height), count(width)) for height, width in map(listed, listed(content["sizes"]))
            ),
        }
    )


def parse_graph(content: object) -> GraphEntry:
    """Build a graph's entry from JSON."""
    entry = typed(content, texts=("role", "file"), counts=("multiple_of",))
    typed(entry, texts={"engine"}.intersection(entry))
    if entry["multiple_of"] < 1:
        raise ValueError("multiple_of: 0 is not accepted")
    return GraphEntry(**{**entry, "inputs": tensors(entry["inputs"]), "outputs": tensors(entry["outputs"])})


def tensors(entries: object) -> tuple[TensorEntry, ...]:
    """Build tensor entries from JSON."""
    result = []
    for content in listed(entries):
        entry = typed(content, texts=("name", "dtype", "meaning"))
        shape = tuple(side if isinstance(side, str) else count(side) for side in listed(entry["shape"]))
        result.append(TensorEntry(**{**entry, "shape": shape}))
    return tuple(result)


def typed(content: object, *, texts: Iterable[str] = (), counts: Iterable[str] = ()) -> dict[str, Any]:
    """Return a JSON object after checking that its `texts` are strings and its `counts` are whole numbers."""
    if not isinstance(content, dict):
        raise TypeError(f"{content!r} is not an object")
    for key in texts:
        if not isinstance(content[key], str):
            raise TypeError(f"{key}: {content[key]!r} is not a text")
    for key in counts:
        count(content[key])
    return content


def listed(content: object) -> list[Any]:
    """Return a JSON array."""
    if not isinstance(content, list):
        raise TypeError(f"{content!r} is not a list")
    return content


def count(value: object) -> int:
    """Return a whole number of 0 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is not a whole number of 0 or more")
    return value
