"""The slow, plain reference: one output at a time, on Python integers, from the definitions in ``hw.spec``."""

from collections.abc import Sequence

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, product
from hw.spec.requant import requantize
from sw.golden.kernels import OPERATORS
from sw.graph.graph import Graph, Layer, TensorType

__all__ = ["multiply", "reference_layer", "run_reference"]


def multiply(act: int, weight: int, design: DesignPoint | None) -> int:
    """One product as ``design`` forms it; exact without a design."""
    if design is None:
        return act * weight
    return product(MULTIPLIERS[design.multiplier], act, weight, weight_bits=design.weight_bits)


def _taps(layer: Layer, data: np.ndarray, zero: int, y: int, x: int):
    """Yield (ky, kx, channels) of the window of output pixel (y, x); outside the input ``zero``."""
    height, width, channels = data.shape
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            row = y * layer.stride[0] - layer.padding[0] + ky * layer.dilation[0]
            column = x * layer.stride[1] - layer.padding[1] + kx * layer.dilation[1]
            inside = 0 <= row < height and 0 <= column < width
            yield ky, kx, [int(value) for value in data[row, column]] if inside else [zero] * channels


def _accumulate(layer: Layer, taps: list, channel: int, design: DesignPoint | None) -> tuple[int, int]:
    """Sum of products of one output, and the sum of its weights."""
    pairs: list[tuple[int, int]] = []
    for ky, kx, acts in taps:
        if layer.op == "conv":
            inputs, outputs = layer.weights.shape[-1], len(layer.weights)
            first = channel * (len(acts) // inputs) // outputs * inputs      # of the channel's group
            pairs += zip(acts[first:first + inputs], layer.weights[channel, ky, kx].tolist(), strict=True)
        else:
            source = channel * len(acts) // layer.output.shape[2]
            pairs.append((acts[source], int(layer.weights[ky, kx, channel])))
    return sum(multiply(act, weight, design) for act, weight in pairs), sum(weight for _, weight in pairs)


def reference_layer(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray],
                    design: DesignPoint | None = None) -> np.ndarray:
    """Output int8 ``layer.output.shape``; ``data`` has int8 ``(height, width, channels)`` for each ``taken`` tensor."""
    if layer.op == "dense":
        data = [data[0].reshape(1, 1, -1)]
        layer = Layer(**{**vars(layer), "op": "conv", "weights": layer.weights[:, None, None, :]})
    if layer.op in OPERATORS:
        return OPERATORS[layer.op].plain(layer, taken, data)
    result = np.zeros(layer.output.shape, np.int8)
    for y, x, channel in np.ndindex(*layer.output.shape):
        zero = taken[0].zero_point
        total, weights = _accumulate(layer, list(_taps(layer, data[0], zero, y, x)), channel, design)
        shift = int(layer.shift[channel])
        total = total + int(layer.bias[channel]) - zero * weights << max(0, -shift)
        result[y, x, channel] = requantize(
            total, bias=0, multiplier=int(layer.multiplier[channel]), shift=max(0, shift),
            zero=layer.output.zero_point, low=layer.act_min, high=layer.act_max)
    return result


def run_reference(graph: Graph, *data: np.ndarray, design: DesignPoint | None = None) -> list[np.ndarray]:
    """All tensors of one inference from the initial state, by their numbers; ``data`` are its inputs."""
    tensors = [*data, *(state.initial for state in graph.states), *(constant.values for constant in graph.constants)]
    for index, layer in enumerate(graph.layers):
        taken = graph.taken(index)
        read = [tensors[number].reshape(kind.shape)
                for number, kind in zip(graph.inputs_of(index), taken, strict=True)]
        tensors.append(reference_layer(layer, taken, read, design).reshape(layer.output.shape))
    return tensors
