"""The integer graph to an int8 TFLite file, which TensorFlow Lite Micro computes bit for bit as Heddle does.

A file holds scales, from which runtimes compute multipliers, shifts and tables. So every file that is written is read
again, and must be the same graph: what a file cannot say is an error that names the layer, and nothing is approximated.
Weights of fewer than 8 bits are the same values in int8, of 4 bits in TFLite's int4.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sw.frontend.operators import LOWERS
from sw.frontend.operators.scales import NONE, RELU, RELU6, RELU_N1_TO_1, clamp
from sw.frontend.tflite import load_tflite
from sw.frontend.tflite_writer import Writer
from sw.golden.fixed import quantize_multiplier
from sw.golden.movement import row_major
from sw.golden.softmax import prepare_softmax
from sw.golden.tables import leaky_relu_table
from sw.graph.graph import Graph, GraphError
from sw.graph.layer import POOLS, Layer, TensorType, canonical
from sw.graph.padding import fold_pads

__all__ = ["differences", "export_tflite"]

SAME, VALID = 0, 1
NEAR = 3                       # steps of a 32-bit number around a guess
DEAD = 2.0 ** -40              # a factor that every runtime flushes to zero
SLOPES = (0.01, 0.02, 0.05, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.5)    # of leaky activations, as people choose them
DESCRIPTION = "exported by Heddle"
#: operators that need no more than their tensors and a fused activation -> the name of their options
_PLAIN = {"add": "AddOptions", "sub": "SubOptions", "mul": "MulOptions", "maximum": "MaximumMinimumOptions",
          "minimum": "MaximumMinimumOptions", "prelu": "", "log_softmax": "LogSoftmaxOptions",
          "requantize": "QuantizeOptions", "quantize": "QuantizeOptions", "dequantize": "DequantizeOptions"}
_NAMES = {"requantize": "QUANTIZE"}
_FUSES = ("add", "sub", "mul")
_FIELDS = ("op", "output", "stride", "dilation", "padding", "act_min", "act_max", "parameters", "function")
_ARRAYS = ("weights", "bias", "multiplier", "shift")


def export_tflite(graph: Graph) -> bytes:
    """The content of a ``.tflite`` file; :func:`~sw.frontend.tflite.load_tflite` gives the same graph of it, but that a
    padding which TFLite's convolutions do not have is a pad in front.

    Raises
    ------
    GraphError
        If the graph holds what TFLite cannot say; the line names the layer.
    """
    data = _Export(graph).content()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        try:
            again = load_tflite(path)
        except GraphError as error:
            raise GraphError(f"{graph.name}: cannot be a TFLite file: {error}") from error
    for difference in differences(fold_pads(graph), fold_pads(again)):
        raise GraphError(f"{graph.name}: cannot be a TFLite file: {difference}")
    return data


def differences(first: Graph, second: Graph) -> Iterator[str]:
    """Where two graphs are not the same network; names and the width in which weights are kept do not count."""
    ends: tuple[tuple[str, Any, Any], ...] = (
        ("inputs", first.inputs, second.inputs),
        ("number of constants", len(first.constants), len(second.constants)),
        ("number of layers", len(first.layers), len(second.layers)), ("outputs", first.answers, second.answers))
    for name, one, other in ends:
        if one != other:
            yield f"{name} {one} would be {other}"
            return
    for index, (constant, again) in enumerate(zip(first.constants, second.constants, strict=True)):
        if constant.type != again.type or not np.array_equal(constant.values, again.values):
            yield f"constant {index} of {constant.type} would be another one"
    for index, (layer, other) in enumerate(zip(first.layers, second.layers, strict=True)):
        where = f"layer {index} {layer.name} ({layer.op})"
        if (first.inputs_of(index), first.taken(index)) != (second.inputs_of(index), second.taken(index)):
            yield f"{where} would read other tensors or shapes"
        for name in _FIELDS:
            if getattr(layer, name) != getattr(other, name):
                yield f"{where}: {name} {getattr(layer, name)} would be {getattr(other, name)}"
        for name in _ARRAYS:
            if not np.array_equal(getattr(layer, name), getattr(other, name)):
                yield f"{where}: its {name} would be others; no scales of 32 bits and no operator of TFLite give them"


class _Export:
    """A graph on its way to a file."""

    def __init__(self, graph: Graph):
        self.graph, self.file = graph, Writer()
        self.tensors: list[int] = []                       # of the file, by the graph's numbers
        self.shapes: dict[int, tuple[int, ...]] = {}       # of the file's tensors
        self.kinds: dict[int, TensorType] = {}

    def content(self) -> bytes:
        graph = self.graph
        if graph.states:
            raise GraphError(f"{graph.name}: has states, which Heddle writes to no TFLite file; keep model.npz")
        for number, kind in enumerate(graph.types()):
            if kind.bits != 8:
                raise GraphError(f"{graph.name}: cannot be a TFLite file: tensor {number} has activations of "
                                 f"{kind.bits} bits; TFLite has 8: keep model.npz")
            if float(np.float32(kind.scale)) != kind.scale:
                raise GraphError(f"{graph.name}: cannot be a TFLite file: tensor {number} has a scale of {kind.scale}, "
                                 f"which is no number of 32 bits; train it again with this Heddle, or keep model.npz")
        for number, kind in enumerate(graph.inputs):
            shape = graph.input_shapes[number] if graph.input_shapes else file_shape(kind.shape)
            self.tensors.append(self.tensor(kind, shape, f"input{number}"))
        for number, constant in enumerate(graph.constants):
            self.tensors.append(self.tensor(constant.type, file_shape(constant.type.shape), f"constant{number}",
                                            data=constant.values.tobytes()))
        for index, layer in enumerate(graph.layers):
            try:
                self.tensors.append(self.layer(index, layer))
            except GraphError as error:
                raise GraphError(f"{graph.name}: cannot be a TFLite file: layer {index} {layer.name} ({layer.op}): "
                                 f"{error}") from error
        outputs = [self.output(place, number) for place, number in enumerate(graph.answers)]
        return self.file.content(self.tensors[:len(graph.inputs)], outputs, DESCRIPTION)

    def output(self, place: int, number: int) -> int:
        """The file's tensor that answers, in the shape that the network's own file had."""
        tensor = self.tensors[number]
        if not self.graph.output_shapes or self.graph.output_shapes[place] == self.shapes[tensor]:
            return tensor
        return self.reshaped(tensor, self.graph.output_shapes[place])

    # tensors

    def tensor(self, kind: TensorType, shape: Sequence[int], name: str, *, data: bytes | None = None) -> int:
        scales: dict[str, Any] = {} if kind.dtype == "float32" else {"scale": kind.scale, "zero": kind.zero_point}
        number = self.file.tensor(shape, kind.dtype.upper(), name=name, data=data, **scales)
        self.shapes[number], self.kinds[number] = tuple(shape), kind
        return number

    def integers(self, values: Sequence[int], name: str) -> int:
        array = np.array(values, np.int32)
        return self.file.tensor(array.shape, "INT32", name=name, data=array.tobytes())

    def reshaped(self, tensor: int, shape: Sequence[int], kind: TensorType | None = None) -> int:
        given = self.tensor(kind or self.kinds[tensor], shape, f"reshaped{len(self.file.tensors)}")
        self.file.operator("RESHAPE", [tensor, self.integers(shape, "shape")], given)
        return given

    def read(self, index: int, place: int = 0, shape: Sequence[int] | None = None) -> int:
        """The file's tensor that layer ``index`` reads, in ``shape``, or in any that the graph takes for the same."""
        tensor, view = self.tensors[self.graph.inputs_of(index)[place]], self.graph.taken(index)[place].shape
        if shape is None:
            if canonical(self.shapes[tensor]) == view:
                return tensor
            shape = file_shape(view)
        return tensor if self.shapes[tensor] == tuple(shape) else self.reshaped(tensor, shape)

    def padded(self, source: int, layer: Layer) -> int:
        """An image with the layer's padding around it."""
        kind, (_, height, width, channels) = self.kinds[source], self.shapes[source]
        top, left, bottom, right = layer.padding
        shape = (1, height + top + bottom, width + left + right, channels)
        around = np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
        given = self.tensor(kind, shape, f"{layer.name}/padded")
        sides = self.file.tensor(around.shape, "INT32", name=f"{layer.name}/paddings", data=around.tobytes())
        self.file.operator("PAD", [source, sides], given, "PadOptions")
        return given

    def image(self, index: int) -> int:
        """What it reads, with a batch, height, width and channels."""
        return self.read(index, 0, (1, *self.graph.taken(index)[0].image))

    # layers

    def layer(self, index: int, layer: Layer) -> int:
        """Write the operators of a layer; the file's tensor that they give."""
        if layer.op in _PLAIN:
            fused: dict[str, Any] = {"FusedActivationFunction": _activation(layer)} if layer.op in _FUSES else {}
            inputs = [self.read(index, place) for place in range(len(self.graph.inputs_of(index)))]
            return self.given(layer, _NAMES.get(layer.op, layer.op.upper()), inputs, _PLAIN[layer.op], **fused)
        if layer.op not in _WRITE:
            raise GraphError("TFLite has no such operator")
        return _WRITE[layer.op](self, index, layer)

    def given(self, layer: Layer, name: str, inputs: Sequence[int], options: str = "", *,
              shape: Sequence[int] | None = None, **fields: Any) -> int:
        tensor = self.tensor(layer.output, file_shape(layer.output.shape) if shape is None else shape, layer.name)
        self.file.operator(name, inputs, tensor, options, **fields)
        return tensor

    def parameters(self, index: int, layer: Layer, weights: np.ndarray, axis: int) -> list[int]:
        """Tensors of weights and bias, whose scales give the layer's multipliers."""
        taken = self.graph.taken(index)[0]
        scales = _weight_scales(layer, taken)
        kind, data = "INT8", weights.tobytes()
        if layer.weight_bits == 4:
            kind, data = "INT4", _packed(weights)
        common: dict[str, Any] = {"scale": scales, "zero": np.zeros(scales.size, np.int64)}
        return [self.file.tensor(weights.shape, kind, name=f"{layer.name}/weights", axis=axis, data=data, **common),
                self.file.tensor(layer.bias.shape, "INT32", name=f"{layer.name}/bias", data=layer.bias.tobytes(), **{
                    **common, "scale": np.float32(taken.scale) * scales})]


def file_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """With a batch, where the graph leaves one out."""
    return (1, *shape) if len(shape) == 3 else tuple(shape)


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


def _window(export: _Export, index: int, layer: Layer) -> tuple[int, dict[str, Any]]:
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


def _conv(export: _Export, index: int, layer: Layer) -> int:
    source, window = _window(export, index, layer)
    return export.given(layer, "CONV_2D", [source, *export.parameters(index, layer, layer.weights, 0)],
                        "Conv2DOptions", **window, **_dilation(layer))


def _depthwise(export: _Export, index: int, layer: Layer) -> int:
    source, window = _window(export, index, layer)
    weights = export.parameters(index, layer, layer.weights[None], 3)
    multiple = layer.output.shape[2] // export.graph.taken(index)[0].shape[2]
    return export.given(layer, "DEPTHWISE_CONV_2D", [source, *weights], "DepthwiseConv2DOptions",
                        DepthMultiplier=multiple, **window, **_dilation(layer))


def _dense(export: _Export, index: int, layer: Layer) -> int:
    outputs, inputs = layer.weights.shape
    taken = export.graph.taken(index)[0]
    own = export.graph.types()[export.graph.inputs_of(index)[0]].shape
    source = export.read(index, 0, (1, inputs) if taken.shape != own else None)
    return export.given(layer, "FULLY_CONNECTED", [
        source, *export.parameters(index, layer, layer.weights, 0)], "FullyConnectedOptions",
        shape=(1, outputs), FusedActivationFunction=_activation(layer))


def _pool(export: _Export, index: int, layer: Layer) -> int:
    source, window = _window(export, index, layer)
    return export.given(layer, "AVERAGE_POOL_2D" if layer.op == "avgpool" else "MAX_POOL_2D", [source],
                        "Pool2DOptions", FilterHeight=layer.kernel[0], FilterWidth=layer.kernel[1], **window)


def _softmax(export: _Export, index: int, layer: Layer) -> int:
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


def _table(export: _Export, index: int, layer: Layer) -> int:
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


def _mean(export: _Export, index: int, layer: Layer) -> int:
    taken, total = export.graph.taken(index)[0], (int(layer.multiplier[0]), int(layer.shift[0]))
    outer, count, _ = taken.image
    shape = file_shape(layer.output.shape)
    axis = next((axis for axis in range(len(shape) + 1) if prod(shape[:axis]) == outer), None)
    if axis is None:
        raise GraphError(f"gives {shape} of rows that lie across its axes")
    source = export.read(index, 0, (*shape[:axis], count, *shape[axis:]))
    name = "SUM" if quantize_multiplier(taken.scale / layer.output.scale) == total else "MEAN"
    return export.given(layer, name, [source, export.integers([axis], "axes")], "ReducerOptions", KeepDims=False)


def _concat(export: _Export, index: int, layer: Layer) -> int:
    rank = len(layer.output.shape)
    inputs = []
    for place in range(len(export.graph.inputs_of(index))):
        view = export.graph.taken(index)[place].shape
        inputs.append(export.read(index, place, file_shape((1,) * (rank - len(view)) + view)))
    return export.given(layer, "CONCATENATION", inputs, "ConcatenationOptions",
                        Axis=layer.parameters[0] + len(file_shape(layer.output.shape)))


def _gather(export: _Export, index: int, layer: Layer) -> int:
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


def _pad(export: _Export, index: int, layer: Layer) -> int:
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


def _resize(export: _Export, index: int, layer: Layer) -> int:
    corners, centers = layer.parameters
    size = export.integers(layer.output.shape[:2], "size")
    return export.given(layer, "RESIZE_NEAREST_NEIGHBOR", [export.image(index), size], "ResizeNearestNeighborOptions",
                        AlignCorners=bool(corners), HalfPixelCenters=bool(centers))


_WRITE: dict[str, Callable[[_Export, int, Layer], int]] = {
    "conv": _conv, "depthwise": _depthwise, "dense": _dense, "avgpool": _pool, "maxpool": _pool, "softmax": _softmax,
    "table": _table, "mean": _mean, "concat": _concat, "gather": _gather, "pad": _pad, "resize": _resize}
