"""Engines by name, imported only when asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sam_edge.bundle import Bundle
from sam_edge.errors import EngineError, MissingExtraError
from sam_edge.runtimes.base import Runtime, RuntimeOptions

ENTRY_POINTS = "sam_edge.runtimes"
"""Another package adds an engine by an entry point of this group: name = "module:opener"."""

Opener = Callable[[Bundle, RuntimeOptions], Runtime]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One engine that can be asked for by name."""

    name: str
    """As `sam_edge.load(runtime=...)` takes it."""
    summary: str
    """What it is, in a line."""
    targets: tuple[str, ...]
    """Bundles it opens, by their target."""
    library: str | None
    """The module it needs; None when it needs none."""
    extra: str
    """The extra that brings the library; empty when the base install does."""
    opener: str
    """Where its opener is, as `module:function`."""
    preferred: str = ""
    """Where it says what precision it takes where none is given, as `module:function`; empty where it has one alone."""

    @property
    def installed(self) -> bool:
        """Whether its library is here."""
        return self.library is None or importlib.util.find_spec(self.library) is not None


_BUILT_IN = (
    EngineInfo(
        "onnxruntime", "ONNX Runtime on CPU", ("onnx",), "onnxruntime", "",
        "sam_edge.runtimes.onnxruntime:open_onnxruntime",
    ),
    EngineInfo(
        "openvino", "OpenVINO on CPU, GPU or NPU", ("onnx", "openvino"), "openvino", "openvino",
        "sam_edge.runtimes.openvino:open_openvino", "sam_edge.runtimes.openvino:preferred_precision",
    ),
    EngineInfo(
        "torch", "the model in torch, from a checkpoint: the reference", ("torch",), "torch", "export",
        "sam_edge.runtimes.torch:open_torch",
    ),
    EngineInfo(
        "fake", "discs round the points, for tests without a model", ("onnx", "openvino", "coreml", "torch", "fake"),
        None, "", "sam_edge.runtimes.fake:open_fake",
    ),
)  # fmt: skip


def engines() -> dict[str, EngineInfo]:
    """Return every engine known here, built in or added by another package, by name.

    Raises:
        EngineError: two of them claim one name.
    """
    from importlib.metadata import entry_points  # an eighth of what importing sam_edge costs

    known = {info.name: info for info in _BUILT_IN}
    for point in entry_points(group=ENTRY_POINTS):
        if point.name in known:
            raise EngineError(f"runtime: {point.value} claims the name {point.name!r}, which is taken")
        targets = ("onnx", "openvino", "coreml", "torch")
        known[point.name] = EngineInfo(point.name, f"from {point.value}", targets, None, "", point.value)
    return known


def choose_engine(bundle: Bundle) -> str:
    """Apply the rule of `runtime="auto"`: OpenVINO where it is installed, else ONNX Runtime; torch for a checkpoint.

    Raises:
        EngineError: no installed engine opens this bundle.
    """
    for name in ("openvino", "onnxruntime", "torch"):
        info = engines()[name]
        if info.installed and bundle.manifest.target in info.targets:
            return name
    raise EngineError(
        f"runtime: no installed engine opens a bundle for {bundle.manifest.target!r}; see `sam-edge doctor`"
    )


def open_runtime(bundle: Bundle, name: str = "auto", options: RuntimeOptions | None = None) -> Runtime:
    """Open a bundle on an engine. Never falls back to another one.

    Args:
        bundle: what to open.
        name: an engine's name, or `auto` (see `choose_engine`).
        options: threads, precision, device. Without a precision the engine chooses it: bf16 on OpenVINO for a bundle in
            8 bits where the CPU has it natively. The result's `name` and `precision` say what was taken.

    Raises:
        EngineError: the name is unknown, or the engine does not open such bundles.
        MissingExtraError: the engine's library is not installed.
    """
    known = engines()
    options = options or RuntimeOptions()
    if name == "auto":
        name = choose_engine(bundle)
    if name not in known:
        raise EngineError(f"runtime: {name!r} is not known; accepted: auto, {', '.join(sorted(known))}")
    info = known[name]
    if not info.installed:
        raise MissingExtraError(info.library or name, extra=info.extra, purpose=f"runtime {name!r}")
    if bundle.manifest.target not in info.targets:
        raise EngineError(
            f"runtime: {name!r} opens bundles for {', '.join(info.targets)}, not for {bundle.manifest.target!r}"
        )
    if options.precision is None:
        options = replace(options, precision=preferred_precision(bundle, name, options))
    opener: Opener = found(info.opener)
    return opener(bundle, options)


def preferred_precision(bundle: Bundle, name: str, options: RuntimeOptions | None = None) -> str | None:
    """Say what an installed engine computes in where no precision is given, for this bundle on this CPU."""
    place = engines()[name].preferred
    return str(found(place)(bundle, options or RuntimeOptions())) if place else None


def found(place: str) -> Any:
    """Import what stands at `module:function`."""
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)
