"""Smaller packages: weights in 8 bits, or as indices into tables of 64 or 16 values.

Measured on MobileSAM's encoder (squared relative error of the embedding, photographs, all weights of a kind rounded):
8 bits with a scale an output channel cost 1e-4 in the linear layers and 9e-4 in the convolutions, which are a fifth of
the values; a table of 64 values for a whole tensor costs 0.02 in the linear layers and 0.15 in the convolutions, whose
channels differ a hundredfold. So convolutions keep their format or 8 bits, and only linear layers get tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sam_edge.exporters.coreml.coremltools_quiet import coremltools, quiet

SMALLEST = 512
"""Constants of fewer values are left as they are."""


@dataclass(frozen=True, slots=True)
class Compression:
    """How the weights of a package are stored."""

    linear_bits: int
    """Bits a value of linear layers and attention biases: 8, or 6 or 4 with a table."""
    convolution_bits: int
    """Bits a value of convolutions: 16 leaves them as they are, or 8."""
    channels_a_table: int | None = None
    """Output channels that share a table, which needs iOS 18; None is one table a tensor."""


def compress(model: Any, how: Compression) -> Any:
    """Store the weights of a converted model in fewer bits.

    Args:
        model: coremltools' model.
        how: what to store how.

    Returns:
        A new model.
    """
    # What is added in the encoder are attention biases; in the decoder, positions, which are better left exact.
    outputs = {entry.name for entry in model.get_spec().description.output}
    products = ("linear", "add") if "embedding" in outputs else ("linear",)
    convolutions = ("conv",) if how.convolution_bits == 8 else ()
    if how.linear_bits == 8:
        return store_int8_weights(model, products + convolutions)
    model = store_palettes(model, products, how)
    return store_int8_weights(model, convolutions) if convolutions else model


def store_int8_weights(model: Any, users: tuple[str, ...]) -> Any:
    """Store the weights of some types of operation in 8 bits with one scale an output channel."""
    tools = coremltools.optimize.coreml
    one = tools.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=SMALLEST)
    how = tools.OptimizationConfig(op_name_configs=dict.fromkeys(weights_of(model, users), one))
    with quiet():
        return tools.linear_quantize_weights(model, config=how)


def store_palettes(model: Any, users: tuple[str, ...], how: Compression) -> Any:
    """Store the weights of some types of operation as indices into tables of k-means centres."""
    tools = coremltools.optimize.coreml
    whole = tools.OpPalettizerConfig(mode="kmeans", nbits=how.linear_bits, weight_threshold=SMALLEST)
    one_each = dict.fromkeys(weights_of(model, users), whole)
    if how.channels_a_table is not None:
        grouped = tools.OpPalettizerConfig(
            mode="kmeans",
            nbits=how.linear_bits,
            weight_threshold=SMALLEST,
            granularity="per_grouped_channel",
            group_size=how.channels_a_table,
            channel_axis=0,
        )
        one_each.update(dict.fromkeys(weights_of(model, ("linear",)), grouped))
    with quiet():
        return tools.palettize_weights(model, config=tools.OptimizationConfig(op_name_configs=one_each))


def weights_of(model: Any, users: tuple[str, ...]) -> list[str]:
    """Name the constants of two or more axes that operations of some types take.

    They are configured by name because equal constants are stored once, and coremltools refuses a constant whose users
    are configured differently.
    """
    function = model.get_spec().mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    used = {
        bound.name
        for operation in operations
        if operation.type in users
        for argument in operation.inputs.values()
        for bound in argument.arguments
    }
    return [
        operation.attributes["name"].immediateValue.tensor.strings.values[0]
        for operation in operations
        if operation.type == "const"
        and operation.outputs[0].name in used
        and operation.outputs[0].type.tensorType.rank > 1
    ]
