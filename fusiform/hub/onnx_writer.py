"""A small writer of ONNX files, so that no onnx package is needed at run time.

Field numbers are those of onnx.proto3 (IR version 8); only what fusiform writes is here: float
and int64 tensors, integer attributes, inputs and outputs of floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError

IR_VERSION, OPSET = 8, 17
FLOAT, INT64 = 1, 7
ATTRIBUTE_INT, ATTRIBUTE_INTS = 2, 7
Shape = Sequence[int | str]


@dataclass(frozen=True)
class Node:
    """One operation: its ONNX name, the names of its inputs, that of its only output."""

    op: str
    inputs: Sequence[str]
    output: str
    attributes: Mapping[str, int | Sequence[int]] = field(default_factory=dict)


def write_onnx(
    name: str,
    nodes: Sequence[Node],
    weights: Mapping[str, NDArray[Any]],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
) -> bytes:
    """The bytes of an ONNX file.

    `nodes` in the order in which they run; `weights` float32 or int64; a string in a shape is
    the name of a free axis. Raises ChoiceError for weights of another type.
    """
    graph = b"".join(
        [
            *(_bytes(1, _node(node)) for node in nodes),
            _bytes(2, name.encode()),
            *(_bytes(5, _tensor(key, array)) for key, array in weights.items()),
            *(_bytes(11, _value(key, shape)) for key, shape in inputs.items()),
            *(_bytes(12, _value(key, shape)) for key, shape in outputs.items()),
        ]
    )
    opset = _bytes(8, _bytes(1, b"") + _int(2, OPSET))
    return _int(1, IR_VERSION) + _bytes(2, b"fusiform") + _bytes(7, graph) + opset


def _node(node: Node) -> bytes:
    parts = [_bytes(1, name.encode()) for name in node.inputs]
    parts += [_bytes(2, node.output.encode()), _bytes(3, node.output.encode())]
    parts += [_bytes(4, node.op.encode())]
    parts += [_bytes(5, _attribute(key, value)) for key, value in node.attributes.items()]
    return b"".join(parts)


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    key = _bytes(1, name.encode())
    if isinstance(value, int):
        return key + _int(3, value) + _int(20, ATTRIBUTE_INT)
    return key + b"".join(_int(8, v) for v in value) + _int(20, ATTRIBUTE_INTS)


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    types = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}
    if array.dtype not in types:
        raise ChoiceError(f"weights {name}", "float32 or int64", str(array.dtype))
    raw = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    dims = b"".join(_int(1, n) for n in array.shape)
    return dims + _int(2, types[array.dtype]) + _bytes(8, name.encode()) + _bytes(9, raw)


def _value(name: str, shape: Shape) -> bytes:
    dims = b"".join(_bytes(1, _dimension(n)) for n in shape)
    tensor_type = _int(1, FLOAT) + _bytes(2, dims)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor_type))


def _dimension(n: int | str) -> bytes:
    return _bytes(2, n.encode()) if isinstance(n, str) else _int(1, n)


def _int(number: int, value: int) -> bytes:
    """A field holding an integer; protobuf writes a negative one as 64 bits."""
    return _varint(number << 3) + _varint(value & (1 << 64) - 1)


def _bytes(number: int, value: bytes) -> bytes:
    """A field holding bytes, text or another message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
