"""What convolutions and products share: weights with their scales, and a bias at the scale of both."""

from collections.abc import Sequence

import numpy as np

from sw.frontend.onnx_file import quoted
from sw.frontend.onnx_nodes.node import NodeOp
from sw.frontend.onnx_translation import HOW, Scale, Weights
from sw.graph.graph import GraphError

__all__ = ["bias_of", "weight_tensor"]



NEAR = 1e-6                              # how far a bias's scale may lie from the product that it stands for


def bias_of(op: NodeOp, place: int, source: Scale, scale: np.ndarray, count: int) -> list[int]:
    """The tensor of int32 bias, whose scale is that of input and weights; none where there is none."""
    if not op.has(place):
        return []
    value, wanted = op.value(place), np.float32(source.scale) * scale
    name = quoted(op.node.inputs[place])
    if isinstance(value, Weights):
        values, given = value.values.reshape(-1), value.scale
        if np.any(value.zero) or given.size not in (1, wanted.size, values.size):
            raise GraphError(f"its bias, {name}, has {given.size} scales or a zero point; quantize it by {HOW}")
    elif isinstance(value, np.ndarray) and value.dtype == np.float32:
        with np.errstate(all="ignore"):
            steps = value.reshape(-1) / wanted if wanted.size in (1, value.size) else np.full(value.size, 0.5)
            whole = np.rint(steps)
            exact = bool(np.all(np.abs(steps - whole) <= NEAR * np.abs(steps)) and np.all(np.abs(whole) < 1 << 31))
        if not exact:
            raise GraphError(f"its bias, {name}, is float32 and no whole numbers of steps of input times weights; "
                             f"quantize it to int32, as {HOW} does")
        values, given = whole.astype(np.int32), wanted
    else:
        raise GraphError(f"its bias, {name}, is no constant; Heddle takes a constant of int32")
    if values.size != count or not np.allclose(given, wanted, rtol=NEAR, atol=0):
        raise GraphError(f"its bias, {name}, has {values.size} values at scale {given.flat[0]:g} for {count} outputs "
                         f"at {wanted.flat[0]:g}, input times weights; quantize it by {HOW}")
    return [op.made.tensor((count,), "INT32", scale=wanted, zero=np.zeros(wanted.size), data=values.astype(np.int32))]


def weight_tensor(op: NodeOp, weights: Weights, order: Sequence[int], values: np.ndarray, name: str) -> int:
    """Weights with their axes in ``order``; ``values`` are those before."""
    axis = list(order).index(weights.axis) if weights.scale.size > 1 else 0
    return op.made.tensor([values.shape[axis] for axis in order], scale=weights.scale, zero=weights.zero, axis=axis,
                          data=values.transpose(order), name=name)
