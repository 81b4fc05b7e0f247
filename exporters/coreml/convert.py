"""Torch to Core ML packages (ML programs) of fixed sizes, in fp32 or fp16."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sam_edge.errors import ExportError, InputError
from sam_edge.exporters.coreml.activations import round_inputs
from sam_edge.exporters.coreml.coremltools_quiet import coremltools, quiet
from sam_edge.exporters.coreml.modules import CoreMLDecoder, CoreMLEncoder
from sam_edge.exporters.rounding import Rounding
from sam_edge.geometry import MASK_STRIDE, STRIDE
from sam_edge.nn import Sam

POINT_SLOTS = 11
"""Points a decoder takes: ten and the padding point, or nine and a box. With SAM's five output tokens they make 16."""
DEEPEST_RANK = 5
"""Core ML runs values of up to five axes."""
NOTES = ("executorch_debug_handle_mapping.json",)
"""Files that coremltools leaves in a package for its own debugger."""


def convert_encoder(
    sam: Sam,
    size: tuple[int, int],
    *,
    half: bool,
    newer: bool = False,
    plan: Mapping[str, Rounding] | None = None,
) -> Any:
    """Convert the encoder for images of `size` (height, width).

    Args:
        sam: the model; not changed.
        size: sides of the input, multiples of 16.
        half: fp16; else fp32.

    Returns:
        coremltools' model: input `image` (RGB), output `embedding`.
    """
    height, width = check_size(size)
    shape = (1, 3, height, width)
    image = coremltools.ImageType(name="image", shape=shape, color_layout=coremltools.colorlayout.RGB)
    embedding = coremltools.TensorType(name="embedding", dtype=np.float16 if half else np.float32)
    module = CoreMLEncoder(sam, half=half)
    round_inputs(module.encoder, plan or {})
    return convert(module, (torch.zeros(shape),), [image], [embedding], half=half, newer=newer)


def convert_decoder(
    sam: Sam, size: tuple[int, int], *, half: bool, newer: bool = False, slots: int = POINT_SLOTS
) -> Any:
    """Convert prompt encoder and mask decoder for images of `size` (height, width).

    Args:
        sam: the model; not changed.
        size: sides of the encoder's input, multiples of 16.
        half: fp16, but for the angles of point positions; else fp32.
        slots: points a prompt has room for; label -2 marks an empty slot.

    Returns:
        coremltools' model; see `CoreMLDecoder.forward` for inputs and outputs.
    """
    height, width = check_size(size)
    rows, columns = height // STRIDE, width // STRIDE
    example = {
        "embedding": torch.zeros(1, 256, rows, columns),
        "points": torch.zeros(1, slots, 2),
        "labels": torch.ones(1, slots, dtype=torch.int32),
        "mask": torch.zeros(1, 1, height // MASK_STRIDE, width // MASK_STRIDE),
        "has_mask": torch.zeros(1),
    }
    formats = {name: np.int32 if name == "labels" else np.float32 for name in example}
    if half:
        formats["embedding"] = np.float16
    inputs = [
        coremltools.TensorType(name=name, shape=value.shape, dtype=formats[name])
        for name, value in example.items()
    ]
    outputs = [coremltools.TensorType(name=name, dtype=np.float32) for name in ("logits", "scores")]
    module = CoreMLDecoder(sam, (rows, columns))
    return convert(module, tuple(example.values()), inputs, outputs, half=half, newer=newer)


def convert(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: list[Any],
    outputs: list[Any],
    *,
    half: bool,
    newer: bool,
) -> Any:
    """Trace and convert one half of the model."""
    with torch.no_grad(), quiet():
        program = torch.export.export(module.eval(), example).run_decompositions({})
        precision: Any = coremltools.precision.FLOAT32
        if half:
            precision = coremltools.transform.FP16ComputePrecision(op_selector=lambda op: not is_angle(op))
        return coremltools.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=coremltools.target.iOS18 if newer else coremltools.target.iOS17,
            compute_precision=precision,
            inputs=inputs,
            outputs=outputs,
            skip_model_load=True,
        )


def is_angle(operation: Any) -> bool:
    """Whether an operation computes the angles of point positions, or their sine or cosine.

    They stay in fp32: half precision tells places apart by half a pixel at 600, and angles of 60 radians by 0.03.
    """
    seen, waiting = {id(operation)}, [operation]
    while waiting:
        current = waiting.pop()
        if current.op_type in ("sin", "cos"):
            return True
        for after in (child for result in current.outputs for child in result.child_ops):
            if id(after) not in seen:
                seen.add(id(after))
                waiting.append(after)
    return False


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Refuse an input size that is not a pair of multiples of 16.

    Raises:
        InputError: names the value.
    """
    if len(size) != 2 or any(side < 64 or side % STRIDE for side in size):
        raise InputError(f"size: {size}; accepted: (height, width), multiples of {STRIDE} from 64")
    return size


def save_package(model: Any, package: Path) -> None:
    """Write a model as a package, without the notes that coremltools leaves for its own debugger.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        with quiet():
            model.save(str(package))
        for name in NOTES:
            (package / name).unlink(missing_ok=True)
    except OSError as error:
        shutil.rmtree(package, ignore_errors=True)
        raise ExportError(f"out: {package} cannot be written: {error}") from error
