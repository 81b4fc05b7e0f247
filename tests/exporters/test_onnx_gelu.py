"""GELU as a polynomial."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("torch", reason="needs torch: pip install 'sam-edge[export]'")
onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")

import torch  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

from sam_edge.exporters.onnx_gelu import fit_polynomial, gelu, use_polynomial  # noqa: E402

X = np.concatenate([np.linspace(-9, 9, 4001), [300.0, -300.0]])


def test_the_exact_one_is_torchs() -> None:
    expected = torch.nn.functional.gelu(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(gelu(X), expected, atol=1e-12)


def test_it_is_close_everywhere_and_closer_where_values_are_common() -> None:
    off = np.abs(fit_polynomial().gelu(X) - gelu(X))
    assert off.max() < 0.003
    assert off[np.abs(X) < 2].max() < 0.001


@pytest.mark.parametrize("terms", [3, 4, 5])
def test_far_out_it_is_nothing_or_everything(terms: int) -> None:
    polynomial = fit_polynomial(terms)
    assert polynomial.gelu(np.array([-50.0, 50.0])) == pytest.approx([0.0, 50.0], abs=1e-9)


def test_a_graph_computes_it() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["negative"]),
        helper.make_node("Gelu", ["negative"], ["mid"]),
        helper.make_node("Gelu", ["mid"], ["y"]),
    ]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [len(X)]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "test", shapes[:1], shapes[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    use_polynomial(model)
    onnx.checker.check_model(model)
    assert not {"Gelu"} & {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {"x": X.astype(np.float32)})[0]
    polynomial = fit_polynomial()
    np.testing.assert_allclose(got, polynomial.gelu(polynomial.gelu(-X)), rtol=1e-4, atol=1e-4)


def test_a_graph_without_any_is_left_alone() -> None:
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "test", shapes[:1], shapes[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    before = model.SerializeToString()
    use_polynomial(model)
    assert model.SerializeToString() == before
