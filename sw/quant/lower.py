"""From the trained network to the integer graph, in TFLite's scheme."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sw.golden import fixed
from sw.graph.graph import Graph, Layer, TensorType
from sw.quant.config import QuantError
from sw.quant.fake import fake_integers
from sw.quant.network import QuantLayer, QuantNetwork

__all__ = ["lower", "quantize_multiplier"]

LAYOUT = {"conv": (0, 2, 3, 1), "depthwise": (1, 2, 3, 0), "dense": (0, 1)}   # of the weights, from torch's


def quantize_multiplier(value: float, where: str) -> tuple[int, int]:
    """Multiplier and right shift of a factor, as ``sw.golden.fixed`` has them.

    Raises
    ------
    QuantError
        If ``value`` is not below 1: the requantizer only shifts right.

    >>> quantize_multiplier(0.375, "layer")
    (1610612736, 1)
    """
    multiplier, shift = (0, -1) if value < 0 else fixed.quantize_multiplier(value)
    if shift < 0:
        raise QuantError(f"{where}: multiplier {value:g} is not between 0 and 1, and the requantizer only shifts "
                         f"right; widen the layer's output range in training")
    return multiplier, shift


def _bias(offset: np.ndarray, scale: np.ndarray, where: str) -> np.ndarray:
    bias = np.round(offset / scale)
    if np.abs(bias).max() >= 1 << 31:
        raise QuantError(f"{where}: bias {offset[np.abs(bias).argmax()]:g} does not fit 32 bits at its scale; "
                         f"train with another seed or a lower learning rate")
    return bias.astype(np.int32)


def _float64(value: Tensor) -> np.ndarray:
    return value.detach().numpy().astype(np.float64)


def _single(kind: TensorType) -> TensorType:
    """With a scale of 32 bits, as files of other tools hold it."""
    return replace(kind, scale=float(np.float32(kind.scale)))


def _weighted(layer: QuantLayer, name: str, taken: TensorType, scale: float) -> Layer:
    """``scale`` is the input's in the measure of the training.

    Normalization goes into multiplier and bias; where it is negative, the weights change sign instead. The weights of
    a channel have a scale of 32 bits and the multiplier follows from scales as TFLite has it, so that a file that
    holds the scales alone says the same.
    """
    gain = _float64(layer.gain(scale))
    sign = torch.from_numpy(np.where(gain < 0, -1.0, 1.0)).float().reshape(-1, *[1] * (layer.weight.dim() - 1))
    integers = fake_integers(layer.weight.detach(), layer.scales(), layer.bits).round() * sign
    weights = np.ascontiguousarray(integers.permute(LAYOUT[layer.spec.op]).numpy().astype(np.int8))
    if layer.spec.op == "depthwise":
        weights = weights[0]
    steps = (scale * np.abs(gain) / taken.scale).astype(np.float32)     # of the weights
    real = taken.scale * steps.astype(np.float64)                        # of the accumulator
    output = _single(TensorType(shape=layer.output, scale=layer.range.scale, zero_point=layer.range.zero_point))
    quantized = [quantize_multiplier(value, f"layer {name}") for value in (real / output.scale).tolist()]
    padded = layer.spec.op != "dense"
    return Layer(
        name=name, op=layer.spec.op, output=output, weights=weights,
        bias=_bias(_float64(layer.offset(scale)), np.maximum(real, np.finfo(float).tiny), f"layer {name}"),
        multiplier=np.array([mantissa for mantissa, _ in quantized], np.int32),
        shift=np.array([shift for _, shift in quantized], np.int32), weight_bits=layer.bits,
        stride=layer.spec.stride if padded else (1, 1), padding=layer.padding,
        act_min=output.zero_point if layer.spec.relu else -128)


def _pool(layer: QuantLayer, name: str, taken: TensorType) -> Layer:
    output = TensorType(shape=layer.output, scale=taken.scale, zero_point=taken.zero_point)
    nothing = np.zeros(0, np.int32)
    return Layer(name=name, op="avgpool", output=output, weights=np.zeros((*layer.kernel, 0), np.int8), bias=nothing,
                 multiplier=nothing, shift=nothing, weight_bits=layer.bits, stride=layer.kernel)


def lower(network: QuantNetwork, name: str) -> Graph:
    """The integer graph that computes what ``network`` does in evaluation mode, up to the rounding of the last bit.

    Raises
    ------
    QuantError
        If a layer's numbers do not fit the requantizer; the message names the layer.
    """
    layers: list[Layer] = []
    source, scale = _single(network.input), network.unit.scale
    for index, layer in enumerate(network.layers):
        taken, label = layers[-1].output if layers else source, f"{layer.spec.op}{index}"
        if layer.weighted:
            layers.append(_weighted(layer, label, taken, scale))
            scale = layers[-1].output.scale
        else:      # what is pooled before any weight still has the input's scale, in either measure
            layers.append(_pool(layer, label, taken))
    return Graph(name=name, inputs=(source,), layers=tuple(layers)).check()
