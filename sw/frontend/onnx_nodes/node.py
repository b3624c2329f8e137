"""What the functions that translate ONNX's nodes work with: one node and what the names stand for by then."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sw.frontend.onnx_file import Node, quoted
from sw.frontend.onnx_translation import (
    HOW,
    Curve,
    Float,
    Pending,
    Placed,
    Scale,
    Translation,
    Weights,
    reals_of,
    unknown,
)
from sw.graph.graph import GraphError

__all__ = ["MOST_NUMBERS", "NONE", "NodeOp", "Registry", "WHOLE", "axis_of", "curve_of", "fused"]



MOST_NUMBERS = 4096                      # whole numbers that a node reads: axes, sizes and their like
NONE, WHOLE = 0, (-128, 127)             # tflite.ActivationFunctionType; a clamp of an int8 that cuts nothing
FULL = "quantize it as well"


class Registry:
    """Functions by the kinds of the nodes that they serve."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[NodeOp], None]] = {}

    def __call__(self, *kinds: str) -> Callable[[Callable[["NodeOp"], None]], Callable[["NodeOp"], None]]:
        def register(function: Callable[["NodeOp"], None]) -> Callable[["NodeOp"], None]:
            self.functions |= dict.fromkeys(kinds, function)
            return function
        return register


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeOp:
    """One node, for the function that translates it."""

    node: Node
    names: dict[str, Any]           # what the file's names stand for by now
    made: Translation
    opset: int

    def has(self, place: int) -> bool:
        return place < len(self.node.inputs) and self.node.inputs[place] != ""

    def value(self, place: int) -> Any:
        """What operand ``place`` stands for."""
        if not self.has(place):
            raise GraphError(f"has no operand {place}; export it again")
        name = self.node.inputs[place]
        if name not in self.names:
            raise unknown(name)
        return self.names[name]

    def placed(self, place: int, *, real: bool = True) -> Placed:
        """An activation; with ``real`` one behind a DequantizeLinear."""
        value = self.value(place)
        if isinstance(value, Placed) and value.real >= real:
            return value
        name = quoted(self.node.inputs[place])
        if isinstance(value, Placed):
            raise GraphError(f"reads the bytes of {name}; it takes reals, behind a DequantizeLinear")
        if isinstance(value, (np.ndarray, Weights)):
            raise GraphError(f"reads {name}, a constant; Heddle takes an activation here")
        what = "a float32 input of the network" if isinstance(value, Float) else "which is computed in float32"
        raise GraphError(f"reads {name}, {what}: no QuantizeLinear follows it; {FULL}, by {HOW}")

    def weights(self, place: int) -> Weights:
        value = self.value(place)
        if not isinstance(value, Weights) or value.values.dtype != np.int8:
            what = "of float32" if isinstance(value, np.ndarray) and value.dtype.kind == "f" else "no constants of int8"
            raise GraphError(f"its weights, {quoted(self.node.inputs[place])}, are {what}; quantize them by {HOW}")
        return value

    def constant(self, place: int) -> np.ndarray:
        value = self.value(place)
        if isinstance(value, Weights):
            return value.reals
        if not isinstance(value, np.ndarray):
            raise GraphError(f"{quoted(self.node.inputs[place])} is no constant; Heddle takes one here: fix the shapes "
                             f"(onnxruntime.tools.make_dynamic_shape_fixed) or export it again")
        return value

    def integers(self, place: int, name: str, default: Sequence[int] | None = None) -> list[int]:
        """Whole numbers of operand ``place`` or, in files of older opsets, of an attribute."""
        if self.has(place):
            values = self.constant(place)
            if values.dtype.kind not in "iu" or values.size > MOST_NUMBERS:
                raise GraphError(f"{quoted(self.node.inputs[place])} has {values.size} values of {values.dtype}; "
                                 f"Heddle takes a few whole numbers here")
            return [int(value) for value in values.ravel().tolist()]
        if name in self.node.attributes:
            return list(self.attribute(name, (0,)))
        if default is None:
            raise GraphError(f"has no {name}; export it again")
        return list(default)

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute of the kind of ``default``."""
        value: Any = self.node.attributes.get(name, default)
        kind = (int, float) if isinstance(default, float) else type(default)
        entries = value if isinstance(value, tuple) else ()
        if not isinstance(value, kind) or isinstance(default, tuple) and not all(
                isinstance(entry, int) for entry in entries):
            raise GraphError(f"attribute {quoted(name)} is of another kind than {type(default).__name__}; get or "
                             f"export the file again")
        return value

    def define(self, value: Any, place: int = 0) -> None:
        if place < len(self.node.outputs) and self.node.outputs[place]:
            name = self.node.outputs[place]
            if name in self.names:
                raise GraphError(f"gives {quoted(name)}, which is there already; get or export the file again")
            self.names[name] = value

    def pending(self, shape: Sequence[int], make: Callable[[Scale, tuple[int, int]], Placed]) -> None:
        self.define(Pending(node=self.node, shape=tuple(shape), make=make))

    def emit(self, name: str, inputs: Sequence[int], output: int, **options: Any) -> int:
        return self.made.operator(self.node, name, inputs, output, **options)


def axis_of(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise GraphError(f"axis {axis} of {rank}; get or export the file again")
    return axis % rank


def fused(clamp: tuple[int, int]) -> Any:
    return NONE if clamp == WHOLE else clamp


def curve_of(op: NodeOp, place: int) -> Curve | None:
    value = op.value(place)
    if isinstance(value, Placed) and value.real:
        return Curve(source=value, values=reals_of(value.scale))
    return value if isinstance(value, Curve) else None
