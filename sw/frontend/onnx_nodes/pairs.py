"""Nodes of two operands, value by value."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sw.frontend.onnx_file import quoted
from sw.frontend.onnx_nodes.node import NodeOp, Registry, curve_of, fused
from sw.frontend.onnx_translation import HOW, Curve, Placed, Scale, Weights, quantized, reals_of
from sw.graph.graph import GraphError

__all__ = ["SERVES"]

SERVES = Registry()


_REALS = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power,
          "Max": np.maximum, "Min": np.minimum}
_SUMS = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL"}
_CHOICES = {"Max": "MAXIMUM", "Min": "MINIMUM"}


@SERVES(*_REALS)
def _binary(op: NodeOp) -> None:
    if len(op.node.inputs) != 2:
        raise GraphError(f"has {len(op.node.inputs)} operands; Heddle takes two: split it")
    curves = [curve_of(op, place) for place in (0, 1)]
    if _function_of_one(op, curves):
        return
    if op.node.kind not in (*_SUMS, *_CHOICES):
        raise GraphError("of two tensors; Heddle has it of a tensor and a number")
    operands = [op.value(place) if isinstance(op.value(place), Weights) else op.placed(place) for place in (0, 1)]
    _between(op, operands, _choose if op.node.kind in _CHOICES else _sum)



def _function_of_one(op: NodeOp, curves: Sequence[Curve | None]) -> bool:
    """Where both are functions of the same bytes, or one is a number: so is what is computed of them."""
    reals: list[np.ndarray] = []
    sources = [curve.source for curve in curves if curve is not None]
    for place, curve in enumerate(curves):
        if curve is not None:
            reals.append(curve.values)
            continue
        value = op.value(place)
        if not isinstance(value, (np.ndarray, Weights)) or op.constant(place).size != 1 or (
                len(op.constant(place).shape) > len(sources[0].shape if sources else ())):
            return False
        reals.append(op.constant(place).reshape(()).astype(np.float32))
    if not sources or any(source != sources[0] for source in sources):
        return False
    with np.errstate(all="ignore"):
        values = np.broadcast_to(_REALS[op.node.kind](*reals), (256,)).astype(np.float32)
    op.define(Curve(source=sources[0], values=values))
    return True


def _between(op: NodeOp, operands: list[Any],
             emit: Callable[[NodeOp, list[Any], Scale, tuple[int, int]], tuple[str, list[int]]]) -> None:
    """Of two operands whose shapes broadcast, with their axes in one order."""
    shapes = [value.shape if isinstance(value, Placed) else value.values.shape for value in operands]
    try:
        shape = tuple(np.broadcast_shapes(*shapes))
    except ValueError as error:
        raise GraphError(f"operands of shapes {shapes[0]} and {shapes[1]} do not broadcast; get or export it again"
                         ) from error
    rank, order = len(shape), tuple(range(len(shape)))
    for value in operands:
        if isinstance(value, Placed) and value.plain and len(value.shape) == rank:
            order = value.order
            break
    aligned: list[Any] = []
    for value, own in zip(operands, shapes, strict=True):
        whole = (1,) * (rank - len(own)) + tuple(own)
        if isinstance(value, Weights):
            if value.scale.size != 1:
                raise GraphError("has a constant with a scale a channel; Heddle takes one scale here")
            aligned.append(replace(value, values=value.values.reshape(whole).transpose(order)))
        else:
            aligned.append(op.made.arranged(op.node, op.made.reshaped(op.node, value, whole), order))

    def make(scale: Scale, clamp: tuple[int, int]) -> Placed:
        name, inputs = emit(op, aligned, scale, clamp)
        given = op.made.activation([shape[axis] for axis in order], scale)
        options = {"fused_activation_function": fused(clamp)} if name in _SUMS.values() else {}
        result = Placed(tensor=op.emit(name, inputs, given, **options), shape=shape, whole=shape, order=order,
                        scale=scale, real=True)
        return result if options else op.made.rescaled(op.node, result, scale, clamp)
    op.pending(shape, make)


def _sum(op: NodeOp, operands: list[Any], scale: Scale, clamp: tuple[int, int]) -> tuple[str, list[int]]:
    return _SUMS[op.node.kind], [_operand(op, value) for value in operands]


def _operand(op: NodeOp, value: Any) -> int:
    """A tensor; of constants one of their own scale."""
    if isinstance(value, Placed):
        return value.tensor
    if value.values.dtype != np.int8 or not -128 <= value.zero[0] <= 127:
        raise GraphError(f"has a constant of {value.values.dtype}; Heddle takes int8: quantize it by {HOW}")
    return op.made.constant(value.values, Scale(scale=float(value.scale[0]), zero=int(value.zero[0])))


def _choose(op: NodeOp, operands: list[Any], scale: Scale, clamp: tuple[int, int]) -> tuple[str, list[int]]:
    """The order of reals is that of their bytes, so both are brought to the output's scale first."""
    return _CHOICES[op.node.kind], [
        op.made.rescaled(op.node, value, scale).tensor if isinstance(value, Placed)
        else op.made.constant(quantized(value.reals, scale), scale) for value in operands]


@SERVES("PRelu")
def _prelu(op: NodeOp) -> None:
    source, slope = op.placed(0), op.value(1)
    slopes = op.constant(1)
    if slopes.size and np.all(slopes == slopes.flat[0]):
        reals = reals_of(source.scale)
        op.define(Curve(source=source, values=np.where(reals < 0, reals * np.float32(slopes.flat[0]), reals)))
        return
    if not isinstance(slope, Weights):
        raise GraphError(f"its slopes, {quoted(op.node.inputs[1])}, are several and float32; quantize them to int8, or "
                         f"train with one slope (LeakyRelu)")
    _between(op, [source, slope], lambda op, operands, scale, clamp: (
        "PRELU", [_operand(op, value) for value in operands]))
