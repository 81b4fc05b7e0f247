"""Reads the program of an `.mlpackage`: its inputs, operations and constants, as they lie on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sam_edge.errors import ExportError
from sam_edge.exporters.coreml.coremltools_quiet import DecodeError, mil_proto, model_proto
from sam_edge.exporters.coreml.evaluate_mil.blob import BlobFile, signed, unpack_bits
from sam_edge.exporters.coreml.evaluate_mil.values import TensorType, Value

WEIGHTS_PREFIX = "@model_path/"
PACKED = {
    "FLOAT16": "<f2",
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "UINT16": "<u2",
    "UINT32": "<u4",
}
"""Formats whose immediate values lie in a string of bytes."""
PACKED_BITS = {"INT4": 4, "UINT1": 1, "UINT2": 2, "UINT3": 3, "UINT4": 4, "UINT6": 6}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a program."""

    kind: str
    """Its type, for example `linear`."""
    inputs: dict[str, tuple[str | Value, ...]]
    """For each input: names of values, or values written in place."""
    outputs: tuple[tuple[str, TensorType], ...]
    """Name and declared type of each output."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program read from disk."""

    specification: int
    """Version of the package's format: 8 runs on iOS 17 and macOS 14, 9 on iOS 18 and macOS 15."""
    inputs: dict[str, TensorType]
    """Inputs by name."""
    image_inputs: frozenset[str]
    """The inputs that Core ML takes as images."""
    outputs: tuple[str, ...]
    """Names of the outputs."""
    operations: tuple[Operation, ...]
    """In the order of execution."""
    constants: dict[str, Value]
    """Constants by name."""

    @property
    def deepest_rank(self) -> int:
        """The largest number of axes of any value. Core ML runs up to 5."""
        declared = [kind for operation in self.operations for _, kind in operation.outputs]
        return max(len(kind.shape) for kind in [*declared, *self.inputs.values()])

    def kinds(self) -> frozenset[str]:
        """The types of its operations."""
        return frozenset(operation.kind for operation in self.operations)


def read_package(package: Path, function: str = "main") -> Program:
    """Read the program of a package.

    Raises:
        ExportError: the package is incomplete or damaged, or holds anything but an ML program of static shapes.
    """
    folder, specification = find_specification(package)
    program = model_proto.Model()
    try:
        program.ParseFromString(specification.read_bytes())
    except (OSError, DecodeError) as error:
        raise ExportError(f"package: {specification} cannot be read: {error}") from error
    if function not in program.mlProgram.functions:
        raise ExportError(f"package: {package} holds no ML program with a function {function!r}")
    main = program.mlProgram.functions[function]
    block = main.block_specializations[main.opset]
    reader = Reader(folder)
    operations, constants = [], {}
    for operation in block.operations:
        if operation.blocks:
            raise ExportError(f"package: operation {operation.type} holds blocks; none is accepted")
        if operation.type == "const":
            constants[operation.outputs[0].name] = reader.value(operation.attributes["val"])
        else:
            operations.append(reader.operation(operation))
    described = next(
        (entry for entry in program.description.functions if entry.name == function), program.description
    )
    return Program(
        specification=program.specificationVersion,
        inputs={entry.name: tensor_type(entry.type) for entry in main.inputs},
        image_inputs=frozenset(entry.name for entry in described.input if entry.type.HasField("imageType")),
        outputs=tuple(block.outputs),
        operations=tuple(operations),
        constants=constants,
    )


def find_specification(package: Path) -> tuple[Path, Path]:
    """Find a package's folder of weights and its specification by the package's own list."""
    try:
        listed = json.loads((package / "Manifest.json").read_text(encoding="utf-8"))
        entry = listed["itemInfoEntries"][listed["rootModelIdentifier"]]
        specification = package / "Data" / entry["path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(f"package: {package} is no .mlpackage: {error!r}") from error
    return specification.parent, specification


def tensor_type(declared: Any) -> TensorType:
    """Read a declared type.

    Raises:
        ExportError: it is no tensor, or a size is open.
    """
    if not declared.HasField("tensorType"):
        raise ExportError(f"package: type {declared.WhichOneof('type')} is not accepted; accepted: tensors")
    kind = declared.tensorType
    if any(side.WhichOneof("dimension") != "constant" for side in kind.dimensions):
        raise ExportError("package: a shape is not fixed; only programs of static shapes are evaluated")
    return TensorType(
        dtype=mil_proto.DataType.Name(kind.dataType),
        shape=tuple(int(side.constant.size) for side in kind.dimensions),
    )


class Reader:
    """Turns protobuf into operations and values, with the weight files of one package."""

    def __init__(self, folder: Path) -> None:
        """Look for weight files inside `folder`."""
        self._folder = folder
        self._files: dict[str, BlobFile] = {}

    def operation(self, written: Any) -> Operation:
        """Read one operation. Constants in its attributes count as inputs, as coremltools writes `constexpr_` ones."""
        inputs = {key: tuple(self.bindings(argument)) for key, argument in written.inputs.items()}
        for key, attribute in written.attributes.items():
            if key != "name":
                inputs[key] = (self.value(attribute),)
        outputs = tuple((entry.name, tensor_type(entry.type)) for entry in written.outputs)
        return Operation(written.type, inputs, outputs)

    def bindings(self, argument: Any) -> Iterator[str | Value]:
        """Read what an input is bound to. A word written in place is given as a tuple of none, never as a name."""
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "name":
                yield binding.name
            else:
                value = self.value(binding.value)
                if isinstance(value, str):
                    raise ExportError("package: a word is written in place of a name; none is accepted")
                yield value

    def value(self, written: Any) -> Value:
        """Read a constant, from the protobuf or from a weight file."""
        kind = tensor_type(written.type)
        if written.WhichOneof("value") == "blobFileValue":
            return self.stored(written.blobFileValue, kind)
        tensor = written.immediateValue.tensor
        if kind.dtype == "STRING":
            return str(tensor.strings.values[0])
        return immediate(tensor, kind)

    def stored(self, place: Any, kind: TensorType) -> Tensor:
        """Read a constant from a weight file."""
        name = place.fileName.removeprefix(WEIGHTS_PREFIX)
        path = self._folder / name
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise ExportError(f"package: weight file {place.fileName!r} leads out of the package")
        if name not in self._files:
            self._files[name] = BlobFile(path)
        blob = self._files[name].read(place.offset)
        if blob.kind.name != kind.dtype and not (blob.kind.name == "UINT8" and kind.dtype == "BOOL"):
            raise ExportError(
                f"package: the weight file has {blob.kind.name} where the program has {kind.dtype}"
            )
        return shaped(blob.values, kind)


def immediate(tensor: Any, kind: TensorType) -> Tensor:
    """Read a value that is written in the protobuf itself."""
    form = tensor.WhichOneof("value")
    if form != "bytes":
        return shaped(np.array(getattr(tensor, form).values), kind)
    data = np.frombuffer(tensor.bytes.values, np.uint8)
    if kind.dtype in PACKED:
        return shaped(data.view(PACKED[kind.dtype]), kind)
    if kind.dtype not in PACKED_BITS:
        raise ExportError(f"package: {kind.dtype} written as bytes is not known")
    bits = PACKED_BITS[kind.dtype]
    values = unpack_bits(data, bits, int(np.prod(kind.shape)))
    return shaped(signed(values, bits) if kind.dtype == "INT4" else values, kind)


def shaped(values: np.ndarray[Any, Any], kind: TensorType) -> Tensor:
    """Give a row of elements its declared type and shape."""
    if values.size != int(np.prod(kind.shape)):
        raise ExportError(f"package: {values.size} elements for shape {kind.shape}")
    wide = values.astype(np.int64) if values.dtype.kind == "u" and values.itemsize > 1 else values
    return torch.from_numpy(np.ascontiguousarray(wide).copy()).to(kind.held).reshape(kind.shape)
