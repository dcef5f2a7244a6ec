"""ONNX files small enough to be written by hand: one input of features, their mean, and perhaps a sigmoid over it.

The numbers are the fields of onnx.proto3; only what is needed here is there.
"""

from __future__ import annotations

from pathlib import Path

FLOAT = 1
INTS = 7


def write(path: Path, shape: tuple[int, ...] = (80, 800), *, sigmoid: bool = True) -> Path:
    """A network from (batch, *shape) to (batch,)."""
    axes = b"".join(_number(8, axis) for axis in range(1, len(shape) + 1))
    mean = _node("ReduceMean", "input_features", "mean", _text(1, "axes") + axes + _number(20, INTS))
    mean_only = mean + _field(5, _text(1, "keepdims") + _number(3, 0) + _number(20, 2))
    last = _field(1, _node("Sigmoid", "mean", "probability")) if sigmoid else b""
    graph = _field(1, mean_only) + last + _text(2, "tiny")
    graph += _field(11, _value("input_features", shape)) + _field(12, _value("probability" if sigmoid else "mean", ()))
    model = _number(1, 8) + _field(7, graph) + _field(8, _text(1, "") + _number(2, 13))
    path.write_bytes(model)
    return path


def _node(kind: str, source: str, target: str, attribute: bytes = b"") -> bytes:
    return _text(1, source) + _text(2, target) + _text(4, kind) + (_field(5, attribute) if attribute else b"")


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = _field(1, _text(2, "batch")) + b"".join(_field(1, _number(1, size)) for size in shape)
    return _text(1, name) + _field(2, _field(1, _number(1, FLOAT) + _field(2, dimensions)))


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
