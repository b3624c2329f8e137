"""Nodes that compute nothing: their values are moved as late as that can be."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from sw.frontend.onnx_file import quoted
from sw.frontend.onnx_nodes.node import NONE, WHOLE, NodeOp, Registry, axis_of
from sw.frontend.onnx_translation import Curve, Float, Placed, Scale, Weights, quantized
from sw.graph.graph import GraphError

__all__ = ["SERVES", "shape_now"]

SERVES = Registry()


@SERVES("Identity", "Dropout", "Cast")
def _same(op: NodeOp) -> None:
    if op.node.kind == "Cast" and op.attribute("to", 1) != 1:
        raise GraphError(f"casts to type {op.attribute('to', 1)} inside of the network; Heddle takes float32")
    op.define(op.value(0))


def _movable(op: NodeOp) -> Placed | Curve:
    """An activation that is moved; of a function of its bytes the bytes are."""
    value = op.value(0)
    return value if isinstance(value, Curve) else op.placed(0, real=False)


def shape_now(value: Any) -> tuple[int, ...]:
    return shape_now(value.source) if isinstance(value, Curve) else tuple(value.shape)


def _moved(op: NodeOp, value: Placed | Curve, move: Callable[[Placed], Placed], place: int = 0) -> None:
    if isinstance(value, Curve):
        op.define(replace(value, source=move(value.source)), place)
    else:
        op.define(move(value), place)


def _reshape_to(op: NodeOp, shape: Sequence[int]) -> None:
    value, shape = op.value(0), tuple(shape)
    if isinstance(value, Weights):
        if value.scale.size != 1 or prod(shape) != value.values.size:
            raise GraphError(f"reshapes constants of {value.values.shape} to {shape}; Heddle takes one scale there")
        op.define(replace(value, values=value.values.reshape(shape)))
        return
    if isinstance(value, Float):
        if prod(value.shape) == prod(shape) and min(shape, default=1) > 0 and value.order == tuple(
                range(len(value.shape))):
            op.define(Float(tensor=op.emit("RESHAPE", [value.tensor], op.made.tensor(shape, "FLOAT32")), shape=shape,
                            order=tuple(range(len(shape)))))
            return
        op.placed(0)
    value = _movable(op)
    if min(shape, default=1) < 1 or prod(shape) != prod(shape_now(value)):
        raise GraphError(f"reshapes {shape_now(value)} to {shape}; get or export it again")
    _moved(op, value, lambda source: op.made.reshaped(op.node, source, shape))


def _own_shape(op: NodeOp) -> tuple[int, ...]:
    value = op.value(0)
    return value.values.shape if isinstance(value, Weights) else shape_now(
        value if isinstance(value, Float) else _movable(op))


@SERVES("Reshape")
def _reshape(op: NodeOp) -> None:
    shape, wanted = _own_shape(op), op.integers(1, "shape")
    if not op.attribute("allowzero", 0):
        if any(size == 0 and axis >= len(shape) for axis, size in enumerate(wanted)):
            raise GraphError(f"reshapes {shape} to {wanted}; get or export it again")
        wanted = [shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    known = prod(size for size in wanted if size != -1)
    if wanted.count(-1) > 1 or -1 in wanted and (known < 1 or prod(shape) % known):
        raise GraphError(f"reshapes {shape} to {wanted}; get or export it again")
    _reshape_to(op, [prod(shape) // known if size == -1 else size for size in wanted])


@SERVES("Flatten")
def _flatten(op: NodeOp) -> None:
    shape = _own_shape(op)
    axis = op.attribute("axis", 1)
    axis = len(shape) if axis == len(shape) else axis_of(axis, len(shape))
    _reshape_to(op, (prod(shape[:axis]), prod(shape[axis:])))


@SERVES("Squeeze")
def _squeeze(op: NodeOp) -> None:
    shape = _own_shape(op)
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    axes = {axis_of(axis, len(shape)) for axis in op.integers(1, "axes", ones)}
    if not axes <= set(ones):
        raise GraphError(f"squeezes axes {sorted(axes)} of {shape}; get or export it again")
    _reshape_to(op, [size for axis, size in enumerate(shape) if axis not in axes])


@SERVES("Unsqueeze")
def _unsqueeze(op: NodeOp) -> None:
    shape, axes = _own_shape(op), op.integers(1, "axes")
    rank = len(shape) + len(axes)
    places = {axis_of(axis, rank) for axis in axes}
    if len(places) != len(axes):
        raise GraphError(f"axes {axes} are given twice; get or export it again")
    sizes = iter(shape)
    _reshape_to(op, [1 if axis in places else next(sizes) for axis in range(rank)])


@SERVES("Transpose")
def _transpose(op: NodeOp) -> None:
    shape = _own_shape(op)
    axes = list(op.attribute("perm", tuple(reversed(range(len(shape))))))
    if sorted(axes) != list(range(len(shape))):
        raise GraphError(f"perm {axes[:8]} of {len(shape)} axes; get or export it again")
    value = op.value(0)
    if isinstance(value, Weights):
        op.define(replace(value, values=value.values.transpose(axes), axis=axes.index(value.axis) if axes else 0))
    elif isinstance(value, Float):
        op.define(replace(value, shape=tuple(shape[axis] for axis in axes),
                          order=tuple(axes.index(axis) for axis in value.order)))
    else:
        _moved(op, _movable(op), lambda source: op.made.transposed(op.node, source, axes))


@SERVES("Slice")
def _slice(op: NodeOp) -> None:
    value = _movable(op)
    shape = shape_now(value)
    starts, ends = op.integers(1, "starts"), op.integers(2, "ends")
    axes = op.integers(3, "axes", range(len(starts)))
    steps = op.integers(4, "steps", [1] * len(starts))
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise GraphError(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes, {len(steps)} steps, none of them "
                         f"0: as many of each are right; get or export it again")
    taken = [range(size) for size in shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = axis_of(axis, len(shape))
        taken[place] = range(*slice(start, end, step).indices(shape[place]))
    _moved(op, value, partial(_sliced, op, taken))


def _sliced(op: NodeOp, taken: Sequence[range], source: Placed) -> Placed:
    """The places ``taken`` along each axis of its shape."""
    if not all(taken):
        raise GraphError(f"takes nothing of {source.shape}; get or export it again")
    if not source.plain:
        source = op.made.natural(op.node, source)
    stored = [taken[axis] if len(taken[axis]) > 1 else range(taken[axis][0], taken[axis][0] + 1)
              for axis in source.order]
    shape = tuple(map(len, taken))
    ends = [places[-1] + (1 if places.step > 0 else -1) for places in stored]
    return op.made.placed(
        op.node, "STRIDED_SLICE",
        [source.tensor, *map(op.made.integers, ([places[0] for places in stored], ends,
                                                [places.step for places in stored]))],
        replace(source, shape=shape, whole=shape), begin_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
        end_mask=sum(1 << axis for axis, end in enumerate(ends) if end < 0))


@SERVES("Split")
def _split(op: NodeOp) -> None:
    value = _movable(op)
    shape, count = shape_now(value), len(op.node.outputs)
    axis = axis_of(op.attribute("axis", 0), len(shape))
    part = -(-shape[axis] // max(1, count))
    default = [part] * (count - 1) + [shape[axis] - part * (count - 1)]
    sizes = op.integers(1, "split", default)
    if len(sizes) != count or sum(sizes) != shape[axis] or min(sizes, default=0) < 1:
        raise GraphError(f"splits {shape[axis]} into {sizes[:8]}; get or export it again")
    for place in range(count):
        first = sum(sizes[:place])
        taken = [range(size) for size in shape]
        taken[axis] = range(first, first + sizes[place])
        _moved(op, value, partial(_sliced, op, taken), place)


@SERVES("Gather")
def _gather(op: NodeOp) -> None:
    value, places = _movable(op), op.constant(1)
    shape = shape_now(value)
    axis = axis_of(op.attribute("axis", 0), len(shape))
    if places.dtype.kind != "i" or not 0 < places.size <= 256 or places.ndim > 1 or not all(
            -shape[axis] <= place < shape[axis] for place in places.reshape(-1).tolist()):
        raise GraphError(f"takes {places.size} places of {shape[axis]}; Heddle takes 1 to 256 constant ones that exist")
    wanted = [place % shape[axis] for place in places.reshape(-1).tolist()]

    def move(source: Placed) -> Placed:
        if not source.plain:
            source = op.made.natural(op.node, source)
        whole = (*shape[:axis], len(wanted), *shape[axis + 1:])
        found = op.made.placed(op.node, "GATHER", [source.tensor, op.made.integers(wanted)],
                               replace(source, shape=whole, whole=whole), axis=source.order.index(axis), batch_dims=0)
        return found if places.ndim else op.made.reshaped(op.node, found, (*shape[:axis], *shape[axis + 1:]))
    _moved(op, value, move)


@SERVES("Pad")
def _pad(op: NodeOp) -> None:
    source = op.placed(0)
    rank, pads = len(source.shape), op.integers(1, "pads")
    axes = [axis_of(axis, rank) for axis in op.integers(3, "axes", range(rank))]
    if op.attribute("mode", "constant") != "constant":
        raise GraphError(f"pads by {quoted(op.attribute('mode', 'constant'))}; Heddle pads with a constant")
    if len(pads) != 2 * len(axes) or min(pads, default=0) < 0 or max(pads, default=0) >= 1 << 16:
        raise GraphError(f"pads {source.shape} by {pads[:8]}; two counts of 0 and more for each axis are right")
    value = float(op.constant(2).reshape(-1)[0]) if op.has(2) and op.constant(2).size else op.attribute("value", 0.0)
    steps = int(quantized(np.array(value, np.float32), source.scale))
    if np.float32(steps - source.scale.zero) * np.float32(source.scale.scale) != np.float32(value):
        raise GraphError(f"pads with {value:g}, which is no step of scale {source.scale.scale:g} and zero point "
                         f"{source.scale.zero}; pad with 0")
    if not source.plain:
        source = op.made.natural(op.node, source)
    around = np.zeros((rank, 2), np.int32)
    for place, axis in enumerate(axes):
        around[axis] += pads[place], pads[place + len(axes)]
    shape = tuple(int(size + pair.sum()) for size, pair in zip(source.shape, around, strict=True))
    inputs = [source.tensor, op.made.tensor((rank, 2), "INT32", data=around[list(source.order)])]
    if steps != source.scale.zero:
        inputs.append(op.made.constant(np.array([steps]), source.scale))
    op.define(op.made.placed(op.node, "PADV2" if len(inputs) > 2 else "PAD", inputs,
                             replace(source, shape=shape, whole=shape)))


@SERVES("Concat")
def _concat(op: NodeOp) -> None:
    """Joined at the scale of the output, which operands of another one are brought to."""
    operands = [op.value(place) if isinstance(op.value(place), Weights) else op.placed(place)
                for place in range(len(op.node.inputs))]
    placed = [value for value in operands if isinstance(value, Placed)]
    if not placed:
        raise GraphError("joins constants; fold them")
    shapes = [value.shape if isinstance(value, Placed) else value.values.shape for value in operands]
    rank = len(shapes[0])
    axis = axis_of(op.attribute("axis", 0), rank)
    if any(len(shape) != rank or any(a != b for place, (a, b) in enumerate(zip(shape, shapes[0], strict=True))
                                     if place != axis) for shape in shapes):
        raise GraphError(f"joins {', '.join(map(str, shapes[:8]))} along axis {axis}; get or export it again")
    shape = tuple(sum(own[axis] for own in shapes) if place == axis else size for place, size in enumerate(shapes[0]))
    order = next((value.order for value in placed if value.plain), tuple(range(rank)))
    operands = [op.made.arranged(op.node, value, order) if isinstance(value, Placed) else value for value in operands]

    def make(scale: Scale, clamp: tuple[int, int]) -> Placed:
        tensors = [op.made.rescaled(op.node, value, scale).tensor if isinstance(value, Placed) else
                   op.made.constant(quantized(value.reals, scale).transpose(order), scale) for value in operands]
        joined = Placed(tensor=0, shape=shape, whole=shape, order=order, scale=scale, real=True)
        return op.made.rescaled(op.node, op.made.placed(
            op.node, "CONCATENATION", tensors, joined, axis=order.index(axis), fused_activation_function=NONE),
            scale, clamp)
    scales = {(value.scale.scale, value.scale.zero) for value in placed}
    if len(scales) == 1 and len(placed) == len(operands):
        op.define(replace(make(placed[0].scale, WHOLE), real=True))
    else:
        op.pending(shape, make)
