"""The environment of a measurement: machine, package versions, models with their hashes."""

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
from sam_edge.cores import available_cores
from sam_edge.errors import SamEdgeError
from sam_edge.media.environment import cpu_name
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
"""Packages whose versions affect latency."""
# fmt: off
CPU_FEATURES = frozenset((
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw",
    "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "avx_vnni_int8", "amx_tile", "amx_int8",
    "amx_bf16", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve",
    "sve2", "sme", "hypervisor",
))
# fmt: on
"""CPU features that speed up inference, and `hypervisor`, which marks a virtual machine."""
CPU = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that was measured: a bundle or a checkpoint."""

    name: str
    """Name of the bundle's folder, or of the checkpoint file."""
    model: str | None
    """Name of the model in the manifest; None without a manifest."""
    precision: str | None
    """Precision of its heavy layers, as in the manifest."""
    target: str | None
    """File format or engine that it was exported for."""
    manifest_sha256: str | None
    """Hash of the manifest, which contains the hashes of all files; for a checkpoint, the hash of the file."""
    size_mb: float | None
    """Size of all files, MB (10^6 bytes)."""
    files: dict[str, str]
    """sha256 of every file, by its path in the bundle."""
    error: str | None = None
    """Why it cannot be opened; None on success."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and its software."""

    cpu: str
    """Name of the processor."""
    cores: int
    """Logical cores that this process may use."""
    cores_total: int
    """Logical cores of the machine."""
    cpu_features: tuple[str, ...]
    """The `CPU_FEATURES` that the processor has."""
    governor: str | None
    """Frequency governor of the first core; None where the system does not report it."""
    clock_mhz: tuple[float, float] | None
    """Minimum and maximum clock of the first core, MHz; None where the system does not report it."""
    memory_mb: float | None
    """Main memory, MB (10^6 bytes)."""
    platform: str
    """Operating system, its version, and the architecture."""
    python: str
    """Version of Python."""
    sam_edge: str
    """Version of sam-edge."""
    packages: dict[str, str]
    """Versions of the installed `PACKAGES`."""
    git_commit: str | None
    """Commit of the running checkout, with `+changes` if files were modified; None outside a checkout."""


def gather_machine() -> Machine:
    """Describe the machine and its software."""
    return Machine(
        cpu=cpu_name(),
        cores=available_cores(),
        cores_total=os.cpu_count() or 1,
        cpu_features=read_cpu_features(),
        governor=first_line(CPU / "cpu0/cpufreq/scaling_governor"),
        clock_mhz=read_clock_range_mhz(),
        memory_mb=main_memory_mb(),
        platform=platform.platform(),
        python=platform.python_version(),
        sam_edge=__version__,
        packages={name: version for name in PACKAGES if (version := installed_version(name)) is not None},
        git_commit=git_commit(Path(__file__).resolve().parents[2]),
    )


def read_cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return the `CPU_FEATURES` that the processor has; empty where the system does not report them."""
    if sys.platform == "darwin":
        text = run_command("/usr/sbin/sysctl", "-n", "machdep.cpu.features") + " asimd" * (
            platform.machine() == "arm64"
        )
        return tuple(sorted(CPU_FEATURES & set(text.lower().split())))
    try:
        words = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return ()
    return tuple(sorted(CPU_FEATURES & words))


def read_clock_range_mhz() -> tuple[float, float] | None:
    """Return the minimum and the maximum clock of the first core, MHz; None where the system does not report it."""
    lines = [first_line(CPU / f"cpu0/cpufreq/cpuinfo_{end}_freq") for end in ("min", "max")]
    numbers = [int(line) / 1e3 for line in lines if line is not None and line.isdecimal()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def main_memory_mb() -> float | None:
    """Return the size of the main memory, MB (10^6 bytes); None where the system does not report it."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6


def describe_models(paths: Sequence[Path]) -> tuple[ModelFile, ...]:
    """Describe bundles and checkpoints. If one cannot be opened, its `error` says why."""
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
        return ModelFile(path.name, None, None, None, None, None, {}, error=str(error))
    return ModelFile(
        name=path.name,
        model=manifest.name,
        precision=manifest.precision,
        target=manifest.target,
        manifest_sha256=digest,
        size_mb=sum(entry.bytes for entry in manifest.files) / 1e6,
        files={entry.path: entry.sha256 for entry in manifest.files},
    )


def git_commit(folder: Path) -> str | None:
    """Return the commit of the checkout that contains `folder`; None outside a checkout."""
    commit = run_command("git", "-C", str(folder), "rev-parse", "--short=12", "HEAD")
    if not commit:
        return None
    changed = run_command("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+changes" if changed else commit


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def first_line(path: Path) -> str | None:
    """Return the first line of a small system file; None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError:
        return None


def run_command(*command: str) -> str:
    """Return the output of a command; empty when it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
