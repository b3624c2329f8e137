"""What can be wrong with a layer."""

from collections.abc import Iterator, Sequence

import numpy as np

from hw.spec.requant import MAX_SHIFT
from sw.graph.layer import POOLS, WEIGHTED, Layer, TensorType

__all__ = ["problems", "type_problems"]

#: operator -> rank of its weights
RANK = {"conv": 4, "depthwise": 3, "dense": 2, "avgpool": 3, "maxpool": 3, "add": 1, "softmax": 1, "requantize": 1}
CLAMPED = (*WEIGHTED, *POOLS, "add", "requantize")
SOFTMAX_CHANNELS = 4095      # the sum of their exponentials has 12 integer bits
MOST_LEFT = 22               # bits that a difference of two int8 can be shifted left within 32


def problems(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
    """Yield what is wrong with ``layer`` when it reads ``taken``; the first is worth reading."""
    if layer.op not in RANK:
        yield f"unknown operator; Heddle runs {', '.join(RANK)}"
        return
    wanted = 2 if layer.op == "add" else 1
    if len(taken) != wanted:
        yield f"reads {len(taken)} tensors; it takes {wanted}"
        return
    if layer.weights.ndim != RANK[layer.op] or layer.weights.dtype != np.int8:
        yield (f"weights are {layer.weights.dtype} of rank {layer.weights.ndim}; expected int8 of rank "
               f"{RANK[layer.op]}")
        return
    yield from type_problems(layer.output)
    if layer.op in CLAMPED and not layer.output.low <= layer.act_min <= layer.act_max <= layer.output.high:
        yield f"clamp {layer.act_min} to {layer.act_max} is not inside {layer.output.low} to {layer.output.high}"
    if layer.op == "add":
        yield from _add_problems(layer, taken)
    elif layer.op in _ALONE:
        yield from _ALONE[layer.op](layer, taken[0])
    else:
        yield from _window_problems(layer, taken[0])


def type_problems(kind: TensorType) -> Iterator[str]:
    """Yield what is wrong with the type of an activation."""
    if kind.bits not in (8, 4):
        yield f"activations of {kind.bits} bits; choose 8 or 4"
    elif not kind.low <= kind.zero_point <= kind.high:
        yield f"zero point {kind.zero_point} is not inside {kind.low} to {kind.high}"


def _window_problems(layer: Layer, taken: TensorType) -> Iterator[str]:
    height, width, channels = taken.shape
    outputs = channels if layer.op in POOLS else layer.weights.shape[-1 if layer.op == "depthwise" else 0]
    if layer.op == "dense" and layer.weights.shape[1] != taken.size:
        yield f"weights take {layer.weights.shape[1]} inputs, but the tensor before has {taken.size}"
    if layer.op == "conv" and layer.weights.shape[-1] != channels:
        yield f"weights take {layer.weights.shape[-1]} channels, but the tensor before has {channels}"
    if layer.op == "depthwise" and (outputs % channels or not outputs):
        yield (f"weights take {outputs} channels, but the tensor before has {channels}; a depthwise layer has a "
               f"multiple of them")
    top, left, bottom, right = layer.padding
    (kernel_y, kernel_x), (stride_y, stride_x) = layer.kernel, layer.stride
    if min(layer.padding) < 0 or min(layer.stride) < 1:
        yield f"padding {layer.padding} or stride {layer.stride} is negative or zero"
        return
    shape = (1, 1, outputs) if layer.op == "dense" else (
        (height + top + bottom - kernel_y) // stride_y + 1, (width + left + right - kernel_x) // stride_x + 1, outputs)
    if layer.output.shape != shape or min(shape) < 1:
        yield f"output shape is {layer.output.shape}, but input {taken.shape} and kernel give {shape}"
    yield from _pool_problems(layer, taken) if layer.op in POOLS else _weight_problems(layer, outputs)


def _pool_problems(layer: Layer, taken: TensorType) -> Iterator[str]:
    kept = (taken.scale, taken.zero_point, taken.bits)
    if (layer.output.scale, layer.output.zero_point, layer.output.bits) != kept:
        yield f"{'average' if layer.op == 'avgpool' else 'max'} pooling keeps its input's scale, zero point and bits"
    if layer.op == "avgpool" and any(layer.padding):
        yield "average pooling with padding is not supported"
    top, left, bottom, right = layer.padding
    if max(top, bottom) >= layer.kernel[0] or max(left, right) >= layer.kernel[1]:
        yield f"padding {layer.padding} with a kernel of {layer.kernel}: a window would see nothing but padding"


def _weight_problems(layer: Layer, outputs: int) -> Iterator[str]:
    bits = layer.weight_bits
    if not 1 <= bits <= 8:
        yield f"weight_bits={bits}: choose 1 to 8"
    elif bits == 1 and np.any(np.abs(layer.weights) != 1):
        yield "binary weights (weight_bits=1) are -1 and +1 only"
    elif bits > 1 and layer.weights.size and not (
            -(1 << bits - 1) <= layer.weights.min() and layer.weights.max() < 1 << bits - 1):
        yield f"weights exceed {bits} bits"
    yield from _requantization_problems(layer, outputs)


def _requantization_problems(layer: Layer, count: int) -> Iterator[str]:
    for name in ("bias", "multiplier", "shift"):
        value = getattr(layer, name)
        if value.shape != (count,) or value.dtype != np.int32:
            yield f"{name} is {value.dtype}{value.shape}; expected int32({count},)"
            return
    if layer.multiplier.min() < 0:
        yield "a multiplier is negative"
    if layer.shift.min() < 0 or layer.shift.max() > MAX_SHIFT:
        yield f"shift {layer.shift.min()} to {layer.shift.max()}: the requantizer shifts right by 0 to {MAX_SHIFT}"


def _add_problems(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
    first, second = taken
    if first.shape != second.shape:
        yield f"adds {first.shape} and {second.shape}; both operands have the same shape (no broadcasting)"
    elif layer.output.shape != first.shape:
        yield f"output shape is {layer.output.shape}, but the operands have {first.shape}"
    yield from _requantization_problems(layer, 3)
    if np.any(layer.bias):
        yield "the bias of an add is zero"


def _softmax_problems(layer: Layer, taken: TensorType) -> Iterator[str]:
    yield from _shape_problems(layer, taken)
    if taken.shape[2] > SOFTMAX_CHANNELS:
        yield f"{taken.shape[2]} channels; a softmax takes {SOFTMAX_CHANNELS} at most; split it"
    if (layer.output.scale, layer.output.zero_point, layer.output.bits) != (1 / 256, -128, 8):
        yield (f"scale {layer.output.scale}, zero point {layer.output.zero_point}, {layer.output.bits} bits: a softmax "
               f"gives 1/256, -128 and 8 bits")
    yield from _scale_problems(layer)
    if _has_scale(layer) and not (layer.multiplier[0] >= 0 and 0 <= layer.shift[0] <= 31):
        yield (f"multiplier {layer.multiplier[0]} or left shift {layer.shift[0]} is out of range; a multiplier is 0 to "
               f"2**31 - 1, a left shift 0 to 31")


def _requantize_problems(layer: Layer, taken: TensorType) -> Iterator[str]:
    yield from _shape_problems(layer, taken)
    yield from _scale_problems(layer)
    if _has_scale(layer) and not (layer.multiplier[0] >= 0 and -MOST_LEFT <= layer.shift[0] <= MAX_SHIFT):
        yield (f"multiplier {layer.multiplier[0]} or shift {layer.shift[0]} is out of range; a multiplier is 0 to "
               f"2**31 - 1, a right shift {-MOST_LEFT} to {MAX_SHIFT}")


def _shape_problems(layer: Layer, taken: TensorType) -> Iterator[str]:
    if layer.output.shape != taken.shape:
        yield f"output shape is {layer.output.shape}, but the input has {taken.shape}"


def _scale_problems(layer: Layer) -> Iterator[str]:
    """One multiplier and one shift for all channels."""
    for name in ("multiplier", "shift"):
        value = getattr(layer, name)
        if value.shape != (1,) or value.dtype != np.int32:
            yield f"{name} is {value.dtype}{value.shape}; expected int32(1,)"
            return


def _has_scale(layer: Layer) -> bool:
    return layer.multiplier.shape == layer.shift.shape == (1,)


#: Operators that take one tensor and have no window.
_ALONE = {"softmax": _softmax_problems, "requantize": _requantize_problems}
