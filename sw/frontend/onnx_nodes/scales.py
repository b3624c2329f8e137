"""QuantizeLinear and DequantizeLinear: what comes between them gets its scale here."""

from dataclasses import replace

import numpy as np

from sw.frontend.onnx_file import quoted
from sw.frontend.onnx_nodes.node import NodeOp, Registry, axis_of
from sw.frontend.onnx_translation import HOW, Curve, Float, Pending, Placed, Scale, Weights, quantized
from sw.graph.graph import GraphError

__all__ = ["SERVES"]

SERVES = Registry()


def _scales(op: NodeOp, kind: np.dtype | None) -> tuple[np.ndarray, np.ndarray, bool]:
    """Scales float32, zero points, and whether they are of uint8; ``kind`` is that of the bytes where it is known."""
    scale = op.constant(1)
    zero = op.constant(2) if op.has(2) else np.zeros(scale.shape, kind or np.uint8)
    if op.attribute("block_size", 0):
        raise GraphError(f"has a scale a block; Heddle takes one a tensor or channel: quantize it by {HOW}")
    if scale.dtype != np.float32 or scale.ndim > 1 or zero.size != scale.size or not scale.size:
        raise GraphError(f"has {scale.size} scales of {scale.dtype} and {zero.size} zero points; Heddle takes float32, "
                         f"one a tensor or channel, and as many zero points: quantize it by {HOW}")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise GraphError("has a scale that is not above 0; get or quantize the file again")
    if zero.dtype not in (np.int8, np.uint8, np.int32):
        raise GraphError(f"quantizes to {zero.dtype}; Heddle computes with int8 and uint8: quantize it by {HOW}")
    return scale.reshape(-1), zero.reshape(-1).astype(np.int64), zero.dtype == np.uint8


def _one_scale(op: NodeOp) -> Scale:
    scale, zero, unsigned = _scales(op, None)
    if scale.size != 1:
        raise GraphError(f"has {scale.size} scales; an activation has one: quantize it by {HOW}")
    return Scale(scale=float(scale[0]), zero=int(zero[0]) - 128 * unsigned, unsigned=unsigned)


@SERVES("QuantizeLinear", "com.microsoft.QuantizeLinear")
def _quantize(op: NodeOp) -> None:
    value = op.value(0)
    if isinstance(value, (np.ndarray, Weights)):
        op.define(_quantized_constant(op, op.constant(0)))
        return
    scale = _one_scale(op)
    if isinstance(value, Float):
        shape = [value.shape[axis] for axis in value.order]
        tensor = op.emit("QUANTIZE", [value.tensor], op.made.activation(shape, scale))
        op.define(Placed(tensor=tensor, shape=value.shape, whole=value.shape, order=value.order, scale=scale,
                         real=False))
    elif isinstance(value, Curve):
        op.define(op.made.table(op.node, value.source, scale, value.values, value.function))
    elif isinstance(value, Pending):
        clamp = tuple(int(quantized(np.array(bound, np.float32), scale)) for bound in (value.low, value.high))
        op.define(replace(value.make(scale, (clamp[0], clamp[1])), scale=scale, real=False))
    else:
        op.define(op.made.rescaled(op.node, op.placed(0), scale))


def _quantized_constant(op: NodeOp, values: np.ndarray) -> np.ndarray:
    scale, zero, _ = _scales(op, None)
    kind = op.constant(2).dtype if op.has(2) else np.dtype(np.uint8)
    if values.dtype != np.float32:
        raise GraphError(f"quantizes a constant of {values.dtype}; Heddle takes float32")
    shape = [1] * values.ndim
    if scale.size > 1:
        axis = axis_of(op.attribute("axis", 1), values.ndim)
        if values.shape[axis] != scale.size:
            raise GraphError(f"has {scale.size} scales for {values.shape[axis]} channels; get or quantize it again")
        shape[axis] = -1
    with np.errstate(all="ignore"):
        steps = np.rint(values / scale.reshape(shape or ())).astype(np.float64) + zero.reshape(shape or ())
    limits = np.iinfo(kind)
    return np.clip(np.nan_to_num(steps), limits.min, limits.max).astype(kind)


@SERVES("DequantizeLinear", "com.microsoft.DequantizeLinear")
def _dequantize(op: NodeOp) -> None:
    value = op.value(0)
    if isinstance(value, np.ndarray):
        if value.dtype not in (np.int8, np.uint8, np.int32):
            raise GraphError(f"reads {value.dtype}; Heddle takes int8, uint8 and int32: quantize it by {HOW}")
        scale, zero, _ = _scales(op, value.dtype)
        axis = axis_of(op.attribute("axis", 1), value.ndim) if scale.size > 1 else 0
        if scale.size > 1 and value.shape[axis] != scale.size:
            raise GraphError(f"has {scale.size} scales for {value.shape[axis]} channels; get or quantize it again")
        if value.dtype == np.uint8:
            value, zero = (value.astype(np.int16) - 128).astype(np.int8), zero - 128
        op.define(Weights(values=value, scale=scale, zero=zero, axis=axis))
        return
    value, scale_ = op.placed(0, real=False), _one_scale(op)
    if value.real or (value.scale.scale, value.scale.zero) != (scale_.scale, scale_.zero):
        raise GraphError(f"reads {quoted(op.node.inputs[0])} at scale {scale_.scale:g}, zero point {scale_.zero}, "
                         f"which is not how it was quantized; quantize it again")
    op.define(replace(value, real=True))
