"""The operators of a TFLite file for each layer of a graph: a function an operator, ``WRITERS`` is the list."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from sw.frontend.exported import ExportedGraph, file_shape
from sw.frontend.operators import LOWERS
from sw.frontend.operators.scales import NONE, RELU, RELU6, RELU_N1_TO_1, clamp
from sw.golden.fixed import quantize_multiplier
from sw.golden.movement import row_major
from sw.golden.softmax import prepare_softmax
from sw.golden.tables import leaky_relu_table
from sw.graph.graph import GraphError
from sw.graph.layer import POOLS, Layer, TensorType

__all__ = ["WRITERS", "write_layer"]

SAME, VALID = 0, 1
NEAR = 3                       # steps of a 32-bit number around a guess
DEAD = 2.0 ** -40              # a factor that every runtime flushes to zero
SLOPES = (0.01, 0.02, 0.05, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.5)    # of leaky activations, as people choose them
#: operators that need no more than their tensors and a fused activation -> the name of their options
_PLAIN = {"add": "AddOptions", "sub": "SubOptions", "mul": "MulOptions", "maximum": "MaximumMinimumOptions",
          "minimum": "MaximumMinimumOptions", "prelu": "", "log_softmax": "LogSoftmaxOptions",
          "requantize": "QuantizeOptions", "quantize": "QuantizeOptions", "dequantize": "DequantizeOptions"}
_NAMES = {"requantize": "QUANTIZE"}
_FUSES = ("add", "sub", "mul")


def write_layer(export: ExportedGraph, index: int) -> int:
    """Write the operators of a layer; the file's tensor that they give.

    Raises
    ------
    GraphError
        If TFLite has none that do the same.
    """
    layer = export.graph.layers[index]
    if layer.op in _PLAIN:
        fused: dict[str, Any] = {"FusedActivationFunction": _activation(layer)} if layer.op in _FUSES else {}
        inputs = [export.read(index, place) for place in range(len(export.graph.inputs_of(index)))]
        return export.given(layer, _NAMES.get(layer.op, layer.op.upper()), inputs, _PLAIN[layer.op], **fused)
    if layer.op not in WRITERS:
        raise GraphError("TFLite has no such operator")
    return WRITERS[layer.op](export, index, layer)


def _parameters(export: ExportedGraph, index: int, layer: Layer, weights: np.ndarray, axis: int) -> list[int]:
    """Tensors of weights and bias, whose scales give the layer's multipliers."""
    taken = export.graph.taken(index)[0]
    scales = _weight_scales(layer, taken)
    kind, data = "INT8", weights.tobytes()
    if layer.weight_bits == 4:
        kind, data = "INT4", _packed(weights)
    common: dict[str, Any] = {"scale": scales, "zero": np.zeros(scales.size, np.int64)}
    return [export.file.tensor(weights.shape, kind, name=f"{layer.name}/weights", axis=axis, data=data, **common),
            export.file.tensor(layer.bias.shape, "INT32", name=f"{layer.name}/bias", data=layer.bias.tobytes(), **{
                **common, "scale": np.float32(taken.scale) * scales})]


def _activation(layer: Layer) -> int:
    """The fused activation that clamps as the layer does."""
    for code in (NONE, RELU, RELU6, RELU_N1_TO_1):
        if clamp(code, layer.output) == {"act_min": layer.act_min, "act_max": layer.act_max}:
            return code
    raise GraphError(f"clamps to {layer.act_min} to {layer.act_max}; TFLite has none, RELU, RELU6 and RELU_N1_TO_1, "
                     f"which are others at this scale")


def _near(guess: float, fits: Callable[[np.float32], bool]) -> np.float32 | None:
    """The number of 32 bits nearest to ``guess`` for which ``fits``; None where none close by does."""
    below = above = np.float32(guess)
    for _ in range(NEAR):
        for value in (below, above):
            if np.isfinite(value) and value > 0 and fits(value):
                return value
        below, above = np.nextafter(below, np.float32(0)), np.nextafter(above, np.float32(np.inf))
    return None


def _weight_scales(layer: Layer, taken: TensorType) -> np.ndarray:
    """The scale of each channel's weights; a dense layer's one scale where its channels have the same."""
    pairs = list(zip(layer.multiplier.tolist(), layer.shift.tolist(), strict=True))
    if layer.op == "dense" and len(set(pairs)) == 1:
        pairs = pairs[:1]
    scales = []
    for channel, (multiplier, shift) in enumerate(pairs):
        def fits(scale: np.float32, pair: tuple[int, int] = (multiplier, shift)) -> bool:
            return quantize_multiplier(taken.scale * float(scale) / layer.output.scale) == pair

        found = _near(_factor(multiplier, shift) * layer.output.scale / taken.scale, fits)
        if found is None:
            raise GraphError(f"no scale of 32 bits gives channel {channel} the multiplier {multiplier} and shift "
                             f"{shift}; train it again with this Heddle, or keep model.npz")
        scales.append(found)
    return np.array(scales, np.float32)


def _factor(multiplier: int, shift: int) -> float:
    return multiplier / 2.0 ** (31 + shift) if multiplier else DEAD


def _packed(weights: np.ndarray) -> bytes:
    """int4, the low half of each byte first."""
    flat = np.append(weights.reshape(-1), np.zeros(weights.size % 2, np.int8)).view(np.uint8)
    return ((flat[0::2] & 15) | (flat[1::2] << 4)).astype(np.uint8).tobytes()


def _padding(layer: Layer, taken: TensorType) -> int | None:
    """SAME or VALID; None where the padding is neither."""
    if not any(layer.padding):
        return VALID
    whole = [max((-(-size // step) - 1) * step + taps - size, 0)
             for size, step, taps in zip(taken.shape, layer.stride, layer.extent, strict=False)]
    same = (whole[0] // 2, whole[1] // 2, whole[0] - whole[0] // 2, whole[1] - whole[1] // 2)
    return SAME if layer.padding == same else None


def _window(export: ExportedGraph, index: int, layer: Layer) -> tuple[int, dict[str, Any]]:
    """What it reads, and the options of its window."""
    source, padding = export.image(index), _padding(layer, export.graph.taken(index)[0])
    if padding is None:
        if layer.op in POOLS:
            raise GraphError(f"padding {layer.padding} is neither VALID nor SAME, and TFLite's pools have no other")
        source, padding = export.padded(source, layer), VALID
    return source, {"Padding": padding, "StrideH": layer.stride[0], "StrideW": layer.stride[1],
                                 "FusedActivationFunction": _activation(layer)}


def _dilation(layer: Layer) -> dict[str, Any]:
    return {"DilationHFactor": layer.dilation[0], "DilationWFactor": layer.dilation[1]}


def _conv(export: ExportedGraph, index: int, layer: Layer) -> int:
    source, window = _window(export, index, layer)
    return export.given(layer, "CONV_2D", [source, *_parameters(export, index, layer, layer.weights, 0)],
                        "Conv2DOptions", **window, **_dilation(layer))


def _depthwise(export: ExportedGraph, index: int, layer: Layer) -> int:
    source, window = _window(export, index, layer)
    weights = _parameters(export, index, layer, layer.weights[None], 3)
    multiple = layer.output.shape[2] // export.graph.taken(index)[0].shape[2]
    return export.given(layer, "DEPTHWISE_CONV_2D", [source, *weights], "DepthwiseConv2DOptions",
                        DepthMultiplier=multiple, **window, **_dilation(layer))


def _dense(export: ExportedGraph, index: int, layer: Layer) -> int:
    outputs, inputs = layer.weights.shape
    taken = export.graph.taken(index)[0]
    own = export.graph.types()[export.graph.inputs_of(index)[0]].shape
    source = export.read(index, 0, (1, inputs) if taken.shape != own else None)
    return export.given(layer, "FULLY_CONNECTED", [
        source, *_parameters(export, index, layer, layer.weights, 0)], "FullyConnectedOptions",
        shape=(1, outputs), FusedActivationFunction=_activation(layer))


def _pool(export: ExportedGraph, index: int, layer: Layer) -> int:
    source, window = _window(export, index, layer)
    return export.given(layer, "AVERAGE_POOL_2D" if layer.op == "avgpool" else "MAX_POOL_2D", [source],
                        "Pool2DOptions", FilterHeight=layer.kernel[0], FilterWidth=layer.kernel[1], **window)


def _softmax(export: ExportedGraph, index: int, layer: Layer) -> int:
    scale, wanted = export.graph.taken(index)[0].scale, (int(layer.multiplier[0]), int(layer.shift[0]))

    def fits(beta: np.float32) -> bool:
        try:
            return prepare_softmax(float(beta), scale) == wanted
        except GraphError:
            return False
    guess = wanted[0] * 2.0 ** (wanted[1] - 31 - 26) / scale
    beta = np.float32(1) if fits(np.float32(1)) else _near(guess, fits)
    if beta is None:
        raise GraphError("no beta of 32 bits gives its multiplier; keep model.npz")
    return export.given(layer, "SOFTMAX", [export.read(index)], "SoftmaxOptions", Beta=float(beta))


def _table(export: ExportedGraph, index: int, layer: Layer) -> int:
    name, source, taken = layer.function.upper(), export.read(index), export.graph.taken(index)[0]
    if layer.function == "reinterpret":
        return export.reshaped(source, export.shapes[source], layer.output)
    if layer.function == "requantize":
        return export.given(layer, "QUANTIZE", [source], "QuantizeOptions")
    if layer.function == "leaky_relu":
        return export.given(layer, name, [source], "LeakyReluOptions", Alpha=_slope(layer, taken))
    if name not in LOWERS:
        raise GraphError(f"its table {layer.function!r} is that of no operator of TFLite")
    return export.given(layer, name, [source], shape=export.shapes[source])


def _slope(layer: Layer, taken: TensorType) -> float:
    """The slope that gives the table: one that people choose, or one between what its entries say at most and least."""
    given, low, high = layer.output, -np.inf, np.inf
    for value, entry in zip(range(-128, taken.zero_point), layer.weights.tolist(), strict=False):
        if -128 < entry < 127:
            bounds = [(entry - given.zero_point + half) * given.scale / ((value - taken.zero_point) * taken.scale)
                      for half in (-0.75, 0.75)]      # it is rounded twice
            low, high = max(low, min(bounds)), min(high, max(bounds))
    guesses = [*SLOPES, *(np.linspace(low, high, 513) if low <= high < np.inf else ())]
    for slope in np.array(guesses, np.float32).tolist():
        if np.array_equal(leaky_relu_table(taken, given, slope), layer.weights):
            return slope
    raise GraphError("its table is that of a LEAKY_RELU of no slope")


def _mean(export: ExportedGraph, index: int, layer: Layer) -> int:
    taken, total = export.graph.taken(index)[0], (int(layer.multiplier[0]), int(layer.shift[0]))
    outer, count, _ = taken.image
    shape = file_shape(layer.output.shape)
    axis = next((axis for axis in range(len(shape) + 1) if prod(shape[:axis]) == outer), None)
    if axis is None:
        raise GraphError(f"gives {shape} of rows that lie across its axes")
    source = export.read(index, 0, (*shape[:axis], count, *shape[axis:]))
    name = "SUM" if quantize_multiplier(taken.scale / layer.output.scale) == total else "MEAN"
    return export.given(layer, name, [source, export.integers([axis], "axes")], "ReducerOptions", KeepDims=False)


def _concat(export: ExportedGraph, index: int, layer: Layer) -> int:
    rank = len(layer.output.shape)
    inputs = []
    for place in range(len(export.graph.inputs_of(index))):
        view = export.graph.taken(index)[place].shape
        inputs.append(export.read(index, place, file_shape((1,) * (rank - len(view)) + view)))
    return export.given(layer, "CONCATENATION", inputs, "ConcatenationOptions",
                        Axis=layer.parameters[0] + len(file_shape(layer.output.shape)))


def _gather(export: ExportedGraph, index: int, layer: Layer) -> int:
    """A slice with a step along each axis, or a transposition."""
    view, sizes = export.graph.taken(index)[0].shape, layer.output.shape
    offset, *steps = layer.parameters
    strides = row_major(view)
    slices = _slices(view, strides, sizes, offset, steps)
    if slices is not None:
        shape = file_shape(view)
        whole = [(0, 1, 1)] * (len(shape) - len(view)) + slices
        bounds = [export.integers(values, name) for name, values in zip(
            ("begin", "end", "strides"), zip(*whole, strict=True), strict=True)]
        return export.given(layer, "STRIDED_SLICE", [export.read(index, 0, shape), *bounds], "StridedSliceOptions")
    order = None if offset else _order(view, strides, sizes, steps)
    if order is None:
        raise GraphError("moves values as no operator of TFLite does")
    # ones that the output has more of stand in front of the source, where they change no shape of the graph
    front = max(0, order.count(None) - view.count(1))
    shape = (*(1,) * front, *view)
    ones = [axis for axis, length in enumerate(shape) if length == 1]
    left = len(ones) - order.count(None)
    moved = ones[:left] + [ones[left:][order[:place].count(None)] if axis is None else axis + front
                           for place, axis in enumerate(order)]
    return export.given(layer, "TRANSPOSE", [export.read(index, 0, shape), export.integers(moved, "order")],
                        "TransposeOptions", shape=[shape[axis] for axis in moved])


def _slices(view: Sequence[int], strides: Sequence[int], sizes: Sequence[int], offset: int,
            steps: Sequence[int]) -> list[tuple[int, int, int]] | None:
    """Begin, end and step along each axis of ``view``; None where a gather is no slice."""
    if len(view) != len(sizes) or offset < 0 or any(step % stride for step, stride in zip(steps, strides, strict=True)):
        return None
    found = []
    for length, stride, size, step in zip(view, strides, sizes, steps, strict=True):
        first, offset = divmod(offset, stride)
        apart = step // stride or 1
        last = first + (size - 1) * apart
        if not 0 <= last < length or first >= length or size > 1 and not step or apart < 0 and last == 0:
            return None      # an end before 0 would count from behind
        found.append((first, last + (1 if apart > 0 else -1), apart))
    return found


def _order(view: Sequence[int], strides: Sequence[int], sizes: Sequence[int],
           steps: Sequence[int]) -> list[int | None] | None:
    """The axis of ``view`` for each of the output, None for one of length 1; None where it is no transposition."""
    known = {stride: axis for axis, (stride, length) in enumerate(zip(strides, view, strict=True)) if length > 1}
    order = [known.get(step, -1) if size > 1 else None for size, step in zip(sizes, steps, strict=True)]
    moved = [axis for axis in order if axis is not None]
    if sorted(moved) != sorted(known.values()) or any(
            axis is not None and view[axis] != size for axis, size in zip(order, sizes, strict=True)):
        return None
    return order


def _pad(export: ExportedGraph, index: int, layer: Layer) -> int:
    view = export.graph.taken(index)[0].shape
    counts = np.array(layer.parameters[:-1]).reshape(len(view), 3)
    if np.any(counts[:, 2]):
        raise GraphError("puts values between others, as only a TRANSPOSE_CONV of TFLite does, with its convolution")
    front = len(file_shape(view)) - len(view)
    pairs = np.concatenate([np.zeros((front, 2), np.int32), counts[:, :2].astype(np.int32)])
    source = export.read(index, 0, file_shape(view))
    around = export.file.tensor(pairs.shape, "INT32", name="paddings", data=pairs.astype(np.int32).tobytes())
    if layer.parameters[-1] == layer.output.zero_point:
        return export.given(layer, "PAD", [source, around], "PadOptions")
    kind = TensorType(shape=(1, 1, 1), scale=layer.output.scale, zero_point=layer.output.zero_point)
    value = export.tensor(kind, (1,), "value", data=np.array([layer.parameters[-1]], np.int8).tobytes())
    return export.given(layer, "PADV2", [source, around, value], "PadV2Options")


def _resize(export: ExportedGraph, index: int, layer: Layer) -> int:
    corners, centers = layer.parameters
    size = export.integers(layer.output.shape[:2], "size")
    return export.given(layer, "RESIZE_NEAREST_NEIGHBOR", [export.image(index), size], "ResizeNearestNeighborOptions",
                        AlignCorners=bool(corners), HalfPixelCenters=bool(centers))


WRITERS: dict[str, Callable[[ExportedGraph, int, Layer], int]] = {
    "conv": _conv, "depthwise": _depthwise, "dense": _dense, "avgpool": _pool, "maxpool": _pool, "softmax": _softmax,
    "table": _table, "mean": _mean, "concat": _concat, "gather": _gather, "pad": _pad, "resize": _resize}
