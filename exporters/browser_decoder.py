"""The point decoder in the form that suits onnxruntime-web: the same weights, another order of sums.

WebAssembly multiplies 128 bits at a time and has neither fused products nor a fast error function, so the expensive
operations differ from those on a CPU: three fifths of the time of `decoder_points` go into products with the image, a
quarter into GELU and layer normalisation. Here

* both attentions between tokens and image bring the few tokens to the image's channels, in every block: a place is
  multiplied with 8 numbers a token instead of with 128, and its layout never changes;
* layer normalisation is spelt out, and what it adds is left to the constants that follow;
* GELU is the one with tanh (within 0.0005 of the other);
* the two transposed convolutions that make 16 places of one multiply in 8 bits, with a scale that is found as it runs.

In 8 bits the attentions would be faster still, but the masks would not be the same: IoU .57 at worst.

The graph keeps `decoder_points`' inputs, outputs and file of weights.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_tensor

from sam_edge.bundle import MANIFEST, POINT_DECODER, Bundle, describe_file, open_bundle
from sam_edge.errors import ExportError
from sam_edge.exporters.onnx_weights import channel_scale, drop_unused, round_channels
from sam_edge.exporters.onnx_writer import GraphWriter

BROWSER_DECODER = "decoder_browser"
"""Role of the graph, and its file's name."""
ENGINE = "onnxruntime-web"
HEADS, WIDTH, INSIDE, MASKS = 8, 256, 128, 4
FEWER, LEAST = WIDTH // 4, WIDTH // 8
"""Channels after the first and after the second transposed convolution."""
STRIDE_SHARE = 16 / 1024
"""A place of the embedding, as a share of the canvas that SAM counts positions in."""
CANVAS = 1024
BLOCK_EPS, CHANNEL_EPS = 1e-5, 1e-6
DECODER = "sam.mask_decoder"
TRANSFORMER = f"{DECODER}.transformer"
PROMPTS = "sam.prompt_encoder"

Array = NDArray[np.float32]


def write_layer_norm(to: GraphWriter, x: str, layer: str) -> str:
    """Normalise tokens."""
    gain, bias = to.weight(f"{layer}.weight"), to.weight(f"{layer}.bias")
    return to.op("LayerNormalization", x, gain, bias, axis=-1, epsilon=BLOCK_EPS)


def split_heads(to: GraphWriter, x: str, inside: int) -> str:
    """(P, N, inside) to (P, heads, N, inside / heads)."""
    return to.op("Transpose", to.shape(x, 0, 0, HEADS, inside // HEADS), perm=[0, 2, 1, 3])


def merge_heads(to: GraphWriter, x: str, inside: int) -> str:
    """Undo `split_heads`."""
    return to.shape(to.op("Transpose", x, perm=[0, 2, 1, 3]), 0, 0, inside)


def split_weight_by_head(to: GraphWriter, name: str) -> str:
    """The weight of a projection (C, inside), head by head: (heads, inside / heads, C)."""
    return to.op("Transpose", to.shape(name, WIDTH, HEADS, INSIDE // HEADS), perm=[1, 2, 0])


def write_tokens(to: GraphWriter) -> str:
    """Prompts to tokens (P, 5 + points, 256), the outputs' own first."""
    place = to.op("Add", to.op("Mul", "points", to.const(2 / CANVAS)), to.const(1 / CANVAS - 1))
    matrix = to.weight(f"{PROMPTS}.pe_layer.positional_encoding_gaussian_matrix")
    angle = to.op("Mul", to.op("MatMul", place, matrix), to.const(2 * np.pi))
    features = to.op("Concat", to.op("Sin", angle), to.op("Cos", angle), axis=-1)
    seen = to.op("Cast", to.op("GreaterOrEqual", "labels", to.const(0, np.int32)), to=TensorProto.FLOAT)
    features = to.op("Mul", features, to.op("Unsqueeze", seen, to.ints(-1)))
    points = [to.weight(f"{PROMPTS}.point_embeddings.{kind}.weight") for kind in range(4)]
    table = to.op("Concat", to.weight(f"{PROMPTS}.not_a_point_embed.weight"), *points, axis=0)
    kind = to.op("Gather", table, to.op("Add", "labels", to.const(1, np.int32)), axis=0)
    own = [to.weight(f"{DECODER}.iou_token.weight"), to.weight(f"{DECODER}.mask_tokens.weight")]
    own_all = to.op("Unsqueeze", to.op("Concat", *own, axis=0), to.ints(0))
    prompts = to.op("Shape", "labels", start=0, end=1)
    shape = to.op("Concat", prompts, to.ints(1 + MASKS, WIDTH), axis=0)
    return to.op("Concat", to.op("Expand", own_all, shape), to.op("Add", kind, features), axis=1)


def write_positions(to: GraphWriter) -> str:
    """Features of every place of the embedding: (1, places, 256). Constant once the size is known."""
    matrix = to.weight(f"{PROMPTS}.pe_layer.positional_encoding_gaussian_matrix")
    axes = []
    for axis, row in ((2, 1), (3, 0)):
        side = to.shape(to.op("Shape", "embedding", start=axis, end=axis + 1), -1)
        count = to.op("Squeeze", side, to.ints(0))
        index = to.op("Range", to.const(0, np.int64), count, to.const(1, np.int64))
        along = to.op("Cast", index, to=TensorProto.FLOAT)
        along = to.op("Add", to.op("Mul", along, to.const(2 * STRIDE_SHARE)), to.const(STRIDE_SHARE - 1))
        shape = to.ints(-1, 1, 1) if row else to.ints(1, -1, 1)
        features = to.op("Gather", matrix, to.const([row], np.int64), axis=0)
        axes.append(to.op("Mul", to.op("Reshape", along, shape), features))
    angle = to.op("Mul", to.op("Add", *axes), to.const(2 * np.pi))
    features = to.op("Concat", to.op("Sin", angle), to.op("Cos", angle), axis=-1)
    return to.shape(features, 1, -1, WIDTH)


def write_self_attention(to: GraphWriter, query: str, value: str, layer: str) -> str:
    """Tokens attend to one another."""
    parts = [
        split_heads(to, to.linear(x, f"{layer}.{part}_proj"), WIDTH)
        for part, x in (("q", query), ("k", query), ("v", value))
    ]
    keys = to.op("Transpose", parts[1], perm=[0, 1, 3, 2])
    scores = to.op("Mul", to.op("MatMul", parts[0], keys), to.const((WIDTH // HEADS) ** -0.5))
    mixed = to.op("MatMul", to.op("Softmax", scores, axis=-1), parts[2])
    return to.linear(merge_heads(to, mixed, WIDTH), f"{layer}.out_proj")


def write_token_to_image_attention(
    to: GraphWriter, query: str, keys: str, values: str, added: str, layer: str
) -> str:
    """Tokens attend to the image. `added` is what every value lacks: attention's shares sum to one."""
    asked = split_heads(to, to.linear(query, f"{layer}.q_proj"), INSIDE)
    asked = to.op("Mul", asked, to.const((INSIDE // HEADS) ** -0.5))
    at_keys = to.op("MatMul", asked, split_weight_by_head(to, to.weight(f"{layer}.k_proj.weight")))
    at_keys = to.shape(at_keys, 0, -1, WIDTH)
    scores = to.op("MatMul", at_keys, to.op("Transpose", keys, perm=[0, 2, 1]))
    seen = to.op("MatMul", to.op("Softmax", scores, axis=-1), values)
    seen = to.shape(to.op("Add", seen, added), 0, HEADS, -1, WIDTH)
    inside = to.op("Transpose", split_weight_by_head(to, to.weight(f"{layer}.v_proj.weight")), perm=[0, 2, 1])
    mixed = merge_heads(to, to.op("MatMul", seen, inside), INSIDE)
    mixed = to.op("Add", mixed, to.weight(f"{layer}.v_proj.bias"))
    return to.linear(mixed, f"{layer}.out_proj")


def write_image_to_token_attention(
    to: GraphWriter, keys: str, tokens: str, tokens_placed: str, bias: str, layer: str
) -> str:
    """The image attends to the tokens: (P, places, 256), with `bias` added to every place."""
    asked = split_heads(to, to.linear(tokens_placed, f"{layer}.k_proj"), INSIDE)
    asked = to.op("Mul", asked, to.const((INSIDE // HEADS) ** -0.5))
    at_places = to.op("MatMul", asked, split_weight_by_head(to, to.weight(f"{layer}.q_proj.weight")))
    at_places = to.shape(at_places, 0, -1, WIDTH)
    asked_of = to.shape(to.weight(f"{layer}.q_proj.bias"), HEADS, INSIDE // HEADS, 1)
    offset = to.shape(to.op("MatMul", asked, asked_of), 0, 1, -1)
    scores = to.op("MatMul", keys, to.op("Transpose", at_places, perm=[0, 2, 1]))
    scores = to.op("Add", scores, offset)
    of_heads = to.shape(scores, 0, 0, HEADS, -1)
    shares = to.op("Reshape", to.op("Softmax", of_heads, axis=-1), to.op("Shape", scores))
    # Token values are projected to the image's channels first, so that one product mixes them for a place. The shares
    # of every head sum to one, so a bias may be added to the values of all tokens, an equal part for each head.
    values = split_heads(to, to.linear(tokens, f"{layer}.v_proj"), INSIDE)
    out = to.shape(to.weight(f"{layer}.out_proj.weight"), HEADS, INSIDE // HEADS, WIDTH)
    values_wide = to.shape(to.op("MatMul", values, out), 0, -1, WIDTH)
    values_wide = to.op("Add", values_wide, to.op("Mul", bias, to.const(1 / HEADS)))
    return to.op("MatMul", shares, values_wide)


def write_normalization(to: GraphWriter, x: str) -> str:
    """Bring every place to a mean of 0 and a variance of 1."""
    last = to.ints(-1)
    centred = to.op("Sub", x, to.op("ReduceMean", x, last, keepdims=1))
    return scale_to_unit_variance(to, centred, WIDTH, BLOCK_EPS)


def scale_to_unit_variance(to: GraphWriter, centred: str, channels: int, eps: float) -> str:
    """Bring places whose mean is 0 to a variance of 1."""
    power = to.op("ReduceSumSquare", centred, to.ints(-1), keepdims=1)
    # sqrt(sum / n + eps), with n taken out of the root
    length = to.op("Sqrt", to.op("Add", power, to.const(channels * eps)))
    return to.op("Mul", centred, to.op("Div", to.const(channels**0.5), length))


def write_transformer(to: GraphWriter) -> tuple[str, str]:
    """Tokens and image attend to one another: the tokens, and the image before its last gain and bias."""
    positions = write_positions(to)
    image = to.op("Transpose", to.shape("embedding", 1, WIDTH, -1), perm=[0, 2, 1])
    tokens_at = tokens = write_tokens(to)
    added, normal = to.weight(f"{PROMPTS}.no_mask_embed.weight"), image
    for depth in range(2):
        layer = f"{TRANSFORMER}.layers.{depth}"
        placed = tokens if depth == 0 else to.op("Add", tokens, tokens_at)
        own = write_self_attention(to, placed, tokens, f"{layer}.self_attn")
        tokens = write_layer_norm(to, own if depth == 0 else to.op("Add", tokens, own), f"{layer}.norm1")
        keys = to.op("Add", image, to.op("Add", positions, added))
        look = f"{layer}.cross_attn_token_to_image"
        seen = write_token_to_image_attention(to, to.op("Add", tokens, tokens_at), keys, image, added, look)
        tokens = write_layer_norm(to, to.op("Add", tokens, seen), f"{layer}.norm2")
        hidden = to.op("Relu", to.linear(tokens, f"{layer}.mlp.lin1"))
        tokens = write_layer_norm(
            to, to.op("Add", tokens, to.linear(hidden, f"{layer}.mlp.lin2")), f"{layer}.norm3"
        )
        answer = f"{layer}.cross_attn_image_to_token"
        bias = to.op("Add", to.weight(f"{answer}.out_proj.bias"), added)
        update = write_image_to_token_attention(
            to, keys, tokens, to.op("Add", tokens, tokens_at), bias, answer
        )
        normal = write_normalization(to, to.op("Add", image, update))
        image = to.op("Mul", normal, to.weight(f"{layer}.norm4.weight"))
        added = to.weight(f"{layer}.norm4.bias")
    # Only the output tokens are read from here on, not the prompt's own.
    ends = (to.ints(0), to.ints(1 + MASKS), to.ints(1))
    tokens, tokens_at = (to.op("Slice", x, *ends) for x in (tokens, tokens_at))
    last = f"{TRANSFORMER}.final_attn_token_to_image"
    keys = to.op("Add", image, to.op("Add", positions, added))
    seen = write_token_to_image_attention(to, to.op("Add", tokens, tokens_at), keys, image, added, last)
    return write_layer_norm(to, to.op("Add", tokens, seen), f"{TRANSFORMER}.norm_final_attn"), normal


def write_mlp(to: GraphWriter, x: str, layer: str) -> str:
    """Three layers with ReLU between them."""
    for index in range(2):
        x = to.op("Relu", to.linear(x, f"{layer}.layers.{index}"))
    return to.linear(x, f"{layer}.layers.2")


def write_product(to: GraphWriter, x: str, weight: Array, bias: Array, *, in_8_bits: bool) -> str:
    """Multiply places with a constant, and add one."""
    if not in_8_bits:
        return to.op("Add", to.op("MatMul", x, to.const(weight)), to.const(bias))
    scale = channel_scale(weight, 1)
    stored, zero = (
        to.const(round_channels(weight, scale, 1), np.int8),
        to.const(np.zeros(len(scale)), np.int8),
    )
    inputs = (x, stored, to.const(scale), zero, to.const(bias))
    return to.op("DynamicQuantizeMatMul", *inputs, domain="com.microsoft")


def write_masks(
    to: GraphWriter, tokens: str, normal: str, weights: dict[str, Array], *, in_8_bits: bool
) -> None:
    """Tokens and image to the outputs."""
    parts = [to.op("Gather", tokens, to.const(1 + index, np.int64), axis=1) for index in range(MASKS)]
    parts = [
        to.op("Unsqueeze", write_mlp(to, part, f"{DECODER}.output_hypernetworks_mlps.{index}"), to.ints(1))
        for index, part in enumerate(parts)
    ]
    kernels = to.op("Concat", *parts, axis=1)
    # The image's gain and bias lie in the product, and so does the mean that the next normalisation takes off.
    gain, bias = (weights[f"{TRANSFORMER}.layers.1.norm4.{name}"] for name in ("weight", "bias"))
    first = weights["first"].reshape(WIDTH, 4, FEWER)
    first = first - first.mean(axis=2, keepdims=True)
    first_bias = np.tile(weights["first_bias"] - weights["first_bias"].mean(), 4) + bias @ first.reshape(
        WIDTH, -1
    )
    first = gain[:, None] * first.reshape(WIDTH, -1)
    x = write_product(to, normal, first, first_bias, in_8_bits=in_8_bits)
    x = scale_to_unit_variance(to, to.shape(x, 0, -1, FEWER), FEWER, CHANNEL_EPS)
    x = to.op("Add", to.op("Mul", x, to.const(weights["norm"])), to.const(weights["norm_bias"]))
    x = to.op("Gelu", x, approximate="tanh")
    second, second_bias = weights["second"].reshape(FEWER, -1), np.tile(weights["second_bias"], 4)
    x = write_product(to, x, second, second_bias, in_8_bits=in_8_bits)
    patches = to.shape(to.op("Gelu", x, approximate="tanh"), 0, -1, LEAST)
    flat = to.op("MatMul", kernels, to.op("Transpose", patches, perm=[0, 2, 1]))
    rows, columns = (to.op("Shape", "embedding", start=axis, end=axis + 1) for axis in (2, 3))
    prompts = to.op("Shape", "labels", start=0, end=1)
    blocks = to.op("Concat", prompts, to.ints(MASKS), rows, columns, to.ints(2, 2, 2, 2), axis=0)
    ordered = to.op("Transpose", to.op("Reshape", flat, blocks), perm=[0, 1, 2, 4, 6, 3, 5, 7])
    sides = [to.op("Mul", side, to.ints(4)) for side in (rows, columns)]
    shape = to.op("Concat", prompts, to.ints(MASKS), *sides, axis=0)
    to.op("Reshape", ordered, shape, out="logits")
    head = to.op("Gather", tokens, to.const(0, np.int64), axis=1)
    to.op("Identity", write_mlp(to, head, f"{DECODER}.iou_prediction_head"), out="scores")


def find_reader(graph: onnx.GraphProto, name: str, kind: str) -> onnx.NodeProto:
    """Return the node of `kind` that reads `name`, past the shapes in between.

    Raises:
        ExportError: there is none.
    """
    names = {name}
    for node in graph.node:
        if names.isdisjoint(node.input):
            continue
        if node.op_type == kind:
            return node
        names.update(node.output)
    raise ExportError(f"decoder: nothing of {kind} reads {name}, so it is none that this version exported")


def find_upscaling_weights(graph: onnx.GraphProto, tensors: dict[str, TensorProto]) -> dict[str, Array]:
    """Find weights and biases of the two transposed convolutions, which lost their names.

    Raises:
        ExportError: there are none.
    """
    weights = {}
    for part, channels in (("first", WIDTH), ("second", FEWER)):
        shape = [channels, 2, 2, channels // (4 if part == "first" else 2)]
        weight = next((tensor for tensor in tensors.values() if list(tensor.dims) == shape), None)
        if weight is None:
            raise ExportError(
                f"decoder: it has no weight of {shape}, so it is none that this version exported"
            )
        stored = weight.name.removesuffix("_f16")
        product = find_reader(graph, stored, "MatMul")
        added = find_reader(graph, product.output[0], "Add")
        tile = next(node for node in graph.node if node.op_type == "Tile" and node.output[0] in added.input)
        weights[part] = numpy_helper.to_array(weight).astype(np.float32).reshape(channels, -1)
        weights[f"{part}_bias"] = numpy_helper.to_array(tensors[tile.input[0]]).astype(np.float32)
    return weights


def build_browser_decoder(model: onnx.ModelProto, folder: Path, *, in_8_bits: bool = True) -> onnx.ModelProto:
    """Rewrite a point decoder for onnxruntime-web.

    Args:
        model: `decoder_points` of a bundle, loaded without its weights.
        folder: where the file of weights lies.
        in_8_bits: whether the two largest products multiply in 8 bits; they are the last before the masks.

    Returns:
        A graph of the same inputs and outputs, that refers to the same file of weights.

    Raises:
        ExportError: the graph is none that this version exported.
    """
    graph = model.graph
    loaded = {}
    for tensor in graph.initializer:
        copy = TensorProto()
        copy.CopyFrom(tensor)
        if copy.external_data:
            load_external_data_for_tensor(copy, str(folder))
        loaded[tensor.name] = copy
    widening, wide = [], set(loaded)
    for node in graph.node:
        if node.op_type in ("Cast", "DequantizeLinear") and all(name in wide for name in node.input):
            widening.append(node)
            wide.add(node.output[0])
    weights = find_upscaling_weights(graph, loaded)
    names = (
        ("norm", f"{DECODER}.output_upscaling.1.weight"),
        ("norm_bias", f"{DECODER}.output_upscaling.1.bias"),
    )
    inner = [f"{TRANSFORMER}.layers.1.norm4.{part}" for part in ("weight", "bias")]
    for key, name in (*names, *((name, name) for name in inner)):
        weights[key] = numpy_helper.to_array(loaded[name]).astype(np.float32)
    to = GraphWriter(wide)
    tokens, normal = write_transformer(to)
    write_masks(to, tokens, normal, weights, in_8_bits=in_8_bits)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.initializer[:], result.graph.value_info[:]
    result.graph.node.extend([*widening, *to.nodes])
    result.graph.initializer.extend([*graph.initializer, *to.constants])
    drop_unused(result.graph)
    if in_8_bits:
        result.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return result


def add_browser_decoder(folder: str | Path) -> Bundle:
    """Add the graph to a bundle of ONNX files, next to the decoder that it is made from.

    Args:
        folder: the bundle's; a graph that is there already is replaced.

    Raises:
        BundleError: the bundle is damaged.
        ExportError: it holds no decoder for points alone, or one that this version did not export.
    """
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    if not manifest.has(POINT_DECODER) or manifest.target != "onnx":
        raise ExportError(
            f"bundle: {manifest.name} ({manifest.target}) is not accepted; give a bundle of ONNX files with a "
            f"{POINT_DECODER}"
        )
    source = manifest.graphs_of(POINT_DECODER)[0]
    model = build_browser_decoder(onnx.load(bundle.path_of(source), load_external_data=False), bundle.folder)
    path = bundle.folder / f"{BROWSER_DECODER}.onnx"
    onnx.save(model, path)
    entry = replace(source, role=BROWSER_DECODER, file=path.name, engine=ENGINE)
    files = [file for file in manifest.files if file.path != path.name]
    graphs = [graph for graph in manifest.graphs if graph.role != BROWSER_DECODER]
    changed = replace(manifest, files=(*files, describe_file(path)), graphs=(*graphs, entry))
    (bundle.folder / MANIFEST).write_text(changed.to_json(), encoding="utf-8")
    return open_bundle(bundle.folder)


def main() -> int:
    """Add the graph to the bundle that the command line names."""
    parser = argparse.ArgumentParser(
        description="Add a decoder for onnxruntime-web to a bundle of ONNX files."
    )
    parser.add_argument("bundle", type=Path, help="the bundle's folder; it is changed in place")
    bundle = add_browser_decoder(parser.parse_args().bundle)
    sys.stdout.write(f"{bundle.folder / BROWSER_DECODER}.onnx\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
