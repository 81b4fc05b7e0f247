"""The two halves of the model as ONNX graphs, for any input size.

Sizes stay symbolic all the way: `height` and `width` of the input, in multiples of 16. A runtime that fixes them when
it opens the graph gets the static graph of that size. Weights keep their names in the checkpoint, so that a quantizer
can find them.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from sam_edge.errors import ExportError, MissingExtraError
from sam_edge.nn import DecoderHalf, EncoderHalf, PointDecoderHalf, Sam
from sam_edge.nn.layers import fold_batch_norms
from sam_edge.nn.tiny_vit import Attention
from sam_edge.nn.two_way import ReducedAttention

try:
    import onnx
    import onnx.numpy_helper
    import onnxscript.optimizer
except ImportError as error:
    raise MissingExtraError("onnx and onnxscript", extra="export", purpose="exporting to ONNX") from error

OPSET = 20
"""The first opset with a Gelu operator of its own."""
FOLD_AT_MOST = 64
"""Constants up to this many values are folded. More would expand the attention biases from 196 values to 38,416."""
PARTS = ("q", "k", "v")
"""What `SplitAttention` calls its layers for queries, keys and values."""
KEY_BIAS = ".attn.k.bias"
"""End of the name of the bias of `SplitAttention`'s keys."""

DECODER_OUTPUTS: dict[str, tuple[int | str, ...]] = {
    "logits": ("prompts", 4, "4*rows", "4*columns"),
    "scores": ("prompts", 4),
}
"""Names and shapes of what a decoder gives."""


class NamedLinear(nn.Module):
    """A linear layer whose weight lies as ONNX multiplies it, (inputs, outputs), and so keeps its name."""

    def __init__(self, layer: nn.Linear) -> None:
        """Take over the weights of `layer`."""
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().T.contiguous())
        self.bias = nn.Parameter(layer.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return x @ self.weight + self.bias


class NamedAttention(ReducedAttention):
    """A `ReducedAttention` whose layers are `NamedLinear`."""

    def by_head(self, layer: nn.Linear) -> Tensor:
        """See `ReducedAttention.by_head`."""
        return layer.weight.view(-1, self.heads, self.head_width).permute(1, 2, 0)

    def from_head(self, layer: nn.Linear) -> Tensor:
        """See `ReducedAttention.from_head`."""
        return layer.weight.view(self.heads, self.head_width, -1)


def name_linears(module: nn.Module) -> None:
    """Replace every linear layer inside `module` by a `NamedLinear`, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, NamedLinear(child))
            continue
        if isinstance(child, ReducedAttention):
            child.__class__ = NamedAttention
        name_linears(child)


class SplitAttention(nn.Module):
    """TinyViT's window attention with a layer each for queries, keys and values.

    One layer for all three has to be cut apart again, which copies; three layers read the same rounded input.
    """

    offsets: Tensor

    def __init__(self, packed: Attention) -> None:
        """Take over the weights of `packed`; the scale of the scores lies in the queries."""
        super().__init__()
        self.heads, self.head_width = packed.heads, packed.head_width
        self.norm, self.proj, self.attention_biases = packed.norm, packed.proj, packed.attention_biases
        width = packed.qkv.in_features
        weight = packed.qkv.weight.detach().view(self.heads, 3, self.head_width, width)
        bias = packed.qkv.bias.detach().view(self.heads, 3, self.head_width)
        for place, name in enumerate(PARTS):
            layer = nn.Linear(width, width)
            scale = self.head_width**-0.5 if name == "q" else 1.0
            layer.weight = nn.Parameter(weight[:, place].reshape(width, width) * scale)
            layer.bias = nn.Parameter(bias[:, place].reshape(width) * scale)
            self.add_module(name, layer)
        self.register_buffer("offsets", packed.offsets, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See `Attention.forward`."""
        places, width = x.shape[1], x.shape[2]
        normal = self.norm(x)
        query, key, value = (
            self.get_submodule(name)(normal).view(-1, places, self.heads, self.head_width).transpose(1, 2)
            for name in PARTS
        )
        bias = self.attention_biases.index_select(1, self.offsets.long().flatten()).view(-1, places, places)
        weights = (query @ key.transpose(2, 3) + bias).softmax(dim=3)
        mixed: Tensor = self.proj((weights @ value).transpose(1, 2).reshape(-1, places, width))
        return mixed


def split_attentions(module: nn.Module) -> None:
    """Replace every `Attention` of TinyViT inside `module` by a `SplitAttention`, in place."""
    for name, child in module.named_children():
        if isinstance(child, Attention):
            setattr(module, name, SplitAttention(child))
        else:
            split_attentions(child)


def prepare_for_tracing(model: Sam) -> Sam:
    """Copy `model` with normalisation folded into its convolutions and its weights laid out for ONNX."""
    model = copy.deepcopy(model).eval()
    fold_batch_norms(model)
    split_attentions(model)
    name_linears(model)
    return model


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keep torch's exporter from warning about its own internals and about libraries that are not needed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def to_onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    dynamic: dict[str, dict[int, Any]],
    names: Mapping[str, tuple[int | str, ...]],
) -> onnx.ModelProto:
    """Trace `module` and give its inputs and outputs the `names` and symbolic shapes asked for.

    Raises:
        ExportError: the traced graph has other inputs or outputs than `names`.
    """
    inputs = list(dynamic)
    with torch.no_grad(), quiet_exporter():
        program = torch.export.export(module, example, dynamic_shapes=dynamic)
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=inputs,
            output_names=[name for name in names if name not in inputs],
            optimize=False,
            verbose=False,
        )
        if exported is None:
            raise ExportError("torch.onnx.export returned no program")
        onnxscript.optimizer.optimize_ir(
            exported.model, input_size_limit=FOLD_AT_MOST, output_size_limit=FOLD_AT_MOST
        )
    proto = exported.model_proto
    name_shapes(proto, names)
    strip_notes(proto)
    drop_zero_biases(proto.graph)
    onnx.checker.check_model(proto)
    return proto


def name_shapes(proto: onnx.ModelProto, names: Mapping[str, tuple[int | str, ...]]) -> None:
    """Write the symbolic shapes of `names` over those that the tracer invented."""
    values = {value.name: value for value in [*proto.graph.input, *proto.graph.output]}
    if set(values) != set(names):
        raise ExportError(f"traced graph has {sorted(values)}, expected {sorted(names)}")
    for name, shape in names.items():
        dimensions = values[name].type.tensor_type.shape.dim
        for dimension, size in zip(dimensions, shape, strict=True):
            if isinstance(size, str):
                dimension.dim_param = size
            else:
                dimension.dim_value = size
    del proto.graph.value_info[:]


def strip_notes(proto: onnx.ModelProto) -> None:
    """Drop the tracer's notes: they name source files of the machine that traced, and are larger than the graph."""
    for item in [proto, proto.graph, *proto.graph.node, *proto.graph.initializer, *proto.graph.input]:
        for field in ("doc_string", "metadata_props"):
            item.ClearField(field)
    for output in proto.graph.output:
        output.ClearField("metadata_props")
    for node in proto.graph.node:
        node.name = f"{node.op_type}_{node.output[0]}"


def drop_zero_biases(graph: onnx.GraphProto) -> None:
    """Drop the zeros that the tracer expands to be the bias of a convolution that has none."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    zeros = {
        node.output[0]
        for node in graph.node
        if node.op_type == "Expand"
        and node.input[0] in constants
        and not onnx.numpy_helper.to_array(constants[node.input[0]]).any()
    }
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] in zeros:
            del node.input[2]


def trace_encoder(model: Sam) -> onnx.ModelProto:
    """Trace the encoder: `image` uint8 (batch, height, width, 3) to `embedding` float32 (batch, 256, h/16, w/16)."""
    rows, columns, batch = (
        Dim("rows", min=4, max=512),
        Dim("columns", min=4, max=512),
        Dim("batch", min=1, max=64),
    )
    example = torch.zeros(2, 16 * 30, 16 * 46, 3, dtype=torch.uint8)
    return to_onnx(
        EncoderHalf(prepare_for_tracing(model)),
        (example,),
        {"image": {0: batch, 1: 16 * rows, 2: 16 * columns}},
        {
            "image": ("batch", "height", "width", 3),
            "embedding": ("batch", 256, "height/16", "width/16"),
        },
    )


def trace_decoder(model: Sam) -> onnx.ModelProto:
    """Trace prompt encoder and mask decoder. See `Sam.decode` for inputs and outputs."""
    rows, columns = Dim("rows", min=4, max=512), Dim("columns", min=4, max=512)
    prompts, points = Dim("prompts", min=1, max=4096), Dim("points", min=1, max=256)
    example = (
        torch.zeros(1, 256, 30, 46),
        torch.zeros(3, 5, 2),
        torch.ones(3, 5, dtype=torch.int32),
        torch.zeros(3, 1, 120, 184),
        torch.zeros(3),
    )
    return to_onnx(
        DecoderHalf(prepare_for_tracing(model)),
        example,
        {
            "embedding": {2: rows, 3: columns},
            "points": {0: prompts, 1: points},
            "labels": {0: prompts, 1: points},
            "mask": {0: prompts, 2: 4 * rows, 3: 4 * columns},
            "has_mask": {0: prompts},
        },
        {
            "embedding": (1, 256, "rows", "columns"),
            "points": ("prompts", "points", 2),
            "labels": ("prompts", "points"),
            "mask": ("prompts", 1, "4*rows", "4*columns"),
            "has_mask": ("prompts",),
            **DECODER_OUTPUTS,
        },
    )


def trace_point_decoder(model: Sam) -> onnx.ModelProto:
    """Trace the decoder for prompts without a mask: cheaper, above all for several prompts at once."""
    rows, columns = Dim("rows", min=4, max=512), Dim("columns", min=4, max=512)
    prompts, points = Dim("prompts", min=1, max=4096), Dim("points", min=1, max=256)
    return to_onnx(
        PointDecoderHalf(prepare_for_tracing(model)),
        (torch.zeros(1, 256, 30, 46), torch.zeros(3, 5, 2), torch.ones(3, 5, dtype=torch.int32)),
        {
            "embedding": {2: rows, 3: columns},
            "points": {0: prompts, 1: points},
            "labels": {0: prompts, 1: points},
        },
        {
            "embedding": (1, 256, "rows", "columns"),
            "points": ("prompts", "points", 2),
            "labels": ("prompts", "points"),
            **DECODER_OUTPUTS,
        },
    )
