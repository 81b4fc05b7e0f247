"""From a checkpoint to a bundle of Core ML packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sam_edge.bundle import GraphEntry, Manifest, TensorEntry
from sam_edge.errors import ExportError, InputError
from sam_edge.exporters.bundle_writer import UNKNOWN_ORIGIN, new_folder, tool_versions, write_manifest
from sam_edge.exporters.coreml.compress import Compression, compress
from sam_edge.exporters.coreml.convert import (
    DEEPEST_RANK,
    check_size,
    convert_decoder,
    convert_encoder,
    save_package,
)
from sam_edge.exporters.coreml.evaluate_mil import Program, read_package
from sam_edge.exporters.gate import Gate
from sam_edge.exporters.image_sets import CalibrationSet
from sam_edge.exporters.quantize import plan_quantization
from sam_edge.exporters.rounding import Rounding, linear_layers
from sam_edge.nn import ORIGINS, Sam
from sam_edge.precision import replace_former_name
from sam_edge.version import __version__

SIZES = ((448, 672), (448, 448))
"""Input sizes (height, width) that are exported when none are asked for."""
TOOLS = ("torch", "coremltools", "numpy")
NUMPY_NAMES = {"FLOAT16": "float16", "FLOAT32": "float32", "INT32": "int32"}
MEANING = {
    "image": "RGB image, letterboxed into the top-left corner; Core ML takes it as a CVPixelBuffer",
    "embedding": "embedding, stride 16",
    "points": "x, y in input pixels; a pixel's own index is its place",
    "labels": "1 object, 0 not, 2 and 3 a box's corners, -1 padding (ends a prompt without a box), -2 an empty slot",
    "mask": "logits of a mask prompt",
    "has_mask": "1 where the mask is to be used, 0 where it is to be ignored",
    "logits": "low-resolution logits of all four masks, 4 input pixels apart; > 0 is inside",
    "scores": "predicted IoU of all four masks",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the packages of a precision are made."""

    half: bool
    """fp16 instead of fp32."""
    weights: Compression | None = None
    """How weights are stored; None leaves them in the format of the arithmetic."""
    activations: bool = False
    """Whether what enters the encoder's linear layers is rounded to 8 bits."""

    @property
    def newer(self) -> bool:
        """Whether it needs iOS 18 and macOS 15."""
        return self.weights is not None and self.weights.channels_a_table is not None


RECIPES = {
    "fp32": Recipe(half=False),
    "fp16": Recipe(half=True),
    "int8_weights": Recipe(half=True, weights=Compression(linear_bits=8, convolution_bits=16)),
    "palette6": Recipe(half=True, weights=Compression(linear_bits=6, convolution_bits=8)),
    "palette4": Recipe(half=True, weights=Compression(linear_bits=4, convolution_bits=8, channels_a_table=4)),
    "int8": Recipe(half=True, weights=Compression(linear_bits=8, convolution_bits=16), activations=True),
}
"""Precisions by name."""


def export_coreml(
    model: Sam,
    out: Path,
    *,
    precision: str = "fp16",
    sizes: Sequence[tuple[int, int]] | None = None,
    calibration: CalibrationSet | None = None,
    gate: Gate | None = None,
) -> Manifest:
    """Write a bundle of Core ML packages, whole or not at all: an encoder and a decoder an input size.

    Args:
        model: the model in torch; not changed.
        out: the bundle's folder; must not exist, or be a bundle, which is replaced.
        precision: `fp32`; `fp16`; `int8_weights`: fp16 with weights in 8 bits; `palette6`, `palette4`: with weights as
            indices into tables of 64 or 16 values; `int8`: `int8_weights` with 8-bit inputs of the encoder's matrix
            products.
        sizes: input sizes (height, width), multiples of 16, best of 224; None is those of the gate, or `SIZES`.
        calibration: what to fit `int8` on.
        gate: what the bundle has to pass before it is moved to `out`. Without Core ML, the evaluator runs it.

    Raises:
        GateError: it lost too much accuracy.
        InputError: the precision or a size is not accepted, or int8 was asked for without calibration images.
        ExportError: the conversion gave a program that Core ML does not run, or `out` is in the way or cannot be
            written.
    """
    precision = replace_former_name(precision)
    if precision not in RECIPES:
        raise InputError(
            f"precision: {precision!r} is not accepted for coreml; accepted: {', '.join(RECIPES)}"
        )
    if sizes is None:
        sizes = gate.sizes if gate is not None else SIZES
    if not sizes:
        raise InputError("sizes: none given; accepted: one or more (height, width)")
    wanted = sorted({check_size(size) for size in sizes})
    recipe = RECIPES[precision]
    rounded, plan = model, dict[str, Rounding]()
    if recipe.activations:
        if calibration is None:
            raise InputError(
                "calibration: int8 is fitted on images; give a folder of them with --calibration"
            )
        planned = plan_quantization(model, calibration.images)
        rounded = planned.model
        plan = {name: planned.layers[name] for name in linear_layers(model) if name in planned.layers}
    origin = ORIGINS.get(model.name, UNKNOWN_ORIGIN)
    with new_folder(out) as folder:
        graphs = []
        for size in wanted:
            encoder = convert_encoder(rounded, size, half=recipe.half, newer=recipe.newer, plan=plan)
            decoder = convert_decoder(model, size, half=recipe.half, newer=recipe.newer)
            for role, converted in (("encoder", encoder), ("decoder", decoder)):
                name = f"{role}_{size[1]}x{size[0]}.mlpackage"
                small = compress(converted, recipe.weights) if recipe.weights else converted
                describe_model(small, f"{model.name} {role} {size[1]}x{size[0]} {precision}", origin)
                save_package(small, folder / name)
                graphs.append(describe_graph(role, name, read_package(folder / name)))
        return write_manifest(
            folder,
            model,
            name=f"{model.name}-coreml-{precision}",
            target="coreml",
            precision=precision,
            graphs=graphs,
            tools=tool_versions(TOOLS),
            sizes=wanted,
            calibration=calibration,
            gate=gate,
        )


def describe_model(model: Any, title: str, licence: str) -> None:
    """Write into a model what Xcode shows of it."""
    model.short_description, model.license, model.author = title, licence, "sam-edge"
    model.version = __version__
    description = model.get_spec().description
    for entries, notes in (
        (description.input, model.input_description),
        (description.output, model.output_description),
    ):
        for entry in entries:
            notes[entry.name] = MEANING[entry.name]


def describe_graph(role: str, name: str, program: Program) -> GraphEntry:
    """Describe one package as it lies on disk.

    Raises:
        ExportError: a value of its program has more axes than Core ML runs.
    """
    if program.deepest_rank > DEEPEST_RANK:
        raise ExportError(
            f"coreml: a value of {name} has {program.deepest_rank} axes; accepted: up to {DEEPEST_RANK}"
        )
    inputs = []
    for key, kind in program.inputs.items():
        entry = TensorEntry(key, kind.shape, NUMPY_NAMES[kind.dtype], MEANING[key])
        if key in program.image_inputs:
            batch, colours, height, width = kind.shape
            entry = replace(entry, shape=(batch, height, width, colours), dtype="uint8")
        inputs.append(entry)
    declared = {
        key: kind
        for operation in program.operations
        for key, kind in operation.outputs
        if key in program.outputs
    }
    outputs = tuple(
        TensorEntry(key, declared[key].shape, NUMPY_NAMES[declared[key].dtype], MEANING[key])
        for key in program.outputs
    )
    return GraphEntry(role=role, file=name, multiple_of=16, inputs=tuple(inputs), outputs=outputs)
