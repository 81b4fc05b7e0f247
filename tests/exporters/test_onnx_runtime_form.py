"""The encoder's form for ONNX Runtime, step by step on small graphs that ONNX Runtime runs before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")

import torch  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from sam_edge.exporters.onnx_runtime_form import (  # noqa: E402
    drop_key_biases,
    split_colours_first,
    suit_onnx_runtime,
    use_tanh,
    widen_weights,
)
from sam_edge.exporters.onnx_weights import store_int8  # noqa: E402
from sam_edge.segmenter import DEFAULT_BUNDLE  # noqa: E402

GENERATOR = np.random.default_rng(5)


def floats(*shape: int) -> NDArray[np.float32]:
    """Normally distributed numbers."""
    return GENERATOR.normal(size=shape).astype(np.float32)


def graph_of(
    nodes: list[Any],
    constants: dict[str, NDArray[Any]],
    shape: tuple[int, ...],
    kind: int = TensorProto.FLOAT,
) -> Any:
    """A model from `x` to `y`."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(shape))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: Any, value: NDArray[Any]) -> NDArray[np.float32]:
    """Run a model from memory."""
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run(None, {"x": value})[0]
    return result


def kinds(model: Any) -> list[str]:
    """The operators of a graph, in their order."""
    return [node.op_type for node in model.graph.node]


def normalisation(last: list[Any]) -> Any:
    """An image of 4 x 6 pixels, normalised, and then `last`, from `divided` to `y`."""
    nodes = [
        helper.make_node("Cast", ["x"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["cast", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["divided"]),
        *last,
    ]
    mean, std = (np.array(values, np.float32) for values in ([123, 116, 103], [58, 57, 50]))
    constants = {"mean": mean, "std": std}
    return graph_of(nodes, constants, (1, 4, 6, 3), TensorProto.UINT8)


def test_colours_are_split_before_they_are_normalised() -> None:
    last = [
        helper.make_node("Transpose", ["divided"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Neg", ["planes"], ["y"]),
    ]
    model = normalisation(last)
    image = GENERATOR.integers(0, 256, (1, 4, 6, 3), dtype=np.uint8)
    expected = -((image - np.array([123.0, 116, 103])) / [58, 57, 50]).transpose(0, 3, 1, 2)
    split_colours_first(model.graph)
    assert kinds(model) == ["Transpose", "Cast", "Sub", "Div", "Neg"]
    np.testing.assert_allclose(run(model, image), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "last",
    [
        [helper.make_node("Transpose", ["divided"], ["y"], perm=[0, 2, 1, 3])],
        [helper.make_node("Softmax", ["divided"], ["y"])],
        [helper.make_node("Mul", ["divided", "divided"], ["y"])],
    ],
    ids=["another order", "no transposition", "no constant"],
)
def test_a_graph_of_another_kind_is_left_alone(last: list[Any]) -> None:
    model = normalisation(last)
    before = model.SerializeToString()
    split_colours_first(model.graph)
    assert model.SerializeToString() == before


def test_tanhs_gelu_is_close_to_the_exact_one() -> None:
    x = np.linspace(-9, 9, 4001, dtype=np.float32)
    model = graph_of([helper.make_node("Gelu", ["x"], ["y"])], {}, x.shape)
    exact = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    assert np.abs(run(model, x) - exact).max() < 1e-6
    use_tanh(model.graph)
    off = np.abs(run(model, x) - exact).max()
    assert 1e-5 < off < 0.0005


def test_the_bias_of_keys_changes_no_attention() -> None:
    constants = {"block.attn.q.bias": floats(8), "block.attn.k.bias": 3 * floats(8)}
    nodes = [
        helper.make_node("Add", ["x", "block.attn.q.bias"], ["queries"]),
        helper.make_node("Add", ["x", "block.attn.k.bias"], ["keys"]),
        helper.make_node("Transpose", ["keys"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["queries", "turned"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"], axis=2),
    ]
    model = graph_of(nodes, constants, (2, 5, 8))
    x = floats(2, 5, 8)
    expected = run(model, x)
    drop_key_biases(model.graph)
    assert kinds(model) == ["Add", "Transpose", "MatMul", "Softmax"]
    np.testing.assert_allclose(run(model, x), expected, rtol=1e-4, atol=1e-6)


def test_weights_of_products_in_floating_point_are_folded(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["mid"]),
        helper.make_node("MatMul", ["mid", "weight"], ["y"]),
    ]
    model = graph_of(nodes, {"kernel": floats(7, 3, 1, 1), "weight": floats(64, 9)}, (1, 3, 5, 64))
    store_int8(model.graph, ["kernel", "weight"], axis_of={"kernel": 0, "weight": 1})
    x = floats(1, 3, 5, 64)
    optimized = onnxruntime.SessionOptions()
    optimized.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    expected = onnxruntime.InferenceSession(
        model.SerializeToString(), optimized, providers=["CPUExecutionProvider"]
    ).run(None, {"x": x})[0]
    widen_weights(model.graph)
    assert "DequantizeLinear" not in kinds(model)
    np.testing.assert_allclose(run(model, x), expected, rtol=1e-4, atol=1e-5)
    assert set(optimized_kinds(model, tmp_path)) <= {"Conv", "MatMul", "ReorderOutput", "ReorderInput"}


def optimized_kinds(model: Any, folder: Path) -> list[str]:
    """The operators that ONNX Runtime is left with when it has opened a graph."""
    settings = onnxruntime.SessionOptions()
    settings.optimized_model_filepath = str(folder / "optimized.onnx")
    settings.log_severity_level = 4  # it warns that the file is for this machine alone
    onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    return kinds(onnx.load(folder / "optimized.onnx"))


def test_weights_of_rounded_products_stay_in_8_bits() -> None:
    constants = {"step": np.float32(0.05), "zero": np.uint8(128), "weight": floats(16, 9)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "step", "zero"], ["given"]),
        helper.make_node("MatMul", ["given", "weight"], ["y"]),
    ]
    model = graph_of(nodes, constants, (4, 16))
    store_int8(model.graph, ["weight"], axis_of={"weight": 1})
    before = kinds(model)
    suit_onnx_runtime(model)
    assert kinds(model) == before == ["DequantizeLinear", "QuantizeLinear", "DequantizeLinear", "MatMul"]


@pytest.mark.parametrize("name", ["encoder.onnx", "encoder_padded.onnx"])
def test_the_packages_own_encoder_has_that_form(name: str) -> None:
    model = onnx.load(DEFAULT_BUNDLE / name, load_external_data=False)
    before = model.SerializeToString()
    suit_onnx_runtime(model)
    assert model.SerializeToString() == before
