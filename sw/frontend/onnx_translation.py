"""An ONNX network on its way to TFLite's operators, which then become layers as those of a file do.

ONNX writes a quantized network as float operators between DequantizeLinear and QuantizeLinear. A name of the file is
here one of:

- :class:`Placed`: the values of an int8 tensor, as bytes or (behind a DequantizeLinear) as the reals that they mean;
- :class:`Weights`: constants of one byte or int32, behind their DequantizeLinear;
- :class:`Curve`: a function of the bytes of one int8 tensor, value by value, which becomes a table;
- :class:`Pending`: what a node computes, whose scale the QuantizeLinear behind it says;
- a plain array: constants of any other use.

ONNX's images are ``(N, C, H, W)``; here they lie as ``(N, H, W, C)``. So a tensor has its axes in an order of its own,
and a Transpose, a Flatten or a Reshape moves no value before a node asks for another order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from sw.frontend.flatbuffer import Record
from sw.frontend.onnx_file import Node, quoted
from sw.frontend.tflite_file import MOST_AXES, MOST_ELEMENTS, Operator, Tensor
from sw.graph.graph import GraphError

__all__ = ["BYTES", "HOW", "Curve", "Float", "NodeOperator", "Pending", "Placed", "Scale", "Translation", "Weights",
           "quantized", "reals_of", "unknown"]

BYTES = np.arange(-128, 128)
#: how to quantize a network so that it loads
HOW = ("onnxruntime.quantization.quantize_static(..., quant_format=QuantFormat.QDQ, activation_type=QuantType.QInt8, "
       "weight_type=QuantType.QInt8, per_channel=True)")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Scale and zero point of a tensor of int8; of uint8 in the file with 128 taken from values and zero point."""

    scale: float
    zero: int
    unsigned: bool = False        # in the file


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An int8 tensor of the network. A name stands for its values in the shape ``shape``, row by row those of
    ``whole``, whose axes the tensor has in ``order``."""

    tensor: int
    shape: tuple[int, ...]
    whole: tuple[int, ...]
    order: tuple[int, ...]
    scale: Scale
    real: bool                    # whether the name means reals, and not the bytes

    @property
    def plain(self) -> bool:
        """Whether the tensor's axes are those of its shape, in an order of their own at most."""
        return self.shape == self.whole

    @property
    def moved(self) -> bool:
        """Whether values lie in another order than those of ``shape``."""
        large = [axis for axis in self.order if self.whole[axis] > 1]
        return large != sorted(large)


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """Constants that stand for ``scale * (values - zero)``; one scale, or one for each place along ``axis``."""

    values: np.ndarray            # int8 or int32
    scale: np.ndarray             # float32 (N,)
    zero: np.ndarray              # int64 (N,)
    axis: int

    @property
    def reals(self) -> np.ndarray:
        shape = [1] * self.values.ndim
        if self.scale.size > 1:
            shape[self.axis] = -1
        scale, zero = (array.reshape(shape) if self.values.ndim else array[0] for array in (self.scale, self.zero))
        return np.asarray((self.values - zero).astype(np.float32) * scale, np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """What the bytes -128, -127, ... 127 of ``source`` become."""

    source: Placed
    values: np.ndarray            # float32 (256,)
    function: str = "float32"     # what it is called; this, where it is several


@dataclass(frozen=True, kw_only=True, eq=False)
class Pending:
    """What ``node`` computes, between two bounds, for the scale that is asked for."""

    node: Node
    shape: tuple[int, ...]
    make: Callable[[Scale, tuple[int, int]], Placed]      # of the scale and the clamp in steps
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True, kw_only=True)
class Float:
    """A float32 input of the network: its tensor and the order of its axes."""

    tensor: int
    shape: tuple[int, ...]
    order: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeOperator(Operator):
    """An operator for the node of the file that errors name."""

    node: str

    def __str__(self) -> str:
        return self.node


def quantized(values: np.ndarray, scale: Scale) -> np.ndarray:
    """ONNX's QuantizeLinear to int8, of float32: divided, rounded half to even, with the zero point, saturated.

    >>> quantized(np.float32([0.75, -0.25, 1e9, np.nan]), Scale(scale=0.5, zero=1)).tolist()
    [3, 1, 127, 1]
    """
    with np.errstate(all="ignore"):
        steps = np.rint(np.asarray(values, np.float32) / np.float32(scale.scale)).astype(np.float64) + scale.zero
    return np.clip(np.nan_to_num(steps, nan=scale.zero), -128, 127).astype(np.int8)


class Translation:
    """Tensors and operators of TFLite, as they come about."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []

    # what is written

    def tensor(self, shape: Sequence[int], kind: str = "INT8", *, scale: Any = (), zero: Any = (), axis: int = 0,
               data: np.ndarray | None = None, name: str = "") -> int:
        if len(shape) > MOST_AXES or prod(shape) > MOST_ELEMENTS:
            raise GraphError(f"makes a tensor of shape {tuple(shape)}; Heddle takes {MOST_AXES} dimensions and "
                             f"{MOST_ELEMENTS} values at most")
        self.tensors.append(Tensor(
            index=len(self.tensors), name=name, kind=kind, shape=tuple(map(int, shape)),
            scale=np.atleast_1d(np.asarray(scale, np.float32)), zero=np.atleast_1d(np.asarray(zero, np.int64)),
            axis=axis, data=None if data is None else np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)))
        return len(self.tensors) - 1

    def activation(self, shape: Sequence[int], scale: Scale) -> int:
        return self.tensor(shape, scale=scale.scale, zero=scale.zero)

    def integers(self, values: Sequence[int]) -> int:
        if any(not -(1 << 31) <= value < 1 << 31 for value in values):
            raise GraphError(f"reads whole numbers {list(values)[:8]}, one of them beyond 32 bits; get it again")
        array = np.array(values, np.int32)
        return self.tensor(array.shape, "INT32", data=array)

    def operator(self, node: Node, name: str, inputs: Sequence[int], output: int, **options: Any) -> int:
        self.operators.append(NodeOperator(index=len(self.operators), name=name, inputs=tuple(inputs),
                                           outputs=(output,), options=Record(**options), node=str(node)))
        return output

    def placed(self, node: Node, name: str, inputs: Sequence[int], like: Placed, **options: Any) -> Placed:
        """The output of an operator, which ``like`` describes; its tensor is new."""
        stored = tuple(like.whole[axis] for axis in like.order)
        return replace(like, tensor=self.operator(node, name, inputs, self.activation(stored, like.scale), **options))

    # orders of axes

    def stored(self, value: Placed) -> tuple[int, ...]:
        """The shape of its tensor."""
        return self.tensors[value.tensor].shape

    def natural(self, node: Node, value: Placed) -> Placed:
        """With the axes of its shape in their order."""
        tensor, rank = value.tensor, len(value.whole)
        if value.order != tuple(range(rank)):
            moves = [value.order.index(axis) for axis in range(rank)]
            tensor = self.operator(node, "TRANSPOSE", [tensor, self.integers(moves)],
                                   self.activation(value.whole, value.scale))
        if value.whole != value.shape:
            tensor = self.reshape(node, tensor, value.shape, value.scale)
        return replace(value, tensor=tensor, whole=value.shape, order=tuple(range(len(value.shape))))

    def reshape(self, node: Node, tensor: int, shape: Sequence[int], scale: Scale) -> int:
        return self.operator(node, "RESHAPE", [tensor], self.activation(shape, scale))

    def arranged(self, node: Node, value: Placed, order: Sequence[int]) -> Placed:
        """With the axes of its shape in ``order``."""
        order = tuple(order)
        if not value.plain:
            value = self.natural(node, value)
        if value.order == order:
            return value
        moves = [value.order.index(axis) for axis in order]
        return self.placed(node, "TRANSPOSE", [value.tensor, self.integers(moves)], replace(value, order=order))

    def reshaped(self, node: Node, value: Placed, shape: tuple[int, ...]) -> Placed:
        """In another shape; values stay where they are."""
        if shape == value.shape:
            return value
        if not value.moved:
            return replace(value, tensor=self.reshape(node, value.tensor, shape, value.scale), shape=shape, whole=shape,
                           order=tuple(range(len(shape))))
        large = [axis for axis, size in enumerate(value.whole) if size > 1]
        places = [axis for axis, size in enumerate(shape) if size > 1]
        if [value.whole[axis] for axis in large] != [shape[axis] for axis in places]:
            return replace(value, shape=shape)
        # axes of length 1 come or go, which moves nothing
        order = (*(axis for axis, size in enumerate(shape) if size == 1),
                 *(places[large.index(axis)] for axis in value.order if value.whole[axis] > 1))
        tensor = self.reshape(node, value.tensor, [shape[axis] for axis in order], value.scale)
        return replace(value, tensor=tensor, shape=shape, whole=shape, order=order)

    def transposed(self, node: Node, value: Placed, axes: Sequence[int]) -> Placed:
        if not value.plain:
            value = self.natural(node, value)
        shape = tuple(value.shape[axis] for axis in axes)
        return replace(value, shape=shape, whole=shape, order=tuple(list(axes).index(axis) for axis in value.order))

    # values

    def table(self, node: Node, value: Placed, scale: Scale, reals: np.ndarray, function: str,
              clamp: tuple[int, int] = (-128, 127)) -> Placed:
        """What each byte of ``value`` becomes at ``scale``, of the reals that they mean by then."""
        entries = np.clip(quantized(reals, scale), *clamp).astype(np.int8)
        return self.placed(node, "TABLE", [value.tensor], replace(value, scale=scale, real=False), weights=entries,
                           function=function)

    def rescaled(self, node: Node, value: Placed, scale: Scale, clamp: tuple[int, int] = (-128, 127)) -> Placed:
        """The same reals at another scale."""
        if (value.scale.scale, value.scale.zero) == (scale.scale, scale.zero) and clamp == (-128, 127):
            return replace(value, scale=scale, real=False)
        return self.table(node, value, scale, reals_of(value.scale), "requantize", clamp)

    def constant(self, values: np.ndarray, scale: Scale) -> int:
        return self.tensor(values.shape, scale=scale.scale, zero=scale.zero, data=values.astype(np.int8))


def reals_of(scale: Scale) -> np.ndarray:
    """What -128, -127, ... 127 stand for, as DequantizeLinear gives them."""
    return (BYTES - scale.zero).astype(np.float32) * np.float32(scale.scale)


def unknown(name: str) -> GraphError:
    return GraphError(f"reads {quoted(name)}, which nothing before it gives; export it again")
