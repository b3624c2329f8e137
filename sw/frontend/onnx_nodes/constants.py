"""Nodes of constants alone, and shapes, are computed when a file is loaded."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sw.frontend.onnx_nodes.movement import shape_now
from sw.frontend.onnx_nodes.node import MOST_NUMBERS, NodeOp
from sw.frontend.onnx_translation import Weights
from sw.graph.graph import GraphError

__all__ = ["FOLDS", "fold"]



FOLDS: Mapping[str, Callable[[NodeOp, list[np.ndarray]], np.ndarray]] = {
    "Identity": lambda op, values: values[0],
    "Add": lambda op, values: values[0] + values[1], "Sub": lambda op, values: values[0] - values[1],
    "Mul": lambda op, values: values[0] * values[1],
    "Div": lambda op, values: (values[0] / values[1] if values[0].dtype.kind == "f" else
                               np.trunc(values[0] / values[1])).astype(values[0].dtype),
    "Gather": lambda op, values: np.take(values[0], values[1], axis=op.attribute("axis", 0)),
    "Concat": lambda op, values: np.concatenate(values, axis=op.attribute("axis", 0)),
    "Unsqueeze": lambda op, values: np.expand_dims(values[0], tuple(op.integers(1, "axes"))),
    "Squeeze": lambda op, values: np.squeeze(values[0], tuple(op.integers(1, "axes")) if op.has(1) or (
        "axes" in op.node.attributes) else None),
    "Reshape": lambda op, values: values[0].reshape(op.integers(1, "shape")),
    "Transpose": lambda op, values: values[0].transpose(op.attribute("perm", tuple(reversed(range(values[0].ndim))))),
    "Floor": lambda op, values: np.floor(values[0]), "Ceil": lambda op, values: np.ceil(values[0]),
    "Neg": lambda op, values: -values[0]}
_CASTS = {1: np.float32, 6: np.int32, 7: np.int64}


def fold(op: NodeOp) -> bool:
    """Compute a node of constants alone, and the shape of anything; False where it is none."""
    kind = op.node.kind
    if kind == "Constant":
        found = [op.node.attributes[name] for name in ("value", "value_float", "value_int", "value_floats",
                                                       "value_ints") if name in op.node.attributes]
        if not found:
            raise GraphError("is a constant of no kind that Heddle reads; export it again")
        value = np.asarray(found[0])
        op.define(value if isinstance(found[0], np.ndarray) else value.astype(
            np.float32 if value.dtype.kind == "f" else np.int64))
        return True
    if kind == "Shape":
        value = op.value(0)
        shape = value.values.shape if isinstance(value, Weights) else shape_now(value)
        op.define(np.array(shape, np.int64)[slice(op.attribute("start", 0), op.node.attributes.get("end"))])
        return True
    values = [op.value(place) for place in range(len(op.node.inputs)) if op.has(place)]
    if not values or not all(isinstance(value, np.ndarray) for value in values):
        return False
    small = all(value.size <= MOST_NUMBERS for value in values)
    try:
        with np.errstate(all="ignore"):
            if kind == "Cast" and op.attribute("to", 0) in _CASTS:
                op.define(values[0].astype(_CASTS[op.attribute("to", 0)]))
            elif kind == "Slice" and small:
                op.define(_constant_slice(op, values[0]))
            elif kind in FOLDS and (small or kind in ("Identity", "Reshape", "Transpose")):
                op.define(np.asarray(FOLDS[kind](op, values)))
            else:
                return False
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise GraphError(f"its constants do not go together ({type(error).__name__}); get or export it again"
                         ) from error
    return True


def _constant_slice(op: NodeOp, values: np.ndarray) -> np.ndarray:
    starts, ends = op.integers(1, "starts"), op.integers(2, "ends")
    axes = op.integers(3, "axes", range(len(starts)))
    steps = op.integers(4, "steps", [1] * len(starts))
    index: list[Any] = [slice(None)] * values.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(start, end, step)
    return values[tuple(index)]
