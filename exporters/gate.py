"""The gate of every export: what an artifact lost is measured before it gets its name, and too much stops it.

The artifact is opened as users will open it, on its own engine, and compared with fp32 torch on a labelled set. The
first input size is measured on the whole set; two images at each further one show that the artifact works there.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sam_edge.bundle import MANIFEST, Manifest, open_bundle
from sam_edge.errors import GateError, InputError
from sam_edge.exporters.evaluate import Agreement, compare, fingerprint, format_table
from sam_edge.exporters.image_sets import read_labelled_images
from sam_edge.runtimes.registry import engines, preferred_precision
from sam_edge.segmenter import DEFAULT_BUNDLE, Segmenter, check_size, load

LABELLED = DEFAULT_BUNDLE.parent / "labelled"
"""The labelled set that comes in the package."""
SIZES = ((448, 672), (448, 448), (672, 896), (1024, 1024))
"""Input sizes (height, width) that an export is measured at when none are given."""
QUICK_IMAGES = 2
"""Number of images at every size but the first."""
ENGINES = {"onnx": "onnxruntime", "openvino": "openvino", "coreml": "coreml"}
"""The engine that a bundle of each target is measured on."""

OpenModel = Callable[[Path], Segmenter]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What an artifact of one precision must reach."""

    cosine: float
    """Least cosine of the embeddings, of every image."""
    relative_error: float
    """Largest mean relative error of the embedding."""
    logit_error: float
    """Largest mean error of the logits of any of the four masks."""
    chosen_iou: float
    """Least mean IoU of the mask put first with that of fp32 torch."""
    token_iou: float
    """Least mean IoU of any of the four masks with that of fp32 torch."""
    truth_loss: float
    """Largest loss of mean IoU with the truth that is not chance: its standard error is taken off first."""

    def missed_by(self, agreement: Agreement) -> list[str]:
        """Name every figure that misses its limit; NaN always does."""
        low = (
            ("cosine of the embedding", agreement.worst_cosine, self.cosine),
            ("IoU of the chosen mask", agreement.chosen_iou, self.chosen_iou),
            ("IoU of the worst of the four masks", min(agreement.token_iou), self.token_iou),
            ("IoU with a mask prompt", agreement.refined_iou, self.token_iou),
        )
        high = [
            ("relative error of the embedding", agreement.relative_error, self.relative_error),
            ("error of the logits", max(agreement.logit_error), self.logit_error),
        ]
        if agreement.truth_loss is not None and agreement.truth_loss_error is not None:
            certain = agreement.truth_loss - agreement.truth_loss_error
            high.append(("certain loss of IoU with the truth", certain, self.truth_loss))
        return [
            *(f"{name} {value:.4f}, at least {limit:g}" for name, value, limit in low if not value >= limit),
            *(f"{name} {value:.4f}, at most {limit:g}" for name, value, limit in high if not value <= limit),
        ]

    def missed_quickly_by(self, agreement: Agreement) -> list[str]:
        """Name faults that two images show: in the embedding, and masks far from those of fp32 torch."""
        loose = dataclasses.replace(
            self,
            relative_error=1.5 * self.relative_error,
            logit_error=3 * self.logit_error,
            chosen_iou=self.chosen_iou - QUICK_ALLOWANCE,
            token_iou=self.token_iou - QUICK_ALLOWANCE,
            truth_loss=1.0,
        )
        return loose.missed_by(agreement)


QUICK_ALLOWANCE = 0.1
"""How much lower the IoUs of a handful of prompts may be: one mask that flips among so few is no fault."""
EXACT = Thresholds(0.99999, 0.001, 0.01, 0.998, 0.998, 0.001)
INT8 = Thresholds(0.995, 0.08, 1.0, 0.95, 0.93, 0.01)
HALF = Thresholds(0.999, 0.05, 0.5, 0.97, 0.95, 0.01)
THRESHOLDS = {
    "fp32": EXACT,
    "fp16": Thresholds(0.9999, 0.01, 0.1, 0.98, 0.98, 0.005),
    "bf16": Thresholds(0.999, 0.03, 0.5, 0.95, 0.95, 0.01),
    "int8": INT8,
    "int8-nncf": INT8,
}
"""By precision. `docs/experiments/quantization.md` says what they were chosen from."""
PALETTE = Thresholds(0.98, 0.2, 2.5, 0.85, 0.8, 0.02)
OF_TARGET = {
    ("coreml", "fp16"): HALF,
    ("coreml", "int8_weights"): HALF,
    ("coreml", "int8"): INT8,
    ("coreml", "palette6"): INT8,
    ("coreml", "palette4"): PALETTE,
}
"""By target and precision, where a precision means something else there: Core ML computes in half precision."""


def thresholds_for(manifest: Manifest) -> Thresholds:
    """Return the thresholds that a bundle must reach.

    Raises:
        InputError: nothing is known of its precision.
    """
    thresholds = OF_TARGET.get((manifest.target, manifest.precision)) or THRESHOLDS.get(manifest.precision)
    if thresholds is None:
        raise InputError(
            f"precision: {manifest.precision!r} for {manifest.target} has no thresholds; known: "
            f"{', '.join(THRESHOLDS)}; give thresholds to the gate"
        )
    return thresholds


def open_measured(
    folder: Path, *, runtime: str = "auto", threads: int | None = None, precision: str | None = None
) -> Segmenter:
    """Open a bundle to measure it: on the engine and in the precision that it was compiled for.

    Without Core ML, its packages are executed by the project's own evaluator.

    Args:
        folder: the bundle's folder.
        runtime: an engine's name; `auto` takes the one of the bundle's target.
        threads: threads of one inference; None is every core.
        precision: what the model leaves in floating point; None is the bundle's own.
    """
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    if runtime == "auto" and manifest.target == "coreml" and sys.platform != "darwin":
        from sam_edge.exporters.coreml.mil_runtime import MilRuntime

        return Segmenter(MilRuntime(bundle), bundle)
    if manifest.target == "openvino" and manifest.precision == "bf16":
        precision = precision or "bf16"
    engine = ENGINES.get(manifest.target, "auto") if runtime == "auto" else runtime
    return load(folder, runtime=engine, threads=threads, precision=precision)


@dataclass(frozen=True, slots=True)
class Gate:
    """The accuracy check of an export."""

    reference: Segmenter
    """Fp32 torch, with the checkpoint that is exported."""
    labelled: Path = LABELLED
    """A labelled set: `images/NAME.jpg` and `labels/NAME.txt`."""
    sizes: Sequence[tuple[int, int]] = SIZES
    """Input sizes (height, width) to measure at, the first one on the whole set."""
    force: bool = False
    """Let an artifact pass whatever it lost; the manifest then says so."""
    thresholds: Thresholds | None = None
    """Limits; None takes those in `THRESHOLDS` for the precision of the artifact."""
    open_model: OpenModel = open_measured
    """How to open the artifact."""
    report: Report | None = None
    """Receives each table of figures as text."""

    def __post_init__(self) -> None:
        """Refuse impossible sizes and a missing set before anything is exported.

        Raises:
            InputError: there is no size, one cannot be encoded, or the labelled set is not a folder.
        """
        if not self.sizes:
            raise InputError("sizes: none given; give at least one (height, width)")
        for size in self.sizes:
            check_size(size)
        fingerprint(self.labelled)

    def check(self, folder: Path) -> Manifest:
        """Measure the bundle in `folder`, and write the figures into its manifest.

        Returns:
            The manifest, as written.

        Raises:
            GateError: the artifact lost too much, and `force` is not set.
            BundleError: its own engine cannot open it.
            InputError: the labelled set holds nothing to prompt.
        """
        manifest = open_bundle(folder).manifest
        wanted = self.thresholds or thresholds_for(manifest)
        first, *others = dict.fromkeys(self.sizes)
        with self.open_model(folder) as model:
            agreement = compare(model, self.reference, read_labelled_images(self.labelled), size=first)
            missed = wanted.missed_by(agreement)
            quick = {}
            for size in others:
                few = islice(read_labelled_images(self.labelled), QUICK_IMAGES)
                quick[size] = compare(model, self.reference, few, size=size)
                missed += [
                    f"at {format_size(size)}: {fault}" for fault in wanted.missed_quickly_by(quick[size])
                ]
            engine, reference = (
                f"{item.runtime.name} {item.runtime.precision}" for item in (model, self.reference)
            )
        others_too, faults = self.measure_on_dedicated_engines(folder, manifest, wanted, first)
        missed += faults
        if self.report is not None:
            self.report(format_table({first: agreement, **quick}, engine, reference))
            for name, other in others_too.items():
                self.report(format_table({first: other}, name, reference))
        if missed and not self.force:
            raise GateError(
                f"gate: {manifest.name} for {manifest.target} lost too much: {'; '.join(missed)}. Nothing was written; "
                "--force writes it all the same"
            )
        figures: dict[str, Any] = {
            "reference": reference,
            "engine": engine,
            "labelled_sha256": fingerprint(self.labelled),
            "size": list(first),
            **agreement.summary(),
            "on_other_engines": {name: other.summary() for name, other in others_too.items()},
            "at_other_sizes": [{"size": list(size), **other.summary()} for size, other in quick.items()],
            "missed": missed,
            "forced": bool(missed),
        }
        passed = dataclasses.replace(manifest, parity=figures, sizes=(first, *others))
        (folder / MANIFEST).write_text(passed.to_json(), encoding="utf-8")
        return passed

    def measure_on_dedicated_engines(
        self, folder: Path, manifest: Manifest, wanted: Thresholds, size: tuple[int, int]
    ) -> tuple[dict[str, Agreement], list[str]]:
        """Measure the graphs that are made for one engine alone on that engine, as `runtime="auto"` runs it.

        Returns:
            The figures by engine and precision, none for an engine that is not installed; and what was missed.
        """
        agreements: dict[str, Agreement] = {}
        missed = []
        known = engines()
        for name in sorted({graph.engine for graph in manifest.graphs} - {"", ENGINES[manifest.target]}):
            if name not in known or not known[name].installed:
                continue
            precision = preferred_precision(open_bundle(folder), name)
            with load(folder, runtime=name, precision=precision) as model:
                agreement = compare(model, self.reference, read_labelled_images(self.labelled), size=size)
                label = f"{model.runtime.name} {model.runtime.precision}"
            agreements[label] = agreement
            missed += [f"on {label}: {fault}" for fault in wanted.missed_by(agreement)]
        return agreements, missed


def format_size(size: tuple[int, int]) -> str:
    """Write a size (height, width) as people do: WIDTHxHEIGHT."""
    return f"{size[1]}x{size[0]}"
