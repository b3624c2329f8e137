"""What the functions that lower TFLite's operators work with: one operator, its tensors, and the network so far.

A tensor of the file is an activation, which has a :class:`~sw.frontend.network.Value`, or it is known: a constant of
the file, or what operators make of constants alone. Reshapes give another tensor of the file the same value; the layer
that reads it is told the file's shape.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sw.frontend.network import Network, Read, Value
from sw.frontend.tflite_file import FULL_INTEGER, NO_TENSOR, Operator, Subgraph, Tensor
from sw.graph.graph import GraphError
from sw.graph.layer import TensorType, canonical

__all__ = ["IDENTITY", "Floats", "Lowering", "Operation", "Registry", "Variable", "shape_of"]

IDENTITY = np.arange(-128, 128).astype(np.int8)


@dataclass(frozen=True, kw_only=True, eq=False)
class Floats:
    """A float32 tensor inside of a network: a function of the bytes of an int8 tensor, value by value."""

    source: Value
    values: np.ndarray      # float32 (256,), of -128, -127, ... 127


class Variable:
    """State that lives between inferences, while the operators are lowered in their order."""

    def __init__(self) -> None:
        self.initial: np.ndarray | None = None      # of CALL_ONCE; else the zero point
        self.state: Value | None = None             # as the inference before left it
        self.now: Value | None = None               # what a read gives at this point
        self.read = False


class Lowering:
    """A subgraph of a file on its way to a network."""

    def __init__(self, subgraphs: Sequence[Subgraph], subgraph: Subgraph):
        self.subgraphs, self.subgraph = subgraphs, subgraph
        self.network = Network()
        self.values: dict[int, Value] = {}
        self.known: dict[int, np.ndarray] = {}
        self.floats: dict[int, Floats] = {}
        self.folded = 0                                              # constant values that were computed
        self.handles: dict[int, Variable] = {}                       # by the tensor of the handle
        self.variables: dict[tuple[str, str], Variable] = {}         # by container and name

    def known_values(self, tensor: Tensor) -> np.ndarray | None:
        """What is known of a tensor before any inference; None for an activation."""
        if tensor.index in self.values:
            return None
        if tensor.index not in self.known and tensor.data is not None:
            self.known[tensor.index] = tensor.values()
        return self.known.get(tensor.index)

    def value(self, tensor: Tensor) -> Value:
        """The activation that a tensor is, or one of constant values."""
        if tensor.index not in self.values:
            values = self.known_values(tensor)
            if tensor.index in self.floats:
                raise GraphError(f"reads {tensor}, which is computed in FLOAT32; inside a network Heddle computes with "
                                 f"INT8 alone: convert the network again with {FULL_INTEGER}")
            if values is None:
                raise GraphError(f"reads {tensor}, which no operator before it makes; get or convert the file again")
            if tensor.kind != "INT8":
                raise GraphError(f"reads {tensor}, a constant of {tensor.kind}; convert the network again with "
                                 f"{FULL_INTEGER}")
            self.values[tensor.index] = self.network.constant(tensor.type, values)
        return self.values[tensor.index]

    def define(self, tensor: Tensor, value: Value, name: str) -> None:
        """``tensor`` has the bytes of ``value``, in its own shape and with its own scale, as the file says."""
        kind = tensor.type
        if kind.size != value.type.size or kind.dtype != value.type.dtype:
            raise GraphError(f"gives {value.type.size} values of {value.type.dtype}, but {tensor} has {kind.size} of "
                             f"{kind.dtype}; get or convert the file again")
        if (kind.scale, kind.zero_point) != (value.type.scale, value.type.zero_point):
            value = self.network.layer(f"{name}_as", "table", [(value, value.type.shape)], function="reinterpret",
                                       output=replace(kind, shape=value.type.shape), weights=IDENTITY)
        self.values[tensor.index] = value


class Operation:
    """One operator of the file, for the function that lowers it."""

    def __init__(self, lowering: Lowering, operator: Operator):
        self.lowering, self.operator = lowering, operator
        self.name = f"{operator.name.lower()}{operator.index}"

    # what the file says of it

    @property
    def count(self) -> int:
        """Operands."""
        return len(self.operator.inputs)

    def has(self, place: int) -> bool:
        """Whether operand ``place`` is there."""
        return place < self.count and self.operator.inputs[place] != NO_TENSOR

    def tensor(self, place: int) -> Tensor:
        """Operand ``place``. Raises GraphError where it is absent."""
        if not self.has(place):
            raise GraphError(f"has no operand {place}; get or convert the file again")
        return self.lowering.subgraph.tensors[self.operator.inputs[place]]

    def given(self, place: int = 0) -> Tensor:
        """Output ``place``. Raises GraphError where it is absent."""
        if place >= len(self.operator.outputs):
            raise GraphError(f"has no output {place}; get or convert the file again")
        return self.lowering.subgraph.tensors[self.operator.outputs[place]]

    def option(self, name: str, default: Any = None) -> Any:
        """A field of its options; ``default`` where it has no options, or an error without one."""
        options = self.operator.options
        if options is None or not hasattr(options, name):
            if default is None:
                raise GraphError("has no options, which it needs; get or convert the file again")
            return default
        return getattr(options, name)

    def shape(self, place: int, rank: int | None = None) -> tuple[int, ...]:
        """Operand ``place``'s shape in the file; of ``rank`` dimensions where that is asked for."""
        return shape_of(self.tensor(place), rank)

    def known(self, place: int) -> np.ndarray | None:
        """The values of operand ``place`` where they are constant."""
        return self.lowering.known_values(self.tensor(place))

    def integers(self, place: int) -> list[int]:
        """Constant whole numbers: axes, sizes and their like."""
        tensor, values = self.tensor(place), self.known(place)
        if values is None or values.dtype.kind != "i" or values.itemsize < 4:
            raise GraphError(f"{tensor} is {'' if values is None else 'constant, but '}{tensor.kind}; Heddle takes a "
                             f"constant of INT32 here: fix the shapes and convert the network again")
        return [int(value) for value in values.ravel().tolist()]

    # what it computes with

    def read(self, place: int, shape: tuple[int, ...] | None = None) -> Read:
        """Operand ``place``, int8, in ``shape`` or else in the file's."""
        return self.reads(self.tensor(place), shape)

    def reads(self, tensor: Tensor, shape: tuple[int, ...] | None = None) -> Read:
        kind = tensor.type
        if kind.dtype != "int8":
            raise GraphError(f"reads {tensor}, which is {tensor.kind}; inside a network Heddle computes with INT8 "
                             f"alone: convert the network again with {FULL_INTEGER}")
        return self.lowering.value(tensor), canonical(tensor.shape) if shape is None else shape

    def layer(self, op: str, reads: Sequence[Read], output: TensorType, *, suffix: str = "", **fields: Any) -> Value:
        """Add a layer of the network; it has the operator's name, with a suffix where there are several."""
        return self.lowering.network.layer(self.name + suffix, op, reads, output, **fields)

    def define(self, value: Value, place: int = 0) -> None:
        """Output ``place`` is ``value``."""
        self.lowering.define(self.given(place), value, self.name)

    def alias(self) -> None:
        """Its output is its first operand's bytes."""
        self.define(self.lowering.value(self.tensor(0)))


def shape_of(tensor: Tensor, rank: int | None = None) -> tuple[int, ...]:
    """Checked; see :meth:`Operation.shape`."""
    if tensor.size and rank is not None and len(tensor.shape) != rank:
        raise GraphError(f"{tensor} has a shape of {tensor.shape}; it takes one of {rank} dimensions: convert the "
                         f"network again")
    return tensor.shape


class Registry:
    """Functions by the names of the operators that they serve."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[Operation], Any]] = {}

    def __call__(self, *names: str) -> Callable[[Callable[[Operation], Any]], Callable[[Operation], Any]]:
        def register(function: Callable[[Operation], Any]) -> Callable[[Operation], Any]:
            self.functions |= dict.fromkeys(names, function)
            return function
        return register
