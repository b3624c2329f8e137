"""TFLite flatbuffers (int8) to the integer graph.

A chain of convolutions, depthwise convolutions, dense layers and average pools, as in the MLPerf Tiny models; a
reshape is free, and a softmax at the end is left to the CPU. Anything else is an error that names the operator.
"""

from collections.abc import Callable
from math import frexp
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from sw.graph.graph import Graph, GraphError, Layer, TensorType

__all__ = ["load_tflite", "quantize_multiplier"]

SAME, RELU, RELU6, NONE = 0, 1, 3, 0     # tflite.Padding.SAME, tflite.ActivationFunctionType.*


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
            if data[4:8] != b"TFL3":
                raise GraphError(f"{path}: not a TFLite file; give a .tflite flatbuffer")
            self.model = tflite.Model.GetRootAsModel(data, 0)
        except OSError as error:
            raise GraphError(f"{path}: cannot be read ({error.strerror}); give a .tflite file") from error
        self.graph = self.model.Subgraphs(0)

    def name(self, operator: Any) -> str:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        return tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))

    def activation(self, index: int) -> TensorType:
        """Shape without the batch, padded with ones in front of a flat tensor's channels."""
        tensor = self.graph.Tensors(index)
        if tensor.Type() != tflite.TensorType.INT8:
            raise GraphError(f"tensor {index}: is not int8; quantize the model to int8")
        height, width, channels = [1, 1, *(int(n) for n in tensor.ShapeAsNumpy()[1:])][-3:]
        scale, zero = self.quantization(index)
        return TensorType(shape=(height, width, channels), scale=float(scale[0]), zero_point=int(zero[0]))

    def quantization(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        quantization = self.graph.Tensors(index).Quantization()
        return np.asarray(quantization.ScaleAsNumpy()), np.asarray(quantization.ZeroPointAsNumpy())

    def array(self, index: int, kind: type[np.generic]) -> np.ndarray:
        tensor = self.graph.Tensors(index)
        return np.frombuffer(self.model.Buffers(tensor.Buffer()).DataAsNumpy(), kind).reshape(tensor.ShapeAsNumpy())


def load_tflite(path: Path) -> Graph:
    """Raises GraphError where the file is no int8 model of the operators above."""
    model, layers = _Model(path), []
    graph = model.graph
    current, softmax = graph.Inputs(0), False
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        name, inputs = model.name(operator), operator.InputsAsNumpy()
        where = f"{path.name}: operator {index} {name}"
        if inputs[0] != current or softmax:
            raise GraphError(f"{where}: does not follow the operator before; Heddle runs chains")
        if name == "SOFTMAX":
            softmax = True
        elif name in _LOWER:
            try:
                layers.append(_LOWER[name](model, operator, f"{name.lower()}{index}"))
            except GraphError as error:
                raise GraphError(f"{where}: {error}") from error
        elif name != "RESHAPE":
            raise GraphError(f"{where}: not supported; Heddle loads {', '.join(_LOWER)}, RESHAPE and a last SOFTMAX")
        current = operator.Outputs(0)
    return Graph(name=path.stem, input=model.activation(graph.Inputs(0)), layers=tuple(layers)).check()


def _options(operator: Any, kind: type) -> Any:
    table, options = operator.BuiltinOptions(), kind()
    options.Init(table.Bytes, table.Pos)
    return options


def _clamp(activation: int, output: TensorType) -> dict[str, Any]:
    if activation == NONE:
        return {"act_min": -128, "act_max": 127}
    if activation not in (RELU, RELU6):
        raise GraphError(f"fused activation {activation} is not supported; use none, RELU or RELU6")
    high = 127 if activation == RELU else min(127, output.zero_point + round(6 / output.scale))
    return {"act_min": max(-128, output.zero_point), "act_max": high}


def _weighted(model: _Model, operator: Any, weights: np.ndarray) -> dict[str, Any]:
    """Weights, bias and requantization of a convolution, depthwise convolution or dense layer."""
    source, weight_index, bias_index = operator.InputsAsNumpy()[:3]
    output = model.activation(operator.Outputs(0))
    outputs = output.shape[2]
    scale, zero = model.quantization(weight_index)
    if np.any(zero != 0):
        raise GraphError("weights with a zero point are not supported; quantize them symmetrically")
    multiplier, shift = quantize_multiplier(np.broadcast_to(
        np.float64(model.activation(source).scale) * scale.astype(np.float64) / np.float64(output.scale), (outputs,)))
    return {"output": output, "weights": weights, "bias": model.array(bias_index, np.int32).copy(),
            "multiplier": multiplier, "shift": shift}


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
    if options.DepthMultiplier() != 1 or (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
        raise GraphError("a depth multiplier or dilation above 1 is not supported; use 1")
    fields = _weighted(model, operator, model.array(operator.Inputs(1), np.int8)[0])
    return Layer(name=name, op="depthwise", **fields, **_clamp(options.FusedActivationFunction(), fields["output"]),
                 **_window(model, operator, options, fields["weights"].shape[:2]))


def _dense(model: _Model, operator: Any, name: str) -> Layer:
    options = _options(operator, tflite.FullyConnectedOptions)
    fields = _weighted(model, operator, model.array(operator.Inputs(1), np.int8))
    return Layer(name=name, op="dense", **fields, **_clamp(options.FusedActivationFunction(), fields["output"]))


def _average(model: _Model, operator: Any, name: str) -> Layer:
    options = _options(operator, tflite.Pool2DOptions)
    kernel = (options.FilterHeight(), options.FilterWidth())
    output, none = model.activation(operator.Outputs(0)), np.zeros(0, np.int32)
    return Layer(name=name, op="avgpool", output=output, weights=np.zeros((*kernel, 0), np.int8), bias=none,
                 multiplier=none, shift=none, **_clamp(options.FusedActivationFunction(), output),
                 **_window(model, operator, options, kernel))


_LOWER: dict[str, Callable[[_Model, Any, str], Layer]] = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "FULLY_CONNECTED": _dense, "AVERAGE_POOL_2D": _average}
