"""Torch to Core ML packages (ML programs) of fixed sizes, in fp32 or fp16."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sam_edge.errors import ExportError, InputError
from sam_edge.exporters.coreml.coremltools_quiet import coremltools, quiet
from sam_edge.exporters.coreml.modules import CoreMLDecoder, CoreMLEncoder
from sam_edge.geometry import MASK_STRIDE, STRIDE
from sam_edge.nn import Sam

POINT_SLOTS = 11
"""Points a decoder takes: ten and the padding point, or nine and a box. With SAM's five output tokens they make 16."""
DEEPEST_RANK = 5
"""Core ML runs values of up to five axes."""
NOTES = ("executorch_debug_handle_mapping.json",)
"""Files that coremltools leaves in a package for its own debugger."""

Select = Callable[[Any], bool]


def convert_encoder(sam: Sam, size: tuple[int, int], *, half: bool) -> Any:
    """Convert the encoder for pictures of `size` (height, width).

    Args:
        sam: the model; not changed.
        size: sides of the input, multiples of 16.
        half: fp16, with what fp16 breaks left in fp32; else fp32 throughout.

    Returns:
        coremltools' model: input `image` (RGB), output `embedding`.
    """
    height, width = check_size(size)
    module = CoreMLEncoder(sam)
    shape = (1, 3, height, width)
    picture = coremltools.ImageType(name="image", shape=shape, color_layout=coremltools.colorlayout.RGB)
    return convert(module, (torch.zeros(shape),), [picture], ["embedding"], keep_encoder if half else None)


def convert_decoder(sam: Sam, size: tuple[int, int], *, half: bool, slots: int = POINT_SLOTS) -> Any:
    """Convert prompt encoder and mask decoder for pictures of `size` (height, width).

    Args:
        sam: the model; not changed.
        size: sides of the encoder's input, multiples of 16.
        half: fp16, with what fp16 breaks left in fp32; else fp32 throughout.
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
    inputs = [coremltools.TensorType(name=name, shape=value.shape) for name, value in example.items()]
    return convert(
        CoreMLDecoder(sam, (rows, columns)),
        tuple(example.values()),
        inputs,
        ["logits", "scores"],
        keep_decoder if half else None,
    )


def convert(
    module: nn.Module, example: tuple[Tensor, ...], inputs: list[Any], outputs: list[str], keep: Select | None
) -> Any:
    """Trace and convert one half; `keep` says which operations stay in fp32, None keeps all of them."""
    with torch.no_grad(), quiet():
        program = torch.export.export(module.eval(), example).run_decompositions({})
        precision: Any = coremltools.precision.FLOAT32
        if keep is not None:
            kept = keep
            precision = coremltools.transform.FP16ComputePrecision(op_selector=lambda op: not kept(op))
        return coremltools.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=coremltools.target.iOS17,
            compute_precision=precision,
            inputs=inputs,
            outputs=[coremltools.TensorType(name=name) for name in outputs],
            skip_model_load=True,
        )


def keep_encoder(operation: Any) -> bool:
    """Whether an operation of the encoder stays in fp32."""
    return False


def keep_decoder(operation: Any) -> bool:
    """Whether an operation of the decoder stays in fp32."""
    return False


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Refuse an input size that is not a pair of multiples of 16.

    Raises:
        InputError: names the value.
    """
    if len(size) != 2 or any(side < 64 or side % STRIDE for side in size):
        raise InputError(f"size: {size}; accepted: (height, width), multiples of {STRIDE} from 64")
    return size


def save(model: Any, package: Path) -> None:
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
