"""Make the models of one matrix product, with which `sam-edge profile` measures the peak of ONNX Runtime.

    pip install onnx
    python .ci/make_matmul_models.py [--to sam_edge/assets/matmul]

The weights are not stored: the graph computes them, w[i, j] = cos(1024 i + j), for int8 100 times that, cut to whole
numbers. ONNX Runtime computes them once, when it opens the model; what it runs is the product with constant weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

REPO = Path(__file__).resolve().parent.parent
SIDE = 1024
"""Rows and columns of both matrices; `SIDE` of sam_edge/profile/operators/peak.py."""
INT8_SCALE = 100.0
IR_VERSION, OPSET = 8, 17


def build_model(dtype: str) -> bytes:
    """Build the model that multiplies its input `a` with constant weights.

    Args:
        dtype: "fp32", or "int8" for uint8 inputs, int8 weights and int32 outputs.

    Returns:
        The ONNX file; input `a` and output `y` are (SIDE, SIDE).
    """
    constants = {
        "start": np.float32(0),
        "limit": np.float32(SIDE * SIDE),
        "step": np.float32(1),
        "shape": np.array([SIDE, SIDE], np.int64),
    }
    nodes = [
        helper.make_node("Range", ["start", "limit", "step"], ["index"]),
        helper.make_node("Cos", ["index"], ["cosine"]),
        helper.make_node("Reshape", ["cosine", "shape"], ["weights"]),
    ]
    if dtype == "int8":
        constants["scale"] = np.float32(INT8_SCALE)
        nodes += [
            helper.make_node("Mul", ["weights", "scale"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["integers"], to=TensorProto.INT8),
            helper.make_node("MatMulInteger", ["a", "integers"], ["y"]),
        ]
        input_type, output_type = TensorProto.UINT8, TensorProto.INT32
    else:
        nodes.append(helper.make_node("MatMul", ["a", "weights"], ["y"]))
        input_type = output_type = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("a", input_type, [SIDE, SIDE])],
        [helper.make_tensor_value_info("y", output_type, [SIDE, SIDE])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model: Any = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the models of one matrix product.")
    parser.add_argument("--to", type=Path, default=REPO / "sam_edge" / "assets" / "matmul")
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    for dtype in ("fp32", "int8"):
        (args.to / f"{dtype}.onnx").write_bytes(build_model(dtype))


if __name__ == "__main__":
    main()
