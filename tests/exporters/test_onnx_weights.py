"""How weights are stored in ONNX files, on small graphs that ONNX Runtime runs before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from sam_edge.errors import ExportError  # noqa: E402
from sam_edge.exporters.onnx_weights import (  # noqa: E402
    LARGE,
    drop_unused,
    initializers,
    remove_padding,
    replace_input,
    save_with_weights,
    store_half,
    store_int8,
)

GENERATOR = np.random.default_rng(11)
WEIGHT = GENERATOR.normal(size=(40, 30)).astype(np.float32)
BIAS = GENERATOR.normal(size=30).astype(np.float32)
INPUT = GENERATOR.normal(size=(5, 40)).astype(np.float32)


def graph_of(nodes: list[Any], constants: dict[str, NDArray[Any]], shape: tuple[int, ...] = (5, 40)) -> Any:
    """A model from `x` to `y`."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "columns"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def linear() -> Any:
    """y = x @ weight + bias."""
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    return graph_of(nodes, {"weight": WEIGHT, "bias": BIAS})


def run(model: Any, value: NDArray[np.float32] = INPUT) -> NDArray[np.float32]:
    """Run a model, given as a file or in memory."""
    onnx.checker.check_model(str(model) if isinstance(model, Path) else model)
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(given, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": value})[0])


def test_half_precision_changes_little_and_leaves_small_constants_alone() -> None:
    model = linear()
    expected = run(model)
    store_half(model.graph)
    stored = {name: one.data_type for name, one in initializers(model.graph).items()}
    assert stored == {"weight_f16": TensorProto.FLOAT16, "bias": TensorProto.FLOAT}
    assert BIAS.size <= LARGE < WEIGHT.size
    got = run(model)
    np.testing.assert_allclose(got, expected, atol=0.01)
    assert (got != expected).any()


def test_what_half_precision_cannot_hold_stays_as_it_is() -> None:
    wide = WEIGHT * np.float32(1e6)
    model = graph_of([helper.make_node("MatMul", ["x", "weight"], ["y"])], {"weight": wide})
    store_half(model.graph)
    assert initializers(model.graph)["weight"].data_type == TensorProto.FLOAT
    np.testing.assert_array_equal(run(model), run(graph_of(list(model.graph.node), {"weight": wide})))


def test_what_is_to_be_skipped_stays_as_it_is() -> None:
    model = linear()
    store_half(model.graph, skip=["weight"])
    assert set(initializers(model.graph)) == {"weight", "bias"}


@pytest.mark.parametrize("axis", [0, 1])
def test_eight_bits_are_within_a_step(axis: int) -> None:
    model = linear()
    expected = run(model)
    store_int8(model.graph, ["weight"], axis_of={"weight": axis})
    constants = initializers(model.graph)
    assert constants["weight_i8"].data_type == TensorProto.INT8
    assert list(constants["weight_scale"].dims) == [WEIGHT.shape[axis]]
    got = run(model)
    assert 0 < np.abs(got - expected).max() < 0.25


def test_a_node_can_be_taken_out_and_what_led_only_to_it_goes() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["moved"]),
        helper.make_node("Relu", ["moved"], ["y"]),
    ]
    model = graph_of(nodes, {"weight": WEIGHT, "bias": BIAS})
    replace_input(model.graph, "moved", "product")
    drop_unused(model.graph)
    assert [node.op_type for node in model.graph.node] == ["MatMul", "Relu"]
    assert set(initializers(model.graph)) == {"weight"}
    np.testing.assert_allclose(run(model), np.maximum(INPUT @ WEIGHT, 0), atol=1e-4)


def test_the_maker_of_a_kept_tensor_keeps_its_input() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["kept"]), helper.make_node("Add", ["kept", "x"], ["y"])]
    model = graph_of(nodes, {})
    replace_input(model.graph, "x", "kept", keep=["kept"])
    assert [list(node.input) for node in model.graph.node] == [["x"], ["kept", "kept"]]


def test_an_output_cannot_be_replaced() -> None:
    with pytest.raises(ValueError, match="y is an output"):
        replace_input(linear().graph, "y", "product")


def test_padding_and_what_undoes_it_are_taken_out_and_the_original_stays() -> None:
    def indices(*values: int) -> NDArray[np.int64]:
        return np.array(values, np.int64)

    nodes = [
        helper.make_node("Unsqueeze", ["x", "front"], ["placed"]),
        helper.make_node("Pad", ["placed", "pads"], ["padded"]),
        helper.make_node("Relu", ["padded"], ["positive"]),
        helper.make_node("Slice", ["positive", "from", "to", "rows"], ["cut"]),
        helper.make_node("Slice", ["cut", "from", "to", "columns"], ["cut2"]),
        helper.make_node("Squeeze", ["cut2", "front"], ["y"]),
    ]
    constants = {
        "front": indices(0), "pads": indices(0, 0, 0, 0, 0, 0), "from": indices(0), "to": indices(99),
        "rows": indices(1), "columns": indices(2),
    }  # fmt: skip
    model = graph_of(nodes, constants)
    before = model.SerializeToString()
    slim = remove_padding(model)
    assert [node.op_type for node in slim.graph.node] == ["Unsqueeze", "Relu", "Squeeze"]
    assert set(initializers(slim.graph)) == {"front"}
    np.testing.assert_array_equal(run(slim), run(model))
    assert model.SerializeToString() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"from": [1]}, r"cuts axes \[1\] from \[1\] on"),
        ({"rows": [0]}, r"cuts axes \[0\] from \[0\] on"),
        ({"cuts": 1}, "1 paddings but 1 cuts"),
        ({"mode": "reflect"}, "does not pad with zeros"),
    ],
)
def test_what_is_no_windows_padding_is_not_taken_out(changed: dict[str, Any], said: str) -> None:
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["padded"], mode=changed.get("mode", "constant")),
        helper.make_node("Slice", ["padded", "from", "to", "rows"], ["cut"]),
    ]
    if changed.get("cuts") != 1:
        nodes.append(helper.make_node("Slice", ["cut", "from", "to", "columns"], ["cut2"]))
    nodes.append(helper.make_node("Neg", [nodes[-1].output[0]], ["y"]))
    values = {"pads": [0, 0, 0, 0], "from": [0], "to": [99], "rows": [1], "columns": [2]}
    constants = {name: np.array(changed.get(name, value), np.int64) for name, value in values.items()}
    with pytest.raises(ExportError, match=said):
        remove_padding(graph_of(nodes, constants))


class TestSaving:
    def test_graphs_share_one_file_of_weights(self, tmp_path: Path) -> None:
        first, second = linear(), linear()
        second.graph.node[1].op_type = "Sub"
        save_with_weights({"a.onnx": first, "b.onnx": second}, tmp_path, "w.weights")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx", "w.weights"]
        assert (tmp_path / "w.weights").stat().st_size == WEIGHT.nbytes
        assert (tmp_path / "a.onnx").stat().st_size < WEIGHT.nbytes / 2
        np.testing.assert_array_equal(run(tmp_path / "a.onnx"), run(first))
        np.testing.assert_array_equal(run(tmp_path / "b.onnx"), run(second))

    def test_saving_leaves_the_graph_as_it_was(self, tmp_path: Path) -> None:
        model = linear()
        before = model.SerializeToString()
        save_with_weights({"a.onnx": model}, tmp_path, "w.weights")
        assert model.SerializeToString() == before

    def test_the_same_graph_gives_the_same_files(self, tmp_path: Path) -> None:
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            save_with_weights({"a.onnx": linear()}, tmp_path / name, "w.weights")
        for file in ("a.onnx", "w.weights"):
            assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()

    def test_weights_of_one_name_that_differ_are_refused(self, tmp_path: Path) -> None:
        other = graph_of([helper.make_node("MatMul", ["x", "weight"], ["y"])], {"weight": WEIGHT + 1})
        with pytest.raises(ValueError, match="weight differs between the graphs"):
            save_with_weights({"a.onnx": linear(), "b.onnx": other}, tmp_path, "w.weights")
