"""TFLite flatbuffers (int8) to the integer graph.

Convolutions, depthwise convolutions, dense layers, average and max pools, adds, softmax and requantization, from one
input to one output, as in the MLPerf Tiny models; a reshape is free. Anything else is an error that names the operator
or the tensor. TFLite's flatbuffers have no checksum: a damaged file is found where what it says cannot be.
"""

import struct
from collections.abc import Callable
from dataclasses import replace
from math import frexp
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from hw.spec.requant import ADD_LEFT_SHIFT
from sw.golden.requantize import prepare_requantize
from sw.golden.softmax import prepare_softmax
from sw.graph.graph import Graph, GraphError, Layer, TensorType

__all__ = ["FULL_INTEGER", "load_tflite", "quantize_multiplier"]

SAME, RELU, RELU6, NONE = 0, 1, 3, 0     # tflite.Padding.SAME, tflite.ActivationFunctionType.*
NO_TENSOR = -1                           # an optional operand that is not there
EMPTY = np.zeros(0, np.int32)
INT8_ENDS = "inference_input_type = inference_output_type = tf.int8"
#: what to ask TensorFlow's converter for
FULL_INTEGER = ("full-integer post-training quantization (optimizations = [tf.lite.Optimize.DEFAULT], a "
                f"representative_dataset, supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8], {INT8_ENDS})")
_KINDS = {number: name for name, number in vars(tflite.TensorType).items() if isinstance(number, int)}


def quantize_multiplier(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multiplier in ``[2**30, 2**31)`` and right shift for each real scale, as TFLite's ``QuantizeMultiplier``.

    Raises
    ------
    GraphError
        If a scale is 1 or more.
    """
    multipliers, shifts = [], []
    for value in np.asarray(scale, np.float64).tolist():
        fraction, exponent = frexp(value)
        multiplier = round(fraction * (1 << 31))
        if multiplier == 1 << 31:
            multiplier, exponent = multiplier // 2, exponent + 1
        if exponent > 0:
            raise GraphError(f"output scale factor {value:g}: the requantizer takes factors below 1")
        if exponent < -31:
            multiplier, exponent = 0, 0      # TFLite flushes a channel of such weights to zero
        multipliers.append(multiplier)
        shifts.append(-exponent)
    return np.array(multipliers, np.int32), np.array(shifts, np.int32)


class _Model:
    """What one subgraph says about its tensors."""

    def __init__(self, path: Path):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise GraphError(f"{path}: cannot be read ({error.strerror}); give a .tflite file") from error
        if data[4:8] != b"TFL3":
            raise GraphError(f"{path}: not a TFLite file; give a .tflite flatbuffer")
        self.model = tflite.Model.GetRootAsModel(data, 0)
        self.graph = self.model.Subgraphs(0)

    def name(self, operator: Any) -> str:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        return tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))

    def tensor(self, index: int) -> str:
        """How errors call a tensor."""
        name = self.graph.Tensors(index).Name()
        return f"tensor {index}" + (f" {name.decode(errors='replace')!r}" if name else "")

    def kind(self, index: int) -> str:
        number = self.graph.Tensors(index).Type()
        return _KINDS.get(number, f"of type {number}")

    def shape(self, index: int) -> tuple[int, ...]:
        shape = self.graph.Tensors(index).ShapeAsNumpy()
        return tuple(np.asarray(shape).tolist()) if self.graph.Tensors(index).ShapeLength() else ()

    def check_ends(self) -> None:
        """Input and output are int8, for one inference; a network that is quantized inside says so."""
        for end, index in (("input", int(self.graph.Inputs(0))), ("output", int(self.graph.Outputs(0)))):
            names = {self.name(self.graph.Operators(number)) for number in range(self.graph.OperatorsLength())}
            if self.kind(index) != "INT8" and names & {"QUANTIZE", "DEQUANTIZE"}:
                raise GraphError(f"its {end}, {self.tensor(index)}, is {self.kind(index)} though the network is "
                                 f"quantized inside; convert it again with {INT8_ENDS}")
            self.activation(index)
        if (batch := self.shape(int(self.graph.Inputs(0)))[0]) != 1:
            raise GraphError(f"its input, {self.tensor(int(self.graph.Inputs(0)))}, is a batch of {batch}; Heddle runs "
                             f"one inference at a time; convert it again with a batch of 1")

    def activation(self, index: int) -> TensorType:
        """Shape without the batch, padded with ones in front of a flat tensor's channels."""
        kind, shape = self.kind(index), self.shape(index)
        if kind != "INT8":
            raise GraphError(f"{self.tensor(index)} is {kind}, not INT8; convert the network again with {FULL_INTEGER}")
        if not 2 <= len(shape) <= 4:
            raise GraphError(f"{self.tensor(index)} has shape {shape}; Heddle runs tensors of 2 to 4 dimensions, the "
                             f"batch first")
        height, width, channels = [1, 1, *shape[1:]][-3:]
        scale, zero = self.quantization(index)
        return TensorType(shape=(height, width, channels), scale=float(scale[0]), zero_point=int(zero[0]))

    def quantization(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Scales and zero points of an int8 tensor, one of each or one a channel."""
        table = self.graph.Tensors(index).Quantization()
        if table is None or not table.ScaleLength() or table.ZeroPointLength() != table.ScaleLength():
            raise GraphError(f"{self.tensor(index)} is {self.kind(index)} without a scale and a zero point; convert "
                             f"the network again with {FULL_INTEGER}")
        scale, zero = np.asarray(table.ScaleAsNumpy()), np.asarray(table.ZeroPointAsNumpy())
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise GraphError(f"{self.tensor(index)} has a scale of {scale[~(scale > 0) | ~np.isfinite(scale)][0]:g}; "
                             f"a scale is above 0: get or convert the file again")
        return scale, zero

    def array(self, index: int, kind: type[np.generic]) -> np.ndarray:
        """A constant tensor's values."""
        wanted, shape = np.dtype(kind).name.upper(), self.shape(index)
        if self.kind(index) != wanted:
            raise GraphError(f"{self.tensor(index)} is {self.kind(index)}; of TFLite files Heddle reads {wanted} here")
        data = self.model.Buffers(self.graph.Tensors(index).Buffer()).DataAsNumpy()
        values = np.frombuffer(data, kind) if isinstance(data, np.ndarray) else np.zeros(0, kind)
        if values.size != np.prod(shape, dtype=np.int64):
            raise GraphError(f"{self.tensor(index)} has {values.size} values for a shape of {shape}; the file is "
                             f"damaged, or the values are not constant")
        return values.reshape(shape)


def load_tflite(path: Path) -> Graph:
    """Raises GraphError where the file is no int8 model of the operators above, or is damaged."""
    try:
        return _load(path)
    except GraphError as error:
        text = str(error)
        raise GraphError(text if text.startswith((path.name, str(path))) else f"{path.name}: {text}") from error
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError, MemoryError) as error:
        raise GraphError(f"{path.name}: is damaged or cut short ({type(error).__name__}: {error}); get it again"
                         ) from error


def _load(path: Path) -> Graph:
    model, layers = _Model(path), list[Layer]()
    graph = model.graph
    if (graph.InputsLength(), graph.OutputsLength()) != (1, 1):
        raise GraphError(f"{path.name}: {graph.InputsLength()} inputs and {graph.OutputsLength()} outputs; Heddle "
                         f"loads networks with one of each")
    model.check_ends()
    types = [model.activation(int(graph.Inputs(0)))]
    numbers = {int(graph.Inputs(0)): 0}      # of the graph's tensors, by the file's
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        name = model.name(operator)
        where = f"{path.name}: operator {index} {name}"
        if name not in (*_LOWER, "RESHAPE"):
            raise GraphError(f"{where}: not supported; Heddle loads {', '.join(_LOWER)} and RESHAPE")
        read = [int(operator.Inputs(number)) for number in range(2 if name == "ADD" else 1)]
        for tensor in read:
            if tensor not in numbers:
                raise GraphError(f"{where}: reads tensor {tensor}, which no operator before it makes; Heddle runs "
                                 f"networks of activations from one input")
        if name == "RESHAPE":
            numbers[int(operator.Outputs(0))] = numbers[read[0]]
            continue
        try:
            for tensor in read:
                _check_layout(model, tensor, types[numbers[tensor]], name)
            layer = _LOWER[name](model, operator, f"{name.lower()}{index}")
        except GraphError as error:
            raise GraphError(f"{where}: {error}") from error
        layers.append(replace(layer, inputs=tuple(numbers[tensor] for tensor in read)))
        types.append(layer.output)
        numbers[int(operator.Outputs(0))] = len(layers)
    if numbers.get(int(graph.Outputs(0))) != len(layers):
        raise GraphError(f"{path.name}: its output, tensor {graph.Outputs(0)}, is not what the last operator makes; "
                         f"remove the operators behind it")
    return Graph(name=path.stem, inputs=(types[0],), layers=tuple(layers)).check()


def _check_layout(model: _Model, index: int, made: TensorType, name: str) -> None:
    """A reshape moves no byte, so only a dense layer, which counts bytes alone, may read through one."""
    shape = model.activation(index).shape
    if shape != made.shape and name != "FULLY_CONNECTED":
        raise GraphError(f"{model.tensor(index)} is {shape}, by a RESHAPE of {made.shape}; Heddle takes another shape "
                         f"into FULLY_CONNECTED alone")


def _options(operator: Any, kind: type) -> Any:
    table, options = operator.BuiltinOptions(), kind()
    options.Init(table.Bytes, table.Pos)
    return options


def _clamp(activation: int, output: TensorType) -> dict[str, Any]:
    if activation == NONE:
        return {"act_min": -128, "act_max": 127}
    if activation not in (RELU, RELU6):
        raise GraphError(f"fused activation {activation} is not supported; use none, RELU or RELU6")
    # TFLite divides in float32, and rounds a half up
    six = int(np.floor(np.float64(np.float32(6) / np.float32(output.scale)) + 0.5))
    high = 127 if activation == RELU else min(127, output.zero_point + six)
    return {"act_min": max(-128, output.zero_point), "act_max": high}


def _weighted(model: _Model, operator: Any, weights: np.ndarray) -> dict[str, Any]:
    """Weights, bias and requantization of a convolution, depthwise convolution or dense layer."""
    source, weight_index, bias_index = [*operator.InputsAsNumpy().tolist(), NO_TENSOR][:3]
    output = model.activation(operator.Outputs(0))
    outputs = output.shape[2]
    scale, zero = model.quantization(weight_index)
    if np.any(zero != 0):
        raise GraphError(f"{model.tensor(weight_index)}: weights with a zero point are not supported; quantize them "
                         f"symmetrically")
    if scale.size not in (1, outputs):
        raise GraphError(f"{model.tensor(weight_index)} has {scale.size} scales for {outputs} output channels; the "
                         f"file is damaged")
    multiplier, shift = quantize_multiplier(np.broadcast_to(
        np.float64(model.activation(source).scale) * scale.astype(np.float64) / np.float64(output.scale), (outputs,)))
    bias = np.zeros(outputs, np.int32) if bias_index == NO_TENSOR else model.array(bias_index, np.int32).copy()
    return {"output": output, "weights": weights, "bias": bias, "multiplier": multiplier, "shift": shift}


def _window(model: _Model, operator: Any, options: Any, kernel: tuple[int, int]) -> dict[str, Any]:
    """Stride and explicit padding; SAME pads the smaller half in front."""
    height, width, _ = model.activation(operator.Inputs(0)).shape
    stride = (options.StrideH(), options.StrideW())
    padding = (0, 0, 0, 0)
    if options.Padding() == SAME:
        whole = [max((-(-size // step) - 1) * step + taps - size, 0)
                 for size, step, taps in zip((height, width), stride, kernel, strict=True)]
        padding = (whole[0] // 2, whole[1] // 2, whole[0] - whole[0] // 2, whole[1] - whole[1] // 2)
    return {"stride": stride, "padding": padding}


def _conv(model: _Model, operator: Any, name: str) -> Layer:
    options = _options(operator, tflite.Conv2DOptions)
    if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
        raise GraphError("dilation is not supported; use dilation 1")
    fields = _weighted(model, operator, model.array(operator.Inputs(1), np.int8))
    return Layer(name=name, op="conv", **fields, **_clamp(options.FusedActivationFunction(), fields["output"]),
                 **_window(model, operator, options, fields["weights"].shape[1:3]))


def _depthwise(model: _Model, operator: Any, name: str) -> Layer:
    options = _options(operator, tflite.DepthwiseConv2DOptions)
    if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
        raise GraphError("dilation is not supported; use dilation 1")
    fields = _weighted(model, operator, model.array(operator.Inputs(1), np.int8)[0])
    return Layer(name=name, op="depthwise", **fields, **_clamp(options.FusedActivationFunction(), fields["output"]),
                 **_window(model, operator, options, fields["weights"].shape[:2]))


def _dense(model: _Model, operator: Any, name: str) -> Layer:
    options = _options(operator, tflite.FullyConnectedOptions)
    fields = _weighted(model, operator, model.array(operator.Inputs(1), np.int8))
    return Layer(name=name, op="dense", **fields, **_clamp(options.FusedActivationFunction(), fields["output"]))


def _pool(model: _Model, operator: Any, name: str, op: str) -> Layer:
    options = _options(operator, tflite.Pool2DOptions)
    kernel = (options.FilterHeight(), options.FilterWidth())
    output = model.activation(operator.Outputs(0))
    return Layer(name=name, op=op, output=output, weights=np.zeros((*kernel, 0), np.int8), bias=EMPTY,
                 multiplier=EMPTY, shift=EMPTY, **_clamp(options.FusedActivationFunction(), output),
                 **_window(model, operator, options, kernel))


def _average(model: _Model, operator: Any, name: str) -> Layer:
    return _pool(model, operator, name, "avgpool")


def _maximum(model: _Model, operator: Any, name: str) -> Layer:
    return _pool(model, operator, name, "maxpool")


def _add(model: _Model, operator: Any, name: str) -> Layer:
    """Both operands are brought to twice the larger scale, with ``ADD_LEFT_SHIFT`` more bits, as TFLite does."""
    options = _options(operator, tflite.AddOptions)
    output = model.activation(operator.Outputs(0))
    scales = [model.activation(operator.Inputs(which)).scale for which in (0, 1)]
    common = 2 * max(scales)
    multiplier, shift = quantize_multiplier(np.array(
        [*(scale / common for scale in scales), common / ((1 << ADD_LEFT_SHIFT) * output.scale)]))
    return Layer(name=name, op="add", output=output, weights=np.zeros(0, np.int8), bias=np.zeros(3, np.int32),
                 multiplier=multiplier, shift=shift, **_clamp(options.FusedActivationFunction(), output))


def _softmax(model: _Model, operator: Any, name: str) -> Layer:
    beta = _options(operator, tflite.SoftmaxOptions).Beta()
    multiplier, shift = prepare_softmax(beta, model.activation(operator.Inputs(0)).scale)
    return Layer(name=name, op="softmax", output=model.activation(operator.Outputs(0)), weights=np.zeros(0, np.int8),
                 bias=EMPTY, multiplier=np.array([multiplier], np.int32), shift=np.array([shift], np.int32))


def _requantize(model: _Model, operator: Any, name: str) -> Layer:
    output = model.activation(operator.Outputs(0))
    multiplier, shift = prepare_requantize(model.activation(operator.Inputs(0)).scale, output.scale)
    return Layer(name=name, op="requantize", output=output, weights=np.zeros(0, np.int8), bias=EMPTY,
                 multiplier=np.array([multiplier], np.int32), shift=np.array([shift], np.int32))


_LOWER: dict[str, Callable[[_Model, Any, str], Layer]] = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "FULLY_CONNECTED": _dense, "AVERAGE_POOL_2D": _average,
    "MAX_POOL_2D": _maximum, "ADD": _add, "SOFTMAX": _softmax, "QUANTIZE": _requantize}
