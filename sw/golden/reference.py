"""The slow, plain reference: one output at a time, on Python integers, from the definitions in ``hw.spec``."""

from collections.abc import Sequence

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, product
from hw.spec.requant import ADD_LEFT_SHIFT, doubling_high_multiply, requantize, rounding_shift
from sw.golden.kernels import OPERATORS
from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import POOLS

__all__ = ["multiply", "reference_layer", "run_reference"]


def multiply(act: int, weight: int, design: DesignPoint | None) -> int:
    """One product as ``design`` forms it; exact without a design."""
    if design is None:
        return act * weight
    return product(MULTIPLIERS[design.multiplier], act, weight, weight_bits=design.weight_bits)


def _taps(layer: Layer, data: np.ndarray, zero: int | None, y: int, x: int):
    """Yield (ky, kx, channels) of the window of output pixel (y, x); outside the input ``zero``, or no channels."""
    height, width, channels = data.shape
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            row = y * layer.stride[0] - layer.padding[0] + ky * layer.dilation[0]
            column = x * layer.stride[1] - layer.padding[1] + kx * layer.dilation[1]
            inside = 0 <= row < height and 0 <= column < width
            outside = [] if zero is None else [zero] * channels
            yield ky, kx, [int(value) for value in data[row, column]] if inside else outside


def _divide(total: int, count: int) -> int:
    """TFLite's average: the half is added away from zero, then C's division cuts towards zero."""
    return (total + count // 2) // count if total > 0 else -((-total + count // 2) // count)


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


def _pooled(layer: Layer, data: np.ndarray, y: int, x: int, channel: int) -> int:
    """Average or maximum of one window; padding has no part in it."""
    window = [acts[channel] for _, _, acts in _taps(layer, data, None, y, x) if acts]
    value = max(window) if layer.op == "maxpool" else _divide(sum(window), len(window))
    return min(max(value, layer.act_min), layer.act_max)


def _add(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray], place: tuple[int, ...]) -> int:
    """TFLite's ADD of one element."""
    scaled = [_scale(layer, operand, (int(values[place]) - kind.zero_point) << ADD_LEFT_SHIFT)
              for operand, (kind, values) in enumerate(zip(taken, data, strict=True))]
    return min(max(_scale(layer, 2, sum(scaled)) + layer.output.zero_point, layer.act_min), layer.act_max)


def _add_all(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray]) -> np.ndarray:
    result = np.zeros(layer.output.shape, np.int8)
    for place in np.ndindex(*layer.output.shape):
        result[place] = _add(layer, taken, data, place)
    return result


def _scale(layer: Layer, which: int, value: int) -> int:
    shift = int(layer.shift[which])
    return rounding_shift(doubling_high_multiply(value << max(0, -shift), int(layer.multiplier[which])), max(0, shift))


def reference_layer(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray],
                    design: DesignPoint | None = None) -> np.ndarray:
    """Output int8 ``layer.output.shape``; ``data`` has int8 ``(height, width, channels)`` for each ``taken`` tensor."""
    if layer.op == "dense":
        data = [data[0].reshape(1, 1, -1)]
        layer = Layer(**{**vars(layer), "op": "conv", "weights": layer.weights[:, None, None, :]})
    if layer.op in OPERATORS:
        return OPERATORS[layer.op].plain(layer, taken, data)
    if layer.op == "add":
        data = [np.broadcast_to(values, layer.output.shape) for values in data]
        return _add_all(layer, taken, data)
    result = np.zeros(layer.output.shape, np.int8)
    for y, x, channel in np.ndindex(*layer.output.shape):
        if layer.op in POOLS:
            result[y, x, channel] = _pooled(layer, data[0], y, x, channel)
        else:
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
