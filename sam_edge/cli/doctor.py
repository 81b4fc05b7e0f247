"""`sam-edge doctor`: the engines, extras and CPU features of this machine."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path

import numpy as np

from sam_edge.bundle import open_bundle
from sam_edge.cores import allowed_cores, available_cores, read_cpu_quota
from sam_edge.errors import SamEdgeError
from sam_edge.media.environment import cpu_name
from sam_edge.runtimes import choose_engine, engines
from sam_edge.runtimes.compiled_cache import MAX_BYTES, OFF, VARIABLE, default_cache_folder, measure_cache
from sam_edge.segmenter import DEFAULT_BUNDLE, load
from sam_edge.stream.follow_choice import measure_follower
from sam_edge.stream.tuning import DEFAULT_TUNING
from sam_edge.version import __version__

EXTRAS = {
    "openvino": (("openvino", "openvino"),),
    "export": (
        ("torch", "torch"),
        ("onnx", "onnx"),
        ("onnxscript", "onnxscript"),
        ("nncf", "nncf"),
        ("coremltools", "coremltools"),
        ("safetensors", "safetensors"),
    ),
    "gaze": (("zmq", "pyzmq"), ("msgpack", "msgpack"), ("pylsl", "pylsl"), ("websockets", "websockets")),
    "serve": (
        ("starlette", "starlette"),
        ("uvicorn", "uvicorn"),
        ("websockets", "websockets"),
        ("anyio", "anyio"),
    ),
    "coreml": (("coremltools", "coremltools"), ("PIL", "pillow")),
    "embeddings": (("safetensors", "safetensors"),),
    "supervision": (("supervision", "supervision"),),
    "opentelemetry": (("opentelemetry.sdk", "opentelemetry-sdk"),),
    "tables": (("pyarrow", "pyarrow"), ("pandas", "pandas")),
    "rerun": (("rerun", "rerun-sdk"),),
    "cloud": (("fsspec", "fsspec"), ("s3fs", "s3fs")),
    "ray": (("ray", "ray"),),
}
"""Modules of each extra, with the package that installs them."""
MEASURED_FRAME = (480, 854, 3)
"""The follower is measured on a frame of this shape."""
FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "bf16",
)
"""CPU features that speed up int8 and bf16 inference."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `doctor`."""
    parser = subparsers.add_parser("doctor", help="show the engines, extras and CPU features of this machine")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the state of the installation. Exit status 1 when the model in the package cannot be used."""
    print(f"sam-edge {__version__}, Python {platform.python_version()}, {platform.platform()}")
    print(f"CPU      {cpu_name()}; {', '.join(cpu_features()) or 'features unknown'}")
    print(f"cores    {describe_cores()}")
    print(f"cache    {describe_cache()}")
    model_works = print_model()
    if model_works:
        print(f"follower {describe_follower()}")
    print("\nengines")
    for info in engines().values():
        state = f"yes {version_of(info.library)}" if info.installed else f"no: {pip_command(info.extra)}"
        print(f"  {info.name:<14} {state:<37} {info.summary}")
    print("\nextras")
    for extra, modules in EXTRAS.items():
        missing = [package for module, package in modules if not is_installed(module)]
        print(
            f"  {extra:<14} "
            + ("yes" if not missing else f"missing {', '.join(missing)}: {pip_command(extra)}")
        )
    return 0 if model_works else 1


def print_model() -> bool:
    """Check the model in the package, print the engine that `auto` chooses, and return whether the model works."""
    try:
        bundle = open_bundle(DEFAULT_BUNDLE)
        chosen = choose_engine(bundle)
    except SamEdgeError as error:
        print(f"model    {error}")
        return False
    manifest = bundle.manifest
    size_mb = sum(entry.bytes for entry in manifest.files) / 1e6
    print(f"model    {manifest.name}, {size_mb:.1f} MB, whole; runtime=auto takes {chosen}")
    return True


def describe_follower() -> str:
    """Return what following one object by the network costs here, and whether the live mode does so by itself."""
    try:
        with load() as model:
            cost_ms = measure_follower(model, np.zeros(MEASURED_FRAME, np.uint8))
            threads = model.runtime.threads
    except SamEdgeError as error:
        return str(error)
    if cost_ms is None:
        return "the engine has none"
    limit_ms = DEFAULT_TUNING.max_follow_ms
    use = "used" if cost_ms <= limit_ms else "not used"
    return (
        f"{cost_ms:.1f} ms a frame, {threads} threads: {use} by the live mode, whose limit is {limit_ms:g} ms"
    )


def describe_cache() -> str:
    """Return where compiled models are kept, and how much is there."""
    folder = default_cache_folder()
    if folder is None:
        return f"compiled models are not kept ({VARIABLE}={OFF})"
    usage = measure_cache(folder)
    if usage is None:
        return (
            f"{folder} cannot be written: compiled models are not kept; set {VARIABLE} to a folder that can"
        )
    return f"{folder}: {usage.files} compiled models, {usage.bytes / 1e6:.0f} MB of at most {MAX_BYTES / 1e6:.0f}"


def describe_cores() -> str:
    """Return how many cores are used unless told otherwise, and what bounds them."""
    quota = read_cpu_quota()
    bound = "no CPU quota" if quota is None else f"CPU quota {quota.cores:g} ({quota.path})"
    return f"{available_cores()} used; affinity {len(allowed_cores())} of {os.cpu_count() or 1}, {bound}"


def is_installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False


def pip_command(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'sam-edge[{extra}]'"


def version_of(module: str | None) -> str:
    """Return the version of the package of a module; empty when unknown."""
    if module is None:
        return ""
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return ""


def cpu_features() -> list[str]:
    """Return the CPU's features among `FEATURES`; empty when the system does not report them."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return []
    words = set(path.read_text(encoding="utf-8", errors="replace").split())
    return [name for name in FEATURES if name in words]
