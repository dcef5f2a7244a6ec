"""ONNX files small enough to be written by hand.

The numbers are the fields of onnx.proto3; only what is needed here is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FLOAT, INT64 = 1, 7  # TensorProto.DataType
INTS = 7  # AttributeProto.AttributeType
TYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}


def save(
    path: Path,
    nodes: Sequence[bytes],
    *,
    inputs: Mapping[str, tuple[int, Sequence[int | str]]],
    outputs: Mapping[str, tuple[int, Sequence[int | str]]],
    constants: Mapping[str, npt.NDArray[Any]] | None = None,
) -> Path:
    """A network of these nodes. Inputs and outputs by name: element type, and dimensions, by name where they vary."""
    graph = b"".join(_field(1, node) for node in nodes) + _text(2, "tiny")
    graph += b"".join(_field(5, _tensor(name, array)) for name, array in (constants or {}).items())
    graph += b"".join(_field(11, _value(name, *kind)) for name, kind in inputs.items())
    graph += b"".join(_field(12, _value(name, *kind)) for name, kind in outputs.items())
    path.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, _text(1, "") + _number(2, 13)))
    return path


def node(kind: str, sources: Sequence[str], target: str, **attributes: int | list[int]) -> bytes:
    """One step; attributes are whole numbers, or lists of them."""
    found = b"".join(_text(1, source) for source in sources) + _text(2, target) + _text(4, kind)
    for name, value in attributes.items():
        many = isinstance(value, list)
        numbers = b"".join(_number(8, one) for one in value) if isinstance(value, list) else _number(3, value)
        found += _field(5, _text(1, name) + numbers + _number(20, INTS if many else 2))
    return found


def write(path: Path, shape: tuple[int, ...] = (80, 800), *, sigmoid: bool = True) -> Path:
    """A network from features (batch, *shape) to their mean (batch,), and perhaps a sigmoid over it."""
    axes = list(range(1, len(shape) + 1))
    nodes = [node("ReduceMean", ["input_features"], "mean", axes=axes, keepdims=0)]
    if sigmoid:
        nodes.append(node("Sigmoid", ["mean"], "probability"))
    return save(
        path,
        nodes,
        inputs={"input_features": (FLOAT, ["batch", *shape])},
        outputs={"probability" if sigmoid else "mean": (FLOAT, ["batch"])},
    )


def _value(name: str, kind: int, dimensions: Sequence[int | str]) -> bytes:
    sizes = (_text(2, one) if isinstance(one, str) else _number(1, one) for one in dimensions)
    shape = b"".join(_field(1, size) for size in sizes)
    return _text(1, name) + _field(2, _field(1, _number(1, kind) + _field(2, shape)))


def _tensor(name: str, array: npt.NDArray[Any]) -> bytes:
    sizes = b"".join(_number(1, size) for size in array.shape)
    return sizes + _number(2, TYPES[array.dtype]) + _text(8, name) + _field(9, array.tobytes())


def _text(field: int, text: str) -> bytes:
    return _field(field, text.encode())


def _field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
