"""Writes the ONNX file of one matrix product, byte by byte: the base install has no library that writes ONNX.

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


def build_matmul_model(weights: NDArray[np.float32] | NDArray[np.int8], rows: int) -> bytes:
    """Build a model that multiplies its input `a` with `weights`.

    Args:
        weights: (K, N), float32 or int8.
        rows: number of rows of `a`, (rows, K), which is float32 for float32 weights and uint8 for int8 weights.

    Returns:
        The ONNX file. Its output `y` is float32 or int32, (rows, N).
    """
    int8 = weights.dtype == np.int8
    node = (
        encode_text(1, "a")
        + encode_text(1, "b")
        + encode_text(2, "y")
        + encode_text(4, "MatMulInteger" if int8 else "MatMul")
    )
    tensor = (
        b"".join(encode_number(1, side) for side in weights.shape)
        + encode_number(2, TYPES[weights.dtype])
        + encode_text(8, "b")
        + encode_bytes(9, weights.tobytes())
    )
    graph = (
        encode_bytes(1, node)
        + encode_text(2, "product")
        + encode_bytes(5, tensor)
        + encode_bytes(11, encode_value_info("a", UINT8 if int8 else FLOAT, (rows, weights.shape[0])))
        + encode_bytes(12, encode_value_info("y", INT32 if int8 else FLOAT, (rows, weights.shape[1])))
    )
    opset = encode_text(1, "") + encode_number(2, OPSET)
    return encode_number(1, IR_VERSION) + encode_bytes(7, graph) + encode_bytes(8, opset)


def encode_value_info(name: str, data_type: int, shape: tuple[int, ...]) -> bytes:
    """Encode a ValueInfoProto: the name, type and shape of an input or output."""
    dimensions = b"".join(encode_bytes(1, encode_number(1, side)) for side in shape)
    tensor_type = encode_number(1, data_type) + encode_bytes(2, dimensions)
    return encode_text(1, name) + encode_bytes(2, encode_bytes(1, tensor_type))


def encode_bytes(field: int, content: bytes) -> bytes:
    """Encode a length-delimited field: a message, a text or raw data."""
    return encode_varint(field << 3 | 2) + encode_varint(len(content)) + content


def encode_text(field: int, content: str) -> bytes:
    """Encode a text field."""
    return encode_bytes(field, content.encode())


def encode_number(field: int, content: int) -> bytes:
    """Encode a field of an integer of 0 or more."""
    return encode_varint(field << 3) + encode_varint(content)


def encode_varint(content: int) -> bytes:
    """Encode an integer in groups of seven bits, lowest first."""
    groups = bytearray()
    while content > 0x7F:
        groups.append(content & 0x7F | 0x80)
        content >>= 7
    return bytes([*groups, content])
