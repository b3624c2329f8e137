"""What can be wrong with a layer."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hw.spec.errors import SpecError
from hw.spec.requant import MAX_SHIFT
from sw.graph.audio import FeatureSpec
from sw.graph.layer import DTYPES, POOLS, WEIGHTED, Layer, TensorType

__all__ = ["RULES", "problems", "type_problems"]

CLAMPED = (*WEIGHTED, *POOLS, "add", "sub", "mul", "prelu", "requantize", "mean")
SOFTMAX_CHANNELS = 4095      # the sum of their exponentials has 12 integer bits
MOST_LEFT = 22               # bits that a difference of two int8 can be shifted left within 32
MOST_LEFT_PRODUCT = 15       # and the product of two such
Rule = Callable[[Layer, Sequence[TensorType]], Iterator[str]]


def problems(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
    """Yield what is wrong with ``layer`` when it reads ``taken``; the first is worth reading."""
    if layer.op not in RULES:
        yield f"unknown operator; Heddle runs {', '.join(RULES)}"
        return
    rank, operands, rule = RULES[layer.op]
    if not taken or operands and len(taken) != operands:
        yield f"reads {len(taken)} tensors; it takes {operands or 'one or more'}"
        return
    if layer.weights.ndim != rank or layer.weights.dtype != np.int8:
        yield f"weights are {layer.weights.dtype} of rank {layer.weights.ndim}; expected int8 of rank {rank}"
        return
    yield from type_problems(layer.output)
    yield from _dtype_problems(layer, taken)
    if layer.op in CLAMPED and not layer.output.low <= layer.act_min <= layer.act_max <= layer.output.high:
        yield f"clamp {layer.act_min} to {layer.act_max} is not inside {layer.output.low} to {layer.output.high}"
    yield from rule(layer, taken)


def _dtype_problems(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
    outside = {"quantize": ("float32", "int8"), "dequantize": ("int8", "float32"),
               "features": ("int16", "int8")}.get(layer.op)
    if outside:
        if (taken[0].dtype, layer.output.dtype) != outside:
            yield f"{taken[0].dtype} to {layer.output.dtype}; it makes {outside[1]} of {outside[0]}"
        return
    allowed = ("int8", "uint8") if layer.op == "table" else ("int8",)
    for kind in (*taken, layer.output):
        if kind.dtype not in allowed:
            yield f"a tensor of {kind.dtype}; it takes {' or '.join(allowed)}"


def type_problems(kind: TensorType) -> Iterator[str]:
    """Yield what is wrong with the type of a tensor."""
    if kind.dtype not in DTYPES:
        yield f"a tensor of {kind.dtype}; choose {', '.join(DTYPES)}"
    elif len(kind.shape) < 3 or min(kind.shape) < 1:
        yield f"shape {kind.shape}; a tensor has three dimensions or more, none of them 0"
    elif kind.dtype == "float32":
        return
    elif kind.bits not in (8, 4):
        yield f"activations of {kind.bits} bits; choose 8 or 4"
    elif not kind.low <= kind.zero_point <= kind.high:
        yield f"zero point {kind.zero_point} is not inside {kind.low} to {kind.high}"


def _window_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    taken, = operands
    if len(taken.shape) != 3:
        yield f"reads a tensor of shape {taken.shape}; it takes one of height, width and channels, for one inference"
        return
    height, width, channels = taken.shape
    outputs = channels if layer.op in POOLS else layer.weights.shape[-1 if layer.op == "depthwise" else 0]
    if layer.op == "dense" and layer.weights.shape[1] != taken.size:
        yield f"weights take {layer.weights.shape[1]} inputs, but the tensor before has {taken.size}"
    groups = channels // max(1, layer.weights.shape[-1])
    if layer.op == "conv" and (layer.weights.shape[-1] * groups != channels or not groups or outputs % groups):
        yield (f"weights take {layer.weights.shape[-1]} channels, but the tensor before has {channels}, and there are "
               f"{outputs} outputs; both are multiples of the number of groups")
    if layer.op == "depthwise" and (outputs % channels or not outputs):
        yield (f"weights take {outputs} channels, but the tensor before has {channels}; a depthwise layer has a "
               f"multiple of them")
    top, left, bottom, right = layer.padding
    (kernel_y, kernel_x), (stride_y, stride_x) = layer.extent, layer.stride
    if min(layer.padding) < 0 or min(*layer.stride, *layer.dilation) < 1:
        yield f"padding {layer.padding}, stride {layer.stride} or dilation {layer.dilation} is negative or zero"
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
    if layer.shift.min() < -MOST_LEFT or layer.shift.max() > MAX_SHIFT:
        yield f"shift {layer.shift.min()} to {layer.shift.max()}: a right shift is {-MOST_LEFT} to {MAX_SHIFT}"


def _range_problems(layer: Layer, least: int) -> Iterator[str]:
    """Of the product or the sum of two operands: 32 bits hold it when it is shifted to the left."""
    if layer.shift.size and layer.shift.min() < least:
        yield f"shift {layer.shift.min()}: a right shift of {layer.op} is {least} or more; choose another output scale"


def _binary_shape_problems(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
    first, second = (kind.shape for kind in taken)
    try:
        shape = np.broadcast_shapes(first, second)
    except ValueError:
        yield f"operands of shapes {first} and {second} do not broadcast"
        return
    if layer.output.shape != shape:
        yield f"output shape is {layer.output.shape}, but the operands give {shape}"


def _add_problems(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
    yield from _binary_shape_problems(layer, taken)
    yield from _requantization_problems(layer, 3)
    if np.any(layer.bias):
        yield f"the bias of {layer.op} is zero"
    yield from _range_problems(layer, 0)


def _scaled_problems(count: int) -> Rule:
    """Of two operands with ``count`` multipliers and shifts."""
    def rule(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
        yield from _binary_shape_problems(layer, taken)
        yield from _scale_problems(layer, count)
        yield from _range_problems(layer, -MOST_LEFT_PRODUCT)
    return rule


def _choice_problems(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
    yield from _binary_shape_problems(layer, taken)
    for kind in taken:
        yield from _kept_problems(layer, kind)


def _kept_problems(layer: Layer, taken: TensorType) -> Iterator[str]:
    """What moves or chooses values does not change their meaning."""
    kept, given = ((kind.scale, kind.zero_point, kind.bits) for kind in (taken, layer.output))
    if kept != given:
        yield f"scale, zero point and bits are {kept} in and {given} out; {layer.op} keeps them"


def _softmax_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    taken, = operands
    yield from _shape_problems(layer, taken)
    if taken.shape[-1] > SOFTMAX_CHANNELS:
        yield f"{taken.shape[-1]} channels; a softmax takes {SOFTMAX_CHANNELS} at most; split it"
    if (layer.output.scale, layer.output.zero_point, layer.output.bits) != (1 / 256, -128, 8):
        yield (f"scale {layer.output.scale}, zero point {layer.output.zero_point}, {layer.output.bits} bits: a softmax "
               f"gives 1/256, -128 and 8 bits")
    yield from _scale_problems(layer, 1)
    if _has_scale(layer) and not (layer.multiplier[0] >= 0 and 0 <= layer.shift[0] <= 31):
        yield (f"multiplier {layer.multiplier[0]} or left shift {layer.shift[0]} is out of range; a multiplier is 0 to "
               f"2**31 - 1, a left shift 0 to 31")


def _log_softmax_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    taken, = operands
    yield from _shape_problems(layer, taken)
    if taken.shape[-1] > SOFTMAX_CHANNELS:
        yield f"{taken.shape[-1]} channels; a log_softmax takes {SOFTMAX_CHANNELS} at most; split it"
    if (layer.output.scale, layer.output.zero_point, layer.output.bits) != (16 / 256, 127, 8):
        yield (f"scale {layer.output.scale}, zero point {layer.output.zero_point}, {layer.output.bits} bits: a "
               f"log_softmax gives 16/256, 127 and 8 bits")
    yield from _integer_problems(layer)


def _integer_problems(layer: Layer) -> Iterator[str]:
    for name in ("multiplier", "shift"):
        if (value := getattr(layer, name)).dtype != np.int32 or value.ndim != 1:
            yield f"{name} is {value.dtype} of rank {value.ndim}; expected int32 of rank 1"


def _requantize_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    yield from _shape_problems(layer, operands[0])
    yield from _scale_problems(layer, 1)


def _mean_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    taken, = operands
    if len(taken.shape) != 3 or layer.output.size != taken.shape[0] * taken.shape[2]:
        yield f"{taken.shape} to {layer.output.shape}; a mean of (outer, N, channels) has outer * channels values"
    yield from _integer_problems(layer)


def _table_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    yield from _shape_problems(layer, operands[0])
    if layer.weights.shape != (256,):
        yield f"a table of {layer.weights.size} entries; it has 256, for -128 to 127"


def _conversion_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    yield from _shape_problems(layer, operands[0])


def _concat_problems(layer: Layer, taken: Sequence[TensorType]) -> Iterator[str]:
    shape, rank = layer.output.shape, len(layer.output.shape)
    axis, = layer.parameters if len(layer.parameters) == 1 else (0,)
    if not -rank <= axis < 0:
        yield f"parameters {layer.parameters}; a concat has its axis, {-rank} to -1"
        return
    sizes = []
    for kind in taken:
        yield from _kept_problems(layer, kind)
        # an operand without the axis in front has one of it
        whole = (1,) * (rank - len(kind.shape)) + kind.shape
        sizes.append(whole[axis])
        if len(whole) != rank or any(a != b for place, (a, b) in enumerate(zip(whole, shape, strict=True))
                                     if place != rank + axis):
            yield f"joins {kind.shape} to {shape} along axis {axis}; all others must be equal"
            return
    if sum(sizes) != shape[axis]:
        yield f"joins {sizes} along axis {axis}, where the output has {shape[axis]}"


def _gather_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    taken, = operands
    yield from _kept_problems(layer, taken)
    if len(layer.parameters) != 1 + len(layer.output.shape):
        yield (f"{len(layer.parameters)} parameters; a gather has an offset, and a stride for each of "
               f"{len(layer.output.shape)} axes")
        return
    offset, *strides = layer.parameters
    reach = [(size - 1) * stride for size, stride in zip(layer.output.shape, strides, strict=True)]
    least, most = (offset + sum(part(0, step) for step in reach) for part in (min, max))
    if least < 0 or most >= taken.size:
        yield f"reads elements {least} to {most} of {taken.size}"


def _pad_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    taken, = operands
    yield from _kept_problems(layer, taken)
    rank = len(taken.shape)
    if len(layer.parameters) != 3 * rank + 1 or min(layer.parameters[:-1]) < 0:
        yield (f"parameters {layer.parameters}; a pad has three counts for each of {rank} axes, none negative, and a "
               f"value")
        return
    counts = np.array(layer.parameters[:-1]).reshape(rank, 3)
    shape = tuple(int(before + after + size + (size - 1) * between)
                  for size, (before, after, between) in zip(taken.shape, counts, strict=True))
    if layer.output.shape != shape:
        yield f"output shape is {layer.output.shape}, but the input and what is put around it give {shape}"
    if not taken.low <= layer.parameters[-1] <= taken.high:
        yield f"pads with {layer.parameters[-1]}; choose {taken.low} to {taken.high}"


def _resize_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    taken, = operands
    yield from _kept_problems(layer, taken)
    if len(taken.shape) != 3 or len(layer.output.shape) != 3 or layer.output.shape[2] != taken.shape[2]:
        yield f"{taken.shape} to {layer.output.shape}; a resize changes height and width"
    if len(layer.parameters) != 2 or not set(layer.parameters) <= {0, 1}:
        yield f"parameters {layer.parameters}; a resize has align_corners and half_pixel_centers, 0 or 1"


def _shape_problems(layer: Layer, taken: TensorType) -> Iterator[str]:
    if layer.output.shape != taken.shape:
        yield f"output shape is {layer.output.shape}, but the input has {taken.shape}"


def _scale_problems(layer: Layer, count: int) -> Iterator[str]:
    """``count`` multipliers and shifts, for all channels."""
    for name in ("multiplier", "shift"):
        value = getattr(layer, name)
        if value.shape != (count,) or value.dtype != np.int32:
            yield f"{name} is {value.dtype}{value.shape}; expected int32({count},)"
            return
    if layer.op != "softmax" and not (layer.multiplier.min() >= 0 and layer.shift.min() >= -MOST_LEFT
                                      and layer.shift.max() <= MAX_SHIFT):
        yield (f"multiplier {layer.multiplier.tolist()} or shift {layer.shift.tolist()} is out of range; a multiplier "
               f"is 0 to 2**31 - 1, a right shift {-MOST_LEFT} to {MAX_SHIFT}")


def _has_scale(layer: Layer) -> bool:
    return layer.multiplier.shape == layer.shift.shape == (1,)


#: operator -> rank of its weights, tensors that it reads (0: one or more), what else must hold
def _features_problems(layer: Layer, operands: Sequence[TensorType]) -> Iterator[str]:
    taken, = operands
    if len(layer.parameters) != len(FeatureSpec.__dataclass_fields__):
        yield f"has {len(layer.parameters)} parameters; it takes {', '.join(FeatureSpec.__dataclass_fields__)}"
        return
    try:
        spec = FeatureSpec(**dict(zip(FeatureSpec.__dataclass_fields__, layer.parameters, strict=True)))
    except SpecError as error:
        yield str(error)
        return
    frames = spec.frames(taken.size)
    if layer.output.size != frames * spec.channels or not frames:
        yield (f"output shape is {layer.output.shape}, but {taken.size} samples have {frames} windows of "
               f"{spec.channels} channels")
    if layer.multiplier.shape != (1,) or layer.multiplier.dtype != np.int32 or layer.multiplier[0] < 1:
        yield f"multiplier is {layer.multiplier.dtype}{layer.multiplier.shape}; expected int32(1,) above 0"


RULES: dict[str, tuple[int, int, Rule]] = {
    "conv": (4, 1, _window_problems), "depthwise": (3, 1, _window_problems), "dense": (2, 1, _window_problems),
    "avgpool": (3, 1, _window_problems), "maxpool": (3, 1, _window_problems),
    "add": (1, 2, _add_problems), "sub": (1, 2, _add_problems), "mul": (1, 2, _scaled_problems(1)),
    "prelu": (1, 2, _scaled_problems(2)), "maximum": (1, 2, _choice_problems), "minimum": (1, 2, _choice_problems),
    "table": (1, 1, _table_problems), "requantize": (1, 1, _requantize_problems), "mean": (1, 1, _mean_problems),
    "softmax": (1, 1, _softmax_problems), "log_softmax": (1, 1, _log_softmax_problems),
    "concat": (1, 0, _concat_problems), "gather": (1, 1, _gather_problems), "pad": (1, 1, _pad_problems),
    "resize": (1, 1, _resize_problems),
    "quantize": (1, 1, _conversion_problems), "dequantize": (1, 1, _conversion_problems),
    "features": (1, 1, _features_problems)}
