"""Figures of a benchmark with the conditions under which they were measured, as a file of `benchmarks/results/`.

`figures_page.py` makes the benchmarks page and README's table of these files.
"""

from __future__ import annotations

import contextlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from sam_edge.cores import available_cores
from sam_edge.media.environment import cpu_name
from sam_edge.profile.measure.environment import read_cpu_features

PACKAGES = ("onnxruntime", "openvino", "numpy", "opencv-python")
RESULTS = Path(__file__).resolve().parent / "results"
NOT_SHOWN = ("--results", "--json", "--work")
"""Options of outputs, which change no figure."""


@dataclass(frozen=True)
class Figure:
    """One measured value, and the peer's of the same run."""

    key: str
    """Name by which a page asks for it."""
    what: str
    """What was measured, in words."""
    unit: str
    """Unit of both values; empty for a share or a score."""
    value: float
    """Value of sam-edge."""
    peer: float | None = None
    """Value of the peer; None where it has none."""
    digits: int = 0
    """Digits after the point that the value is worth."""

    def text(self, value: float | None) -> str:
        """Return a value as it stands in a table."""
        return "" if value is None else f"{value:.{self.digits}f}{' ' if self.unit else ''}{self.unit}"


@dataclass(frozen=True)
class Results:
    """The figures of one benchmark."""

    name: str
    """Name of the benchmark."""
    peer: str
    """What the peer is; empty where there is none."""
    command: str
    """Command that measures them again, from the repository's root."""
    machine: str
    """Processor, and what it has for int8."""
    cores: int
    """Cores that the process may use."""
    threads: int
    """Threads of one inference."""
    versions: Mapping[str, str]
    """Versions of Python and of the libraries."""
    figures: Sequence[Figure]
    """The figures."""

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def gather(name: str, figures: Sequence[Figure], *, threads: int | None, peer: str = "") -> Results:
    """Return the figures of the running benchmark with its command and this machine."""
    features = [
        name for name in ("avx2", "avx512_vnni", "avx512_bf16", "amx_int8") if name in read_cpu_features()
    ]
    return Results(
        name=name,
        peer=peer,
        command=describe_command(sys.argv),
        machine=f"{cpu_name()} ({', '.join(features) or platform.machine()})",
        cores=available_cores(),
        threads=threads or available_cores(),
        versions={"python": platform.python_version()} | dict(installed_versions()),
        figures=tuple(figures),
    )


def installed_versions() -> Iterator[tuple[str, str]]:
    """Yield the libraries that are installed, with their versions."""
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def describe_command(arguments: Sequence[str]) -> str:
    """Return the command line as anybody can type it: without outputs, and with DAVIS for /home/me/davis."""
    words, rest = [f"benchmarks/{Path(arguments[0]).name}"], iter(arguments[1:])
    for word in rest:
        if word in NOT_SHOWN:
            next(rest, None)
        elif Path(word).is_absolute():
            words.append(Path(word).name.upper() if Path(word).is_dir() else Path(word).name)
        else:
            words.append(word)
    return " ".join(["python", *words])


def read_results(path: Path) -> Results:
    """Read a file that `Results.write` has written."""
    content = json.loads(path.read_text(encoding="utf-8"))
    figures = tuple(Figure(**figure) for figure in content.pop("figures"))
    return Results(**content, figures=figures)
