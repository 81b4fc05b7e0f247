"""W8A8: what enters the encoder's linear layers is rounded to 8 bits, so that integer units can multiply it.

coremltools fits such ranges by running Core ML, which only macOS can. Here they are fitted in torch, by the same plan
as the ONNX export's, and written into the traced graph as pairs of `quantize` and `dequantize`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

# Registers torch's operators for a rounding and its inverse, which coremltools reads.
from torch.ao.quantization.fx import _decomposed  # noqa: F401

from sam_edge.errors import ExportError
from sam_edge.exporters.rounding import Rounding

LOWEST, HIGHEST = -128, 127
PLAN_PREFIX, PLAN_SUFFIX = "sam.image_encoder.", ".weight"
"""What the plan's names have round the names of the encoder's layers."""


class RoundedLinear(nn.Module):
    """A linear layer whose input is rounded to 8 bits."""

    def __init__(self, layer: nn.Linear, rounding: Rounding) -> None:
        """Round as `rounding` says, with steps counted from -128 instead of from 0."""
        super().__init__()
        self.layer = layer
        self.scale, self.zero_point = rounding.scale, rounding.zero_point + LOWEST

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        how = (self.scale, self.zero_point, LOWEST, HIGHEST, torch.int8)
        steps = torch.ops.quantized_decomposed.quantize_per_tensor(x, *how)
        return cast(Tensor, self.layer(torch.ops.quantized_decomposed.dequantize_per_tensor(steps, *how)))


def round_inputs(encoder: nn.Module, plan: Mapping[str, Rounding]) -> None:
    """Replace the linear layers of a plan by rounded ones, in place.

    Raises:
        ExportError: the plan names a layer that the encoder does not have.
    """
    for name, rounding in plan.items():
        path = name.removeprefix(PLAN_PREFIX).removesuffix(PLAN_SUFFIX)
        parent_path, _, own = path.rpartition(".")
        try:
            parent = encoder.get_submodule(parent_path)
            layer = encoder.get_submodule(path)
        except AttributeError as error:
            raise ExportError(f"coreml: the encoder has no layer {path!r}") from error
        if not isinstance(layer, nn.Linear):
            raise ExportError(f"coreml: layer {path!r} is not linear")
        setattr(parent, own, RoundedLinear(layer, rounding))
