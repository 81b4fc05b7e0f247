"""Writes an ONNX file of one matrix product, byte by byte: the base install has no library that writes ONNX.

Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3); the encoding is that
of Protocol Buffers (https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOAT, UINT8, INT8, INT32 = 1, 2, 3, 6
"""TensorProto.DataType."""
TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.uint8): UINT8, np.dtype(np.int8): INT8}
IR_VERSION, OPSET = 8, 17


def product_model(weights: NDArray[np.float32] | NDArray[np.int8], rows: int) -> bytes:
    """Write a model that multiplies its input `a` with `weights`.

    Args:
        weights: (K, N), float32 or int8.
        rows: of `a`, which is float32 for float32 weights and uint8 for int8 ones, (rows, K).

    Returns:
        The file. Its output `y` is float32 or int32, (rows, N).
    """
    eight = weights.dtype == np.int8
    node = text(1, "a") + text(1, "b") + text(2, "y") + text(4, "MatMulInteger" if eight else "MatMul")
    tensor = (
        b"".join(number(1, side) for side in weights.shape)
        + number(2, TYPES[weights.dtype])
        + text(8, "b")
        + part(9, weights.tobytes())
    )
    graph = (
        part(1, node)
        + text(2, "product")
        + part(5, tensor)
        + part(11, value("a", UINT8 if eight else FLOAT, (rows, weights.shape[0])))
        + part(12, value("y", INT32 if eight else FLOAT, (rows, weights.shape[1])))
    )
    return number(1, IR_VERSION) + part(7, graph) + part(8, text(1, "") + number(2, OPSET))


def value(name: str, kind: int, shape: tuple[int, ...]) -> bytes:
    """Write a ValueInfoProto: the name, type and shape of an input or output."""
    sides = b"".join(part(1, number(1, side)) for side in shape)
    return text(1, name) + part(2, part(1, number(1, kind) + part(2, sides)))


def part(field: int, content: bytes) -> bytes:
    """Write a field that holds bytes: a message, a text or raw data."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field: int, content: str) -> bytes:
    """Write a field that holds a text."""
    return part(field, content.encode())


def number(field: int, content: int) -> bytes:
    """Write a field that holds a whole number of 0 or more."""
    return varint(field << 3) + varint(content)


def varint(content: int) -> bytes:
    """Write a whole number in groups of seven bits, lowest first."""
    groups = bytearray()
    while content > 0x7F:
        groups.append(content & 0x7F | 0x80)
        content >>= 7
    return bytes([*groups, content])
