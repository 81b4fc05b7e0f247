"""On what a profile was measured: machine, versions, models. Figures mean nothing without it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sam_edge.bundle import MANIFEST, hash_file, open_bundle
from sam_edge.errors import SamEdgeError
from sam_edge.media.environment import cpu_name, usable_cores
from sam_edge.version import __version__

PACKAGES = (
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
    "coremltools",
    "torch",
)
"""Packages whose versions count."""
# fmt: off
FEATURES = frozenset((
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw",
    "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "avx_vnni_int8", "amx_tile", "amx_int8",
    "amx_bf16", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve",
    "sve2", "sme", "hypervisor",
))
# fmt: on
"""CPU features that inference gains from, and `hypervisor`: a virtual machine."""
CPU = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that was measured."""

    name: str
    """Name of the bundle's folder, or of the checkpoint's file."""
    model: str | None
    """What the manifest calls it; None where there is no manifest to read."""
    precision: str | None
    """Number format of its heavy layers, as the manifest says."""
    target: str | None
    """What it is compiled for."""
    manifest_sha256: str | None
    """Hash of the manifest, which holds the hashes of all files; of a checkpoint, its own."""
    megabytes: float | None
    """Size of all files together, MB (10^6 bytes)."""
    files: dict[str, str]
    """sha256 of every file, by its path in the bundle."""
    failed: str | None = None
    """Why it cannot be opened."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the software on it."""

    cpu: str
    """The processor's name."""
    cores: int
    """Logical cores that this process may use."""
    cores_all: int
    """Logical cores of the machine."""
    features: tuple[str, ...]
    """Those of `FEATURES` that the processor says it has."""
    governor: str | None
    """How the system chooses the clock of the first core; None where it does not say."""
    clock_mhz: tuple[float, float] | None
    """Lowest and highest clock of the first core, MHz."""
    memory_mb: float | None
    """Main memory, MB (10^6 bytes)."""
    platform: str
    """Operating system, its version, kind of processor."""
    python: str
    """Version of Python."""
    sam_edge: str
    """Version of sam-edge."""
    packages: dict[str, str]
    """Versions of those of `PACKAGES` that are installed."""
    git: str | None
    """Commit of the checkout that runs, with `+changes` where files differ from it; None when it is no checkout."""


def gather_machine() -> Machine:
    """Look up everything that the machine tells of itself."""
    return Machine(
        cpu=cpu_name(),
        cores=usable_cores(),
        cores_all=os.cpu_count() or 1,
        features=cpu_features(),
        governor=first_line(CPU / "cpu0/cpufreq/scaling_governor"),
        clock_mhz=clock_mhz(),
        memory_mb=memory_mb(),
        platform=platform.platform(),
        python=platform.python_version(),
        sam_edge=__version__,
        packages={name: version for name in PACKAGES if (version := version_of(name)) is not None},
        git=git_state(Path(__file__).resolve().parents[2]),
    )


def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return those of `FEATURES` that the processor has; empty where the system does not say."""
    if sys.platform == "darwin":
        text = output_of("/usr/sbin/sysctl", "-n", "machdep.cpu.features") + " asimd" * (
            platform.machine() == "arm64"
        )
        return tuple(sorted(FEATURES & set(text.lower().split())))
    try:
        words = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return ()
    return tuple(sorted(FEATURES & words))


def clock_mhz() -> tuple[float, float] | None:
    """Return the lowest and the highest clock of the first core; None where the system does not say."""
    lines = [first_line(CPU / f"cpu0/cpufreq/cpuinfo_{end}_freq") for end in ("min", "max")]
    numbers = [int(line) / 1e3 for line in lines if line is not None and line.isdecimal()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def memory_mb() -> float | None:
    """Return the size of the main memory, MB."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6


def describe_models(paths: Sequence[Path]) -> tuple[ModelFile, ...]:
    """Describe bundles and checkpoints; one that cannot be opened says why."""
    return tuple(describe_model(path) for path in dict.fromkeys(paths))


def describe_model(path: Path) -> ModelFile:
    """Describe one bundle or checkpoint."""
    try:
        if path.is_file():
            digest = hash_file(path)
            size = path.stat().st_size / 1e6
            return ModelFile(path.name, None, None, "torch", digest, size, {path.name: digest})
        manifest = open_bundle(path).manifest
        digest = hash_file(path / MANIFEST)
    except (SamEdgeError, OSError) as error:
        return ModelFile(path.name, None, None, None, None, None, {}, failed=str(error))
    return ModelFile(
        name=path.name,
        model=manifest.name,
        precision=manifest.precision,
        target=manifest.target,
        manifest_sha256=digest,
        megabytes=sum(entry.bytes for entry in manifest.files) / 1e6,
        files={entry.path: entry.sha256 for entry in manifest.files},
    )


def git_state(folder: Path) -> str | None:
    """Return the commit of the checkout that `folder` lies in; None when it lies in none."""
    commit = output_of("git", "-C", str(folder), "rev-parse", "--short=12", "HEAD")
    if not commit:
        return None
    changed = output_of("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+changes" if changed else commit


def version_of(package: str) -> str | None:
    """Return the version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def first_line(path: Path) -> str | None:
    """Return the first line of a small file of the system; None where there is none."""
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError:
        return None


def output_of(*command: str) -> str:
    """Return what a command prints; empty when it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
