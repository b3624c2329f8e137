"""The slow, plain reference: one output at a time, on Python integers, from the definitions in ``hw.spec``."""

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, product
from hw.spec.requant import requantize
from sw.graph.graph import Graph, Layer, TensorType

__all__ = ["multiply", "reference_layer", "run_reference"]


def multiply(act: int, weight: int, design: DesignPoint | None) -> int:
    """One product as ``design`` forms it; exact without a design."""
    if design is None:
        return act * weight
    return product(MULTIPLIERS[design.multiplier], act, weight, weight_bits=design.weight_bits)


def _taps(layer: Layer, data: np.ndarray, zero: int, y: int, x: int):
    """Yield (ky, kx, channels) of the window of output pixel (y, x); outside the input, its zero point."""
    height, width, channels = data.shape
    for ky in range(layer.kernel[0]):
        for kx in range(layer.kernel[1]):
            row = y * layer.stride[0] - layer.padding[0] + ky
            column = x * layer.stride[1] - layer.padding[1] + kx
            inside = 0 <= row < height and 0 <= column < width
            yield ky, kx, [int(value) for value in data[row, column]] if inside else [zero] * channels


def _divide(total: int, count: int) -> int:
    """TFLite's average: the half is added away from zero, then C's division cuts towards zero."""
    return (total + count // 2) // count if total > 0 else -((-total + count // 2) // count)


def _accumulate(layer: Layer, taps: list, channel: int, design: DesignPoint | None) -> tuple[int, int]:
    """Sum of products of one output, and the sum of its weights."""
    pairs: list[tuple[int, int]] = []
    for ky, kx, acts in taps:
        if layer.op == "conv":
            pairs += zip(acts, layer.weights[channel, ky, kx].tolist(), strict=True)
        else:
            pairs.append((acts[channel], 1 if layer.op == "avgpool" else int(layer.weights[ky, kx, channel])))
    if layer.op == "avgpool":
        design = None   # every multiplier kind averages exactly
    return sum(multiply(act, weight, design) for act, weight in pairs), sum(weight for _, weight in pairs)


def reference_layer(layer: Layer, taken: TensorType, data: np.ndarray, design: DesignPoint | None = None) -> np.ndarray:
    """Output int8 ``layer.output.shape`` for one input int8 ``taken.shape``."""
    if layer.op == "dense":
        data = data.reshape(1, 1, -1)
        layer = Layer(**{**vars(layer), "op": "conv", "weights": layer.weights[:, None, None, :]})
    result = np.zeros(layer.output.shape, np.int8)
    for y, x, channel in np.ndindex(*layer.output.shape):
        taps = list(_taps(layer, data, taken.zero_point, y, x))
        total, weights = _accumulate(layer, taps, channel, design)
        if layer.op == "avgpool":
            result[y, x, channel] = min(max(_divide(total, len(taps)), layer.act_min), layer.act_max)
        else:
            result[y, x, channel] = requantize(
                total, bias=int(layer.bias[channel]) - taken.zero_point * weights,
                multiplier=int(layer.multiplier[channel]), shift=int(layer.shift[channel]),
                zero=layer.output.zero_point, low=layer.act_min, high=layer.act_max)
    return result


def run_reference(graph: Graph, data: np.ndarray, design: DesignPoint | None = None) -> list[np.ndarray]:
    """All tensors of one inference: the input, then each layer's output."""
    tensors = [data]
    for layer, taken in zip(graph.layers, graph.types()[:-1], strict=True):
        tensors.append(reference_layer(layer, taken, tensors[-1], design))
    return tensors
