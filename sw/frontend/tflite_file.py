"""A TFLite file as typed records: subgraphs, operators by name, tensors with their quantization and constant values.

Everything that a number in the file may get wrong is checked here or when it is asked for: types, dimensions, counts,
scales, references. What the operators need of each other is checked where they are lowered.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import tflite

from sw.frontend.flatbuffer import Record, read
from sw.frontend.tflite_schema import MODEL
from sw.graph.graph import GraphError, TensorType
from sw.graph.layer import canonical

__all__ = ["FULL_INTEGER", "INT8_ENDS", "MOST_ELEMENTS", "NO_TENSOR", "File", "Operator", "Subgraph", "Tensor"]

NO_TENSOR = -1                   # an optional operand that is not there
MOST_BYTES = 1 << 26             # of a file, of one tensor
MOST_ELEMENTS = MOST_BYTES
MOST_AXES = 6
MOST_OPERATORS = 1024
NAME_LETTERS = 60                # of a tensor's name in an error
INT8_ENDS = "inference_input_type = inference_output_type = tf.int8"
#: what to ask TensorFlow's converter for
FULL_INTEGER = ("full-integer post-training quantization (optimizations = [tf.lite.Optimize.DEFAULT], a "
                f"representative_dataset, supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], {INT8_ENDS})")
IDENTIFIER = b"TFL3"
_KINDS = {number: name for name, number in vars(tflite.TensorType).items() if isinstance(number, int)}
_NAMES = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
#: kinds of tensors whose constant values are read -> numpy's type
_VALUES = {"INT8": "i1", "UINT8": "u1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FLOAT32": "<f4", "BOOL": "?"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Tensor:
    """A tensor of a subgraph as the file describes it."""

    index: int
    name: str
    kind: str                    # "INT8" and so on
    shape: tuple[int, ...]
    scale: np.ndarray            # float32; empty where it is not quantized
    zero: np.ndarray             # int64, as many
    axis: int                    # of the channels that have a scale each
    data: np.ndarray | None      # the bytes of a constant
    foreign: str = ""            # what Heddle does not read of it

    def __str__(self) -> str:
        """How errors call it."""
        name = self.name if len(self.name) <= NAME_LETTERS else self.name[:NAME_LETTERS] + "..."
        return f"tensor {self.index}" + (f" {name!r}" if name else "")

    @cached_property
    def size(self) -> int:
        """Elements. Raises GraphError where the dimensions are no tensor that fits a memory."""
        if any(length < 0 for length in self.shape):
            raise GraphError(f"{self} has a shape of {self.shape}, with a dimension that is not known; convert the "
                             f"network again with a fixed input shape")
        if len(self.shape) > MOST_AXES:
            raise GraphError(f"{self} has {len(self.shape)} dimensions; Heddle takes {MOST_AXES} at most; reshape it")
        if not all(self.shape):
            raise GraphError(f"{self} has a shape of {self.shape} and no element; remove it from the network")
        if (size := prod(self.shape)) > MOST_ELEMENTS:
            raise GraphError(f"{self} has {size} elements in a shape of {self.shape}; no board has the memory for more "
                             f"than {MOST_ELEMENTS}: use a smaller network, or get the file again")
        return size

    @cached_property
    def type(self) -> TensorType:
        """As an activation: int8, or float32 or uint8 at the ends of a network. Raises GraphError where it is none."""
        if self.kind not in ("INT8", "UINT8", "FLOAT32"):
            raise GraphError(f"{self} is {self.kind}, not INT8; convert the network again with {FULL_INTEGER}")
        if self.size and self.kind == "FLOAT32":
            return TensorType(shape=canonical(self.shape), scale=1.0, zero_point=0, dtype="float32")
        scale, zero = self.quantization()
        if scale.size != 1:
            raise GraphError(f"{self} has {scale.size} scales; an activation has one: convert the network again")
        low, high = (0, 255) if self.kind == "UINT8" else (-128, 127)
        if not low <= zero[0] <= high:
            raise GraphError(f"{self} has a zero point of {zero[0]}; one of {self.kind} is {low} to {high}: get or "
                             f"convert the file again")
        return TensorType(shape=canonical(self.shape), scale=float(scale[0]), zero_point=int(zero[0]),
                          dtype=self.kind.lower())

    def quantization(self) -> tuple[np.ndarray, np.ndarray]:
        """Scales float32 and zero points int64, one of each or one a channel. Raises GraphError where they are none."""
        if self.foreign:
            raise GraphError(f"{self} {self.foreign}")
        if not self.scale.size or self.scale.size != self.zero.size:
            raise GraphError(f"{self} is {self.kind} without a scale and a zero point; convert the network again with "
                             f"{FULL_INTEGER}")
        wrong = self.scale[~(self.scale > 0) | ~np.isfinite(self.scale)]
        if wrong.size:
            raise GraphError(f"{self} has a scale of {wrong[0]:g}; a scale is above 0: get or convert the file again")
        return self.scale, self.zero

    def values(self) -> np.ndarray:
        """A constant's values in its shape; int4 as int8. Raises GraphError where it is no constant of its size."""
        if self.data is None:
            raise GraphError(f"{self} is not constant; Heddle takes constant values here")
        if self.foreign:
            raise GraphError(f"{self} {self.foreign}")
        if self.kind == "INT4":
            values = _unpacked(self.data)[:self.size]
            if self.data.size != (self.size + 1) // 2:
                values = values[:0]
        elif self.kind not in _VALUES:
            raise GraphError(f"{self} is {self.kind}; Heddle reads constants of {', '.join(_VALUES)} and INT4")
        else:
            kind = np.dtype(_VALUES[self.kind])
            values = self.data[:self.data.size // kind.itemsize * kind.itemsize].view(kind)
        if values.size != self.size:
            raise GraphError(f"{self} has {self.data.size} bytes of {self.kind} for a shape of {self.shape}; the file "
                             f"is damaged: get it again")
        return values.reshape(self.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Operator:
    """An operator, by its name in the schema."""

    index: int
    name: str
    inputs: tuple[int, ...]      # of tensors; NO_TENSOR where an optional one is absent
    outputs: tuple[int, ...]
    options: Record | None

    def __str__(self) -> str:
        return f"operator {self.index} {self.name}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Subgraph:
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


class File:
    """Raises GraphError where ``path`` cannot be read or is no TFLite file, or its parts do not fit each other."""

    def __init__(self, path: Path):
        self.data = _content(path)
        if self.data[4:8] != IDENTIFIER:
            raise GraphError("is not a TFLite file; give a .tflite flatbuffer")
        model = read(self.data, MODEL)
        if model.version != 3:
            raise GraphError(f"has version {model.version} of the schema; this Heddle reads version 3: get or convert "
                             f"the file again")
        self.buffers = [self._buffer(number, buffer) for number, buffer in enumerate(model.buffers)]
        self.codes = [_code(code) for code in model.codes]
        if not model.subgraphs:
            raise GraphError("holds no network; get or convert the file again")
        self.subgraphs = [self._subgraph(graph) for graph in model.subgraphs]

    def _buffer(self, number: int, buffer: Record) -> np.ndarray | None:
        """The bytes, which are in the buffer, or for large files behind everything else; None where there are none."""
        if buffer.offset > 1:
            if buffer.offset + buffer.size > len(self.data):
                raise GraphError(f"is damaged or cut short: buffer {number} reaches to byte "
                                 f"{buffer.offset + buffer.size} of {len(self.data)}; get it again")
            return np.frombuffer(self.data, np.uint8, buffer.size, buffer.offset)
        return buffer.data if buffer.data is not None and buffer.data.size else None

    def _subgraph(self, graph: Record) -> Subgraph:
        tensors = tuple(self._tensor(index, tensor) for index, tensor in enumerate(graph.tensors))
        if len(graph.operators) > MOST_OPERATORS:
            raise GraphError(f"has {len(graph.operators)} operators; Heddle takes {MOST_OPERATORS} at most: use a "
                             f"smaller network")
        operators = tuple(self._operator(index, one, len(tensors)) for index, one in enumerate(graph.operators))
        return Subgraph(tensors=tensors, operators=operators,
                        inputs=_numbers(graph.inputs, len(tensors), "an input of the network"),
                        outputs=_numbers(graph.outputs, len(tensors), "an output of the network"))

    def _tensor(self, index: int, tensor: Record) -> Tensor:
        if tensor.buffer >= len(self.buffers):
            raise GraphError(f"is damaged: tensor {index} has its values in buffer {tensor.buffer} of "
                             f"{len(self.buffers)}; get it again")
        quantization = tensor.quantization
        foreign = ""
        if tensor.sparsity is not None:
            foreign = "is sparse; convert the network again with dense weights"
        elif tensor.external_buffer:
            foreign = "has its values in another file; convert the network again with its weights inside"
        elif quantization is not None and quantization.details_type:
            foreign = "is quantized by a scheme of its own; convert the network again with a scale a tensor or channel"
        return Tensor(
            index=index, name=tensor.name or "", kind=_KINDS.get(tensor.type, f"of type {tensor.type}"),
            shape=() if tensor.shape is None else tuple(tensor.shape.tolist()),
            scale=_array(quantization and quantization.scale, np.float32),
            zero=_array(quantization and quantization.zero_point, np.int64),
            axis=quantization.quantized_dimension if quantization else 0, data=self.buffers[tensor.buffer],
            foreign=foreign)

    def _operator(self, index: int, operator: Record, tensors: int) -> Operator:
        if operator.opcode_index >= len(self.codes):
            raise GraphError(f"is damaged: operator {index} is of kind {operator.opcode_index} of {len(self.codes)}; "
                             f"get it again")
        name = self.codes[operator.opcode_index]
        where = f"operator {index} {name}"
        return Operator(index=index, name=name, options=operator.options,
                        inputs=_numbers(operator.inputs, tensors, f"an input of {where}", least=NO_TENSOR),
                        outputs=_numbers(operator.outputs, tensors, f"an output of {where}"))


def _content(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise GraphError(f"has {size} bytes; no board has the memory for a network of more than {MOST_BYTES}: use "
                             f"a smaller one")
        return path.read_bytes()
    except OSError as error:
        raise GraphError(f"cannot be read ({error.strerror}); give a .tflite file") from error


def _code(code: Record) -> str:
    """An operator's name; that of a custom one is the text in the file."""
    number = max(code.builtin_code, code.deprecated_builtin_code)
    name = _NAMES.get(number, f"of number {number}")
    return f"CUSTOM {(code.custom_code or '')[:NAME_LETTERS]!r}" if name == "CUSTOM" else name


def _numbers(vector: np.ndarray | None, tensors: int, what: str, *, least: int = 0) -> tuple[int, ...]:
    numbers = () if vector is None else tuple(vector.tolist())
    for number in numbers:
        if not least <= number < tensors:
            raise GraphError(f"is damaged: {what} is tensor {number} of {tensors}; get it again")
    return numbers


def _array(vector: np.ndarray | None, kind: type[np.generic]) -> np.ndarray:
    return np.zeros(0, kind) if vector is None else vector


def _unpacked(data: np.ndarray) -> np.ndarray:
    """int8 of packed int4, the low half of each byte first."""
    halves = np.stack([data << 4, data & 0xF0], axis=-1).view(np.int8)
    return (halves >> 4).reshape(-1)
