"""An ONNX file as typed records: nodes with their attributes, inputs with their shapes, constant values.

Everything that a byte of the file may get wrong is checked here: types, dimensions, sizes of values, names. What nodes
need of each other is checked where they are translated. Nothing of another file is followed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from sw.frontend.tflite_file import MOST_AXES, MOST_BYTES, MOST_ELEMENTS, NAME_LETTERS
from sw.graph.graph import GraphError

__all__ = ["Input", "Node", "OnnxFile", "quoted", "values_of"]

MOST_NODES = 8192
OPSETS = range(10, 27)        # versions of the operators whose meaning is known here
#: numbers of ONNX's types -> name, numpy's type, and the field that holds values outside of the raw bytes
_TYPES = {1: ("float32", "<f4", "float_data"), 2: ("uint8", "u1", "int32_data"), 3: ("int8", "i1", "int32_data"),
          5: ("int16", "<i2", "int32_data"), 6: ("int32", "<i4", "int32_data"), 7: ("int64", "<i8", "int64_data"),
          9: ("bool", "?", "int32_data"), 11: ("float64", "<f8", "double_data")}
_NAMES = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
_ATTRIBUTES = {onnx.AttributeProto.FLOAT: "f", onnx.AttributeProto.INT: "i", onnx.AttributeProto.FLOATS: "floats",
               onnx.AttributeProto.INTS: "ints"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """An operator of the file."""

    index: int
    kind: str                        # "Conv" and so on; that of another domain has it in front
    name: str
    inputs: tuple[str, ...]          # names of what it reads; "" where an optional one is absent
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]    # numbers, lists of them, texts, arrays

    def __str__(self) -> str:
        return f"node {self.index} {self.kind}" + (f" {quoted(self.name)}" if self.name else "")


@dataclass(frozen=True, kw_only=True)
class Input:
    """An input of the network."""

    name: str
    kind: str                        # "float32" and so on
    shape: tuple[int | None, ...]    # None where a dimension is not fixed


def quoted(name: str) -> str:
    """A name as errors have it: on one line, not too long."""
    return repr(name if len(name) <= NAME_LETTERS else name[:NAME_LETTERS] + "...")


def _text(value: str | bytes) -> str:
    """The library gives bytes where a text of the file is none."""
    return value if isinstance(value, str) else value.decode(errors="replace")


class OnnxFile:
    """Raises GraphError where ``path`` cannot be read or is no ONNX file."""

    def __init__(self, path: Path):
        graph, self.opset = _parsed(path)
        if len(graph.node) > MOST_NODES:
            raise GraphError(f"has {len(graph.node)} nodes; Heddle takes {MOST_NODES} at most: use a smaller network")
        if not graph.node:
            raise GraphError("holds no network; export it again")
        if graph.sparse_initializer:
            raise GraphError("has sparse weights; export it again with dense ones")
        self.constants = {_text(tensor.name): values_of(tensor) for tensor in graph.initializer}
        self.nodes = [_node(index, node) for index, node in enumerate(graph.node)]
        self.inputs = [_input(value) for value in graph.input
                       if _text(value.name) not in self.constants]
        self.outputs = [_text(value.name) for value in graph.output]


def _parsed(path: Path) -> tuple[Any, int]:
    """The graph, and which version of the operators it means."""
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise GraphError(f"has {size} bytes; no board has the memory for a network of more than {MOST_BYTES}: use "
                             f"a smaller one")
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise GraphError(f"cannot be read ({error.strerror}); give an .onnx file") from error
    except (DecodeError, UnicodeDecodeError) as error:
        raise GraphError("is damaged or cut short: it is no protocol buffer of ONNX; get it again") from error
    versions = [entry.version for entry in model.opset_import if _text(entry.domain) in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise GraphError(f"is of opset {versions[0] if versions else 'unknown'}; Heddle reads {OPSETS[0]} to "
                         f"{OPSETS[-1]}: export it again with one of them")
    return model.graph, versions[0]


def _kind(number: int) -> str:
    return _NAMES.get(number, f"of type {number}")


def values_of(tensor: Any) -> np.ndarray:
    """A constant's values in its shape. Raises GraphError where they are not of its type and size."""
    where, shape = f"constant {quoted(_text(tensor.name))}", tuple(tensor.dims)
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise GraphError(f"{where} has its values in another file; save the network with its weights inside "
                         f"(onnx.save_model without save_as_external_data)")
    if tensor.data_type not in _TYPES:
        raise GraphError(f"{where} is {_kind(tensor.data_type)}; Heddle reads "
                         f"{', '.join(name for name, *_ in _TYPES.values())}: export it again")
    _, kind, field = _TYPES[tensor.data_type]
    if min(shape, default=1) < 0 or len(shape) > MOST_AXES or prod(shape) > MOST_ELEMENTS:
        raise GraphError(f"{where} has a shape of {shape[:8]}; Heddle takes {MOST_AXES} dimensions and {MOST_ELEMENTS} "
                         f"values at most")
    if tensor.HasField("raw_data"):
        size = np.dtype(kind).itemsize
        values = np.frombuffer(tensor.raw_data[:len(tensor.raw_data) // size * size], kind)
        complete = len(tensor.raw_data) == prod(shape) * size
    else:
        wide = np.array(getattr(tensor, field))
        with np.errstate(all="ignore"):
            values = wide.astype(kind)
        complete = wide.size == prod(shape) and (
            wide.dtype.kind == "f" or bool(np.array_equal(values.astype(np.int64), wide.astype(np.int64))))
    if not complete:
        raise GraphError(f"{where} has {values.size} values of its type for a shape of {shape}; the file is damaged: "
                         f"get it again")
    return values.reshape(shape)


def _node(index: int, node: Any) -> Node:
    domain, kind = _text(node.domain), _text(node.op_type)
    kind = kind if domain in ("", "ai.onnx") else f"{domain}.{kind}"
    kind = kind if kind.replace(".", "").replace("_", "").isalnum() and len(kind) <= NAME_LETTERS else quoted(kind)
    attributes: dict[str, Any] = {}
    for entry in node.attribute:
        if entry.type in _ATTRIBUTES:
            value = getattr(entry, _ATTRIBUTES[entry.type])
            attributes[_text(entry.name)] = value if isinstance(value, (int, float)) else tuple(value)
        elif entry.type == onnx.AttributeProto.STRING:
            attributes[_text(entry.name)] = entry.s.decode(errors="replace")
        elif entry.type == onnx.AttributeProto.TENSOR:
            attributes[_text(entry.name)] = values_of(entry.t)
    return Node(index=index, kind=kind, name=_text(node.name), inputs=tuple(map(_text, node.input)),
                outputs=tuple(map(_text, node.output)),
                attributes=attributes)


def _input(value: Any) -> Input:
    if value.type.WhichOneof("value") != "tensor_type":
        raise GraphError(f"its input {quoted(_text(value.name))} is no tensor; export it again")
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        raise GraphError(f"its input {quoted(_text(value.name))} has no shape; export it again with a fixed one")
    shape = tuple(dim.dim_value if dim.WhichOneof("value") == "dim_value" else None for dim in kind.shape.dim)
    return Input(name=_text(value.name), kind=_TYPES.get(kind.elem_type, (_kind(kind.elem_type),))[0], shape=shape)
