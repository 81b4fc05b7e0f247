"""The models of one matrix product, with which the peak of ONNX Runtime is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from sam_edge.profile.operators.peak import SIDE, make_onnxruntime_product, read_matmul_model

DTYPES = ["fp32", "int8"]


def open_model(dtype: str, *, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if optimized is not None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(read_matmul_model(dtype), options, providers=["CPUExecutionProvider"])


def multiply(session: onnxruntime.InferenceSession, left: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(session.run(None, {"a": left})[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_script_makes_the_shipped_files(
    repo_dir: Path, load_script: Callable[[Path], ModuleType], dtype: str
) -> None:
    pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")
    script = load_script(repo_dir / ".ci" / "make_matmul_models.py")
    assert script.SIDE == SIDE
    assert script.build_model(dtype) == read_matmul_model(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_product_of_full_size_is_what_runs(dtype: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sam-edge[export]'")
    open_model(dtype, optimized=tmp_path / "optimized.onnx")
    graph = onnx.load(tmp_path / "optimized.onnx").graph
    assert [node.op_type for node in graph.node] == ["MatMulInteger" if dtype == "int8" else "MatMul"]
    assert [tuple(weights.dims) for weights in graph.initializer] == [(SIDE, SIDE)]


def test_the_fp32_product() -> None:
    session = open_model("fp32")
    weights = multiply(session, np.eye(SIDE, dtype=np.float32))
    np.testing.assert_allclose(
        weights, np.cos(np.arange(SIDE**2, dtype=np.float64)).reshape(SIDE, SIDE), atol=1e-5
    )
    inputs = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    np.testing.assert_allclose(multiply(session, inputs), inputs.astype(float) @ weights, atol=1e-3)


def test_the_int8_product_is_exact() -> None:
    session = open_model("int8")
    weights = multiply(session, np.eye(SIDE, dtype=np.uint8))
    assert np.abs(weights).max() <= 100
    assert np.ptp(weights) > 190
    # Below 128: processors without VNNI sum two products in 16 bits, which larger inputs overflow.
    inputs = np.random.default_rng(0).integers(0, 128, (SIDE, SIDE)).astype(np.uint8)
    np.testing.assert_array_equal(multiply(session, inputs), inputs.astype(float) @ weights.astype(float))


@pytest.mark.parametrize("int8", [False, True])
def test_the_measured_call_computes_the_whole_product(int8: bool) -> None:
    outputs = make_onnxruntime_product(1, int8=int8)()
    assert isinstance(outputs, list)
    (result,) = outputs
    assert result.shape == (SIDE, SIDE)
    assert np.count_nonzero(result) > 0.9 * SIDE**2
