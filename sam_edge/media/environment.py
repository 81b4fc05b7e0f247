"""On what a run ran: versions, processor, memory. Figures mean nothing without it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sam_edge.cores import available_cores


@dataclass(frozen=True, slots=True)
class Environment:
    """The engine, the versions and the machine behind a report."""

    engine: str
    """Name of the inference engine, as in `sam_edge.load(runtime=...)`."""
    precision: str
    """Precision that the engine computes in: int8, bf16, fp32, mixed."""
    threads: int
    """Threads that the engine uses."""
    model: str
    """Name of the bundle."""
    sam_edge: str
    """Version of sam-edge; so below for the libraries, None when one is not installed."""
    python: str
    """Version of Python."""
    numpy: str | None
    """Version of numpy."""
    opencv: str | None
    """Version of opencv-python, in whichever of its packages."""
    onnxruntime: str | None
    """Version of ONNX Runtime."""
    openvino: str | None
    """Version of OpenVINO."""
    cpu: str
    """The processor's name, as the operating system gives it."""
    cores: int
    """Logical cores that this process may use: `cores.available_cores`."""
    platform: str
    """Operating system, its version, and the kind of processor."""

    @classmethod
    def gather(cls, *, engine: str, precision: str, threads: int, model: str) -> Environment:
        """Look up everything that this process can tell of itself."""
        return cls(
            engine=engine,
            precision=precision,
            threads=threads,
            model=model,
            sam_edge=_version("sam-edge") or "unknown",
            python=platform.python_version(),
            numpy=_version("numpy"),
            opencv=_version(
                "opencv-python",
                "opencv-python-headless",
                "opencv-contrib-python",
                "opencv-contrib-python-headless",
            ),
            onnxruntime=_version("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
            openvino=_version("openvino"),
            cpu=cpu_name(),
            cores=available_cores(),
            platform=platform.platform(),
        )


def cpu_name() -> str:
    """Return the processor's name, or its kind (`x86_64`) where the system does not tell more."""
    if sys.platform == "darwin":
        return _output_of("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_IDENTIFIER") or platform.machine()
    names = _fields_of(Path("/proc/cpuinfo"))
    return names.get("model name") or names.get("Hardware") or platform.machine() or "unknown"


def peak_memory_mb() -> float | None:
    """Return the most memory (resident set) that this process has held, in MB (10^6 bytes); None if not known."""
    if sys.platform == "win32":
        return _windows_peak_mb()
    import resource  # not there on Windows

    if sys.platform == "linux":
        # ru_maxrss is handed on by fork and exec: a small child of a large parent would report the parent's.
        words = _fields_of(Path("/proc/self/status")).get("VmHWM", "").split()
        if words and words[0].isdecimal():
            return int(words[0]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _windows_peak_mb() -> float | None:
    """Ask `GetProcessMemoryInfo` for PeakWorkingSetSize (Windows API, psapi.h)."""
    if sys.platform != "win32":
        return None
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = (
            ("cb", wintypes.DWORD),
            ("page_faults", wintypes.DWORD),
            ("peak_working_set", ctypes.c_size_t),
            ("rest", ctypes.c_size_t * 7),
        )

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    ask = ctypes.windll.kernel32.K32GetProcessMemoryInfo
    ask.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
    here = ctypes.windll.kernel32.GetCurrentProcess
    here.restype = wintypes.HANDLE
    return counters.peak_working_set / 1e6 if ask(here(), ctypes.byref(counters), counters.cb) else None


def _version(*packages: str) -> str | None:
    """Return the version of the first of these packages that is installed."""
    return next(filter(None, map(_version_of, packages)), None)


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=2, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _fields_of(path: Path) -> dict[str, str]:
    """Return the first value of each `name: value` line; empty when there is no such file."""
    fields: dict[str, str] = {}
    try:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    except OSError:
        return {}
    return fields
