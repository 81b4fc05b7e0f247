"""Each operation of the evaluator against numpy, written out from coremltools' reference, not from torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sam_edge.errors import ExportError
from sam_edge.exporters.coreml.evaluate_mil.evaluator import RULES
from sam_edge.exporters.coreml.evaluate_mil.values import Call, Composite, TensorType, as_declared

Array = NDArray[Any]
SIDES = st.integers(1, 5)


def call(kind: str, dtype: str = "FLOAT32", composite: Composite = Composite.FUSED, **inputs: Any) -> Call:
    """Build a call. Arrays and numbers become tensors, words stay words."""
    values = {
        key: value if isinstance(value, (str, tuple)) else torch.from_numpy(np.array(value))
        for key, value in inputs.items()
    }
    return Call(kind, "result", values, (TensorType(dtype, ()),), composite)


def run(kind: str, dtype: str = "FLOAT32", **inputs: Any) -> Array:
    """Evaluate one operation of one result."""
    result = RULES[kind](call(kind, dtype, **inputs))
    assert isinstance(result, torch.Tensor)
    return result.numpy()


def numbers(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    """Draw normal numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


ELEMENTWISE = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "real_div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "floor_div": np.floor_divide,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
}
UNARY: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "square": np.square,
    "identity": np.array,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sqrt": np.sqrt,
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
}


@pytest.mark.parametrize("kind", ELEMENTWISE)
@given(rows=SIDES, columns=SIDES)
@settings(max_examples=10)
def test_two_operands_broadcast(kind: str, rows: int, columns: int) -> None:
    """As numpy does."""
    x, y = numbers((rows, columns)), numbers((columns,), 1)
    assert np.allclose(run(kind, x=x, y=y), ELEMENTWISE[kind](x, y), atol=1e-6)


@pytest.mark.parametrize("kind", UNARY)
def test_one_operand(kind: str) -> None:
    """As numpy does."""
    x = np.abs(numbers((4, 6))) if kind == "sqrt" else numbers((4, 6)) * 3
    assert np.allclose(run(kind, x=x), UNARY[kind](x), rtol=1e-5, atol=1e-6)


def test_gelu_modes() -> None:
    """The tanh approximation is another function; a third mode is unknown."""
    x = numbers((20,)) * 2
    expected = x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert np.allclose(run("gelu", x=x, mode="TANH_APPROXIMATION"), expected, atol=1e-6)
    with pytest.raises(ExportError, match="SIGMOID"):
        run("gelu", x=x, mode="SIGMOID")


def test_rsqrt_clip_and_select() -> None:
    """Those with parameters."""
    x = np.array([-2.0, 0.5, 4.0], np.float32)
    assert np.allclose(run("rsqrt", x=x**2, epsilon=np.float32(1)), 1 / np.sqrt(x**2 + 1))
    assert np.allclose(run("clip", x=x, alpha=np.float32(-1), beta=np.float32(1)), [-1, 0.5, 1])
    assert np.allclose(run("select", cond=x > 0, a=x, b=-x), np.abs(x))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (np.array([1.9, -1.9], np.float32), "INT32", [1, -1]),
        (np.array([1, 0]), "BOOL", [True, False]),
        (np.array([True, False]), "FLOAT16", [1, 0]),
        (np.array([2049.0], np.float32), "FLOAT16", [2048]),
    ],
)
def test_cast(values: Array, dtype: str, expected: list[Any]) -> None:
    """Towards zero for whole numbers, to the nearest even for half precision."""
    assert run("cast", dtype, x=values).tolist() == expected


@given(batch=SIDES, places=SIDES, inputs=SIDES, outputs=SIDES)
@settings(max_examples=10)
def test_linear(batch: int, places: int, inputs: int, outputs: int) -> None:
    """x W^T + b, the bias being optional."""
    x, weight, bias = numbers((batch, places, inputs)), numbers((outputs, inputs), 1), numbers((outputs,), 2)
    assert np.allclose(run("linear", x=x, weight=weight, bias=bias), x @ weight.T + bias, atol=1e-5)
    assert np.allclose(run("linear", x=x, weight=weight), x @ weight.T, atol=1e-5)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_matmul(first: bool, second: bool) -> None:
    """Either factor may be given transposed."""
    x, y = numbers((2, 3, 4, 5)), numbers((2, 3, 5, 6), 1)
    result = run(
        "matmul",
        x=x.swapaxes(-1, -2) if first else x,
        y=y.swapaxes(-1, -2) if second else y,
        transpose_x=first,
        transpose_y=second,
    )
    assert np.allclose(result, x @ y, atol=1e-5)


def convolved(x: Array, weight: Array, pads: tuple[int, int, int, int], stride: int, groups: int) -> Array:
    """Convolve (B, C, H, W) by the definition: a loop over the places of the result."""
    top, bottom, left, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    outputs, inputs, height, width = weight.shape
    rows, columns = (x.shape[2] - height) // stride + 1, (x.shape[3] - width) // stride + 1
    result = np.zeros((x.shape[0], outputs, rows, columns), np.float64)
    for output in range(outputs):
        first = output // (outputs // groups) * inputs
        for row in range(rows):
            for column in range(columns):
                part = x[
                    :,
                    first : first + inputs,
                    row * stride : row * stride + height,
                    column * stride : column * stride + width,
                ]
                result[:, output, row, column] = (part * weight[output]).sum((1, 2, 3))
    return result


@given(stride=st.integers(1, 2), groups=st.sampled_from([1, 2, 4]), pads=st.tuples(*[st.integers(0, 2)] * 4))
@settings(max_examples=15, deadline=None)
def test_conv_with_custom_padding(stride: int, groups: int, pads: tuple[int, int, int, int]) -> None:
    """Strides, groups and different padding on every side."""
    x, weight, bias = numbers((2, 4, 5, 6)), numbers((8, 4 // groups, 3, 3), 1), numbers((8,), 2)
    result = run(
        "conv",
        x=x,
        weight=weight,
        bias=bias,
        pad_type="custom",
        pad=list(pads),
        strides=[stride] * 2,
        groups=groups,
        dilations=[1, 1],
    )
    assert np.allclose(result, convolved(x, weight, pads, stride, groups) + bias[:, None, None], atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "pads"), [("valid", (0, 0, 0, 0)), ("same", (0, 1, 1, 1)), ("same_lower", (1, 0, 1, 1))]
)
def test_conv_padding_types(kind: str, pads: tuple[int, int, int, int]) -> None:
    """`same` puts the odd zero after, `same_lower` before."""
    x, weight = numbers((1, 2, 6, 5)), numbers((3, 2, 3, 3), 1)
    assert np.allclose(
        run("conv", x=x, weight=weight, pad_type=kind, strides=[2, 2]),
        convolved(x, weight, pads, 2, 1),
        atol=1e-5,
    )


def test_conv_of_an_unknown_kind() -> None:
    """Padding and dimensions that are not known are errors."""
    x, weight = numbers((1, 2, 6, 5)), numbers((3, 2, 3, 3), 1)
    with pytest.raises(ExportError, match="mirror"):
        run("conv", x=x, weight=weight, pad_type="mirror")
    with pytest.raises(ExportError, match="3 axes"):
        run("conv", x=x[..., None], weight=weight[..., None], pad_type="valid")


@pytest.mark.parametrize("composite", Composite)
@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm(composite: Composite, affine: bool) -> None:
    """Mean 0 and variance 1 over the last axis; in fp32 both ways of computing agree."""
    x, gamma, beta = numbers((3, 4, 8)) * 5 + 2, numbers((8,), 1), numbers((8,), 2)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    weights: dict[str, Any] = {"gamma": gamma, "beta": beta} if affine else {}
    expected = expected * gamma + beta if affine else expected
    made = call("layer_norm", composite=composite, x=x, axes=[-1], epsilon=np.float32(1e-3), **weights)
    assert np.allclose(RULES["layer_norm"](made), expected, atol=1e-5)


def test_layer_norm_overflows_step_by_step() -> None:
    """Values whose squares do not fit half precision survive fp32 inside, and do not survive rounded steps."""
    x = np.array([[-600.0, 0.0, 600.0, 1.0]], np.float16)
    fused, stepwise = (
        RULES["layer_norm"](call("layer_norm", "FLOAT16", how, x=x, axes=[-1])) for how in Composite
    )
    wide = x.astype(np.float64)
    assert np.allclose(fused, (wide - wide.mean()) / wide.std(), atol=1e-3)
    assert not np.abs(np.asarray(stepwise)).max() > 0


@pytest.mark.parametrize("composite", Composite)
def test_batch_norm(composite: Composite) -> None:
    """Stored statistics of each channel."""
    x = numbers((2, 3, 4, 5))
    mean, gamma, beta = numbers((3,), 1), numbers((3,), 2), numbers((3,), 3)
    variance = np.abs(numbers((3,), 4)) + 0.1
    wide = [value[:, None, None] for value in (mean, variance, gamma, beta)]
    expected = (x - wide[0]) / np.sqrt(wide[1] + 1e-5) * wide[2] + wide[3]
    made = call("batch_norm", composite=composite, x=x, mean=mean, variance=variance, gamma=gamma, beta=beta)
    assert np.allclose(RULES["batch_norm"](made), expected, atol=1e-5)


@pytest.mark.parametrize("composite", Composite)
@pytest.mark.parametrize("axis", [-1, 1])
def test_softmax(composite: Composite, axis: int) -> None:
    """Large scores do not overflow."""
    x = numbers((2, 3, 4)) * 100
    powers = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
    made = call("softmax", composite=composite, x=x, axis=axis)
    assert np.allclose(RULES["softmax"](made), powers / powers.sum(axis, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(("kind", "expected"), [("reduce_mean", np.mean), ("reduce_sum", np.sum)])
def test_reductions(kind: str, expected: Any) -> None:
    """Over some axes or all of them, kept or not."""
    x = numbers((2, 3, 4))
    assert np.allclose(
        run(kind, x=x, axes=[0, 2], keep_dims=True), expected(x, (0, 2), keepdims=True), atol=1e-5
    )
    assert np.allclose(run(kind, x=x), expected(x), atol=1e-5)


@given(sides=st.lists(SIDES, min_size=1, max_size=5), data=st.data())
@settings(max_examples=25)
def test_reshape_and_transpose(sides: list[int], data: st.DataObject) -> None:
    """Any order of up to five axes; -1 and 0 in a shape."""
    x = numbers(tuple(sides))
    order = data.draw(st.permutations(range(len(sides))))
    assert np.array_equal(run("transpose", x=x, perm=order), x.transpose(order))
    assert np.array_equal(run("reshape", x=x, shape=[-1, 1]), x.reshape(-1, 1))
    assert np.array_equal(run("reshape", x=x, shape=[0, -1]), x.reshape(sides[0], -1))


def test_split_concat_and_stack() -> None:
    """Cut into given sizes or equal parts, and put together."""
    x = numbers((2, 6, 3))
    uneven = RULES["split"](call("split", x=x, axis=1, split_sizes=[1, 2, 3]))
    even = RULES["split"](call("split", x=x, axis=1, num_splits=3))
    assert [part.shape[1] for part in uneven] == [1, 2, 3]
    assert [part.shape[1] for part in even] == [2, 2, 2]
    assert np.array_equal(run("concat", values=tuple(uneven), axis=1, interleave=False), x)
    assert np.array_equal(run("stack", values=tuple(even), axis=0), np.stack(np.split(x, 3, 1)))
    with pytest.raises(ExportError, match="interleaves"):
        run("concat", values=tuple(even), axis=1, interleave=True)


def test_axes_of_size_one() -> None:
    """Added at places of the result, dropped by name or all."""
    x = numbers((2, 1, 3, 1))
    assert run("expand_dims", x=x, axes=[0, -1]).shape == (1, 2, 1, 3, 1, 1)
    assert run("squeeze", x=x, axes=[-1]).shape == (2, 1, 3)
    assert run("squeeze", x=x).shape == (2, 3)


def test_slices() -> None:
    """Begin, end, stride and the three masks."""
    x = numbers((4, 5, 6))
    result = run(
        "slice_by_index",
        x=x,
        begin=[1, 0, 2],
        end=[0, 4, 6],
        stride=[1, 2, 1],
        begin_mask=[False, True, False],
        end_mask=[False, False, True],
        squeeze_mask=[True, False, False],
    )
    assert np.array_equal(result, x[1, :4:2, 2:])
    assert np.array_equal(run("slice_by_size", x=x, begin=[1, 0, 2], size=[2, -1, 3]), x[1:3, :, 2:5])
    with pytest.raises(ExportError, match="backwards"):
        run("slice_by_index", x=x, begin=[3, 0, 0], end=[0, 5, 6], stride=[-1, 1, 1])


def test_pad() -> None:
    """Zeros or another constant round the last axes; no other mode."""
    x = numbers((2, 3, 4))
    result = run("pad", x=x, pad=[1, 0, 2, 3], mode="constant", constant_val=np.float32(7))
    assert np.array_equal(result, np.pad(x, ((0, 0), (1, 0), (2, 3)), constant_values=7))
    with pytest.raises(ExportError, match="reflect"):
        run("pad", x=x, pad=[1, 1], mode="reflect")


def test_tile_and_gather() -> None:
    """Repeat, and take places counted from either end."""
    x = numbers((3, 4))
    assert np.array_equal(run("tile", x=x, reps=[2, 1]), np.tile(x, (2, 1)))
    places = np.array([[0, -1], [2, 1]])
    assert np.array_equal(run("gather", x=x, indices=places, axis=0), np.take(x, places, 0))
    assert np.array_equal(run("gather", x=x, indices=places, axis=-1), np.take(x, places, 1))
    with pytest.raises(ExportError, match="batch_dims"):
        run("gather", x=x, indices=places, axis=0, batch_dims=1)


def test_pixel_shuffle() -> None:
    """Channel c * r * r + y * r + x becomes place (y, x) of block c."""
    x = numbers((1, 8, 2, 3))
    result = run("pixel_shuffle", x=x, upscale_factor=2)
    assert result.shape == (1, 2, 4, 6)
    assert result[0, 1, 2 * 1 + 1, 2 * 2 + 0] == x[0, 1 * 4 + 1 * 2 + 0, 1, 2]


class TestCompression:
    """Weights in few bits, and rounded activations."""

    def test_affine(self) -> None:
        """scale * (data - zero point), along an axis."""
        data = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
        scale, zero = np.array([0.5, 1, 2], np.float16), np.array([1, 0, -1], np.int8)
        result = run("constexpr_affine_dequantize", quantized_data=data, scale=scale, zero_point=zero, axis=0)
        assert np.allclose(result, scale[:, None] * (data.astype(np.float32) - zero[:, None]))

    @pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
    def test_table_a_tensor(self, bits: int) -> None:
        """Packed indices, least significant bits first."""
        table = numbers((1 << bits,))
        indices = np.arange(15) * 7 % (1 << bits)
        spread = (indices[:, None] >> np.arange(bits)) & 1
        packed = np.packbits(spread.astype(np.uint8), bitorder="little")
        result = run("constexpr_lut_to_dense", indices=packed, lut=table, shape=np.array([3, 5]))
        assert np.array_equal(result, table[indices].reshape(3, 5))

    def test_table_a_group(self) -> None:
        """The example of coremltools' reference: two tables over six rows."""
        indices = np.array([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], np.uint8).reshape(6, 2)
        tables = np.array([[1, 5, 9, 13], [2, 10, 18, 26]], np.float32).reshape(2, 1, 4, 1)
        result = run("constexpr_lut_to_dense", indices=indices, lut=tables)
        assert result.tolist() == [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]
        with pytest.raises(ExportError, match="vectors"):
            run("constexpr_lut_to_dense", indices=indices, lut=np.repeat(tables, 2, -1))

    def test_blocks(self) -> None:
        """A scale for every two columns; blocks that do not divide are an error."""
        data = np.arange(8, dtype=np.int8).reshape(2, 4)
        scale = np.array([[1, 2], [3, 4]], np.float32)
        expected = np.repeat(scale, 2, 1) * (data - 1)
        result = run(
            "constexpr_blockwise_shift_scale", data=data, scale=scale, offset=np.ones((2, 2), np.int8)
        )
        assert np.array_equal(result, expected)
        with pytest.raises(ExportError, match="do not divide"):
            run("constexpr_blockwise_shift_scale", data=data, scale=np.ones((1, 3), np.float32))

    def test_cast_constant(self) -> None:
        """A half constant in fp32."""
        assert run("constexpr_cast", source_val=np.array([0.1], np.float16)).tolist() == [
            float(np.float16(0.1))
        ]

    @pytest.mark.parametrize(("dtype", "low", "high"), [("INT8", -128, 127), ("UINT8", 0, 255)])
    def test_quantize(self, dtype: str, low: int, high: int) -> None:
        """Halves to even, then the zero point, then the limits."""
        x = np.array([-1e4, -0.5, 0.5, 1.5, 2.5, 1e4], np.float32)
        result = run("quantize", dtype, input=x, scale=np.float32(1), zero_point=np.int8(3), output_dtype="x")
        assert result.tolist() == [low, 3, 3, 5, 5, high]

    def test_dequantize_undoes_it(self) -> None:
        """Within half a step."""
        x, scale = numbers((4, 8)), np.array([0.01, 0.02, 0.03, 0.04], np.float32)
        steps = run("quantize", "INT8", input=x, scale=scale, axis=0, output_dtype="int8").astype(np.int8)
        back = run("dequantize", input=steps, scale=scale, axis=0)
        inside = np.abs(x) < 127 * scale[:, None]
        assert np.all(np.abs(back - x)[inside] <= np.broadcast_to(scale[:, None] / 2 + 1e-6, x.shape)[inside])


def test_results_are_rounded_to_their_declared_format() -> None:
    """Half precision rounds and overflows; another shape than declared is an error."""
    made = call("add", x=np.zeros(2))
    rounded = as_declared(torch.tensor([2049.0, 7e4]), TensorType("FLOAT16", (2,)), made)
    assert rounded.dtype == torch.float16
    assert rounded.tolist() == [2048.0, math.inf]
    with pytest.raises(ExportError, match=r"gave shape \(3,\)"):
        as_declared(torch.zeros(3), TensorType("FLOAT16", (2,)), made)
    with pytest.raises(ExportError, match="FLOAT8"):
        as_declared(torch.zeros(2), TensorType("FLOAT8E4M3FN", (2,)), made)


def test_inputs_of_the_wrong_kind() -> None:
    """A missing tensor or a tensor where a word belongs is named."""
    with pytest.raises(ExportError, match="no tensor 'y'"):
        run("add", x=numbers((2,)))
    with pytest.raises(ExportError, match="needs a word for 'mode'"):
        run("gelu", x=numbers((2,)), mode=np.zeros(1))
    with pytest.raises(ExportError, match="no tensors 'values'"):
        run("concat", values="x", axis=0)
