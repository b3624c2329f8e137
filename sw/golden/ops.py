"""Integer operators over a batch, as matrix products; equal to ``sw.golden.reference`` in every bit."""

from collections.abc import Sequence

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
from hw.spec.requant import ADD_LEFT_SHIFT
from sw.golden.kernels import OPERATORS
from sw.graph.graph import Graph, GraphError, Layer, TensorType
from sw.graph.layer import WEIGHTED

__all__ = ["accumulate", "matmul", "requantize", "run", "run_layer"]

BATCH = 256            # inputs at a time, so that the unfolded windows stay small
FLOAT32_TERMS = 1024   # products of two int8 are at most 2**14: so many sum to at most 2**24, exact in float32


def _dropped(design: DesignPoint | None) -> int:
    return 0 if design is None else MULTIPLIERS[design.multiplier].dropped_columns(design.weight_bits)


def matmul(acts: np.ndarray, weights: np.ndarray, dropped: int = 0) -> np.ndarray:
    """Sums of products ``acts @ weights`` with the low ``dropped`` columns of each product left out.

    ``acts`` int8 ``(..., K)``, ``weights`` int8 ``(K, C)``; returns int64 ``(..., C)``. A truncated product is
    ``a*w - sum(bit_i(a) * 2**i * (w mod 2**(dropped-i)))``, so each left-out bit of the activation is one more
    matrix product. They run in floating point, which is exact here.
    """
    kind = np.float32 if weights.shape[0] <= FLOAT32_TERMS else np.float64
    total = (acts.astype(kind) @ weights.astype(kind)).astype(np.int64)
    for bit in range(dropped):
        plane = (acts >> bit & 1).astype(kind)
        low = weights.astype(np.int64) & (1 << dropped - bit) - 1
        total -= (plane @ low.astype(kind)).astype(np.int64) << bit
    return total


def _elementwise(acts: np.ndarray, weights: np.ndarray, dropped: int) -> np.ndarray:
    """Products ``acts * weights`` as int32, channel by channel; ``weights`` has one entry per channel."""
    acts, weights = acts.astype(np.int32), weights.astype(np.int32)
    total = acts * weights
    for bit in range(dropped):
        total -= (acts >> bit & 1) * ((weights & (1 << dropped - bit) - 1) << bit)
    return total


def requantize(acc: np.ndarray, *, bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray,
               zero: int, low: int, high: int) -> np.ndarray:
    """``hw.spec.requant.requantize`` over int64 ``(..., C)`` with per-channel parameters; returns int8."""
    total = (acc + bias.astype(np.int64) + (1 << 31)) % (1 << 32) - (1 << 31)
    return np.clip(scaled(total, multiplier, shift) + zero, low, high).astype(np.int8)


def scaled(total: np.ndarray, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The requantizer's two roundings of int64 ``total``: by the multiplier, then by the shift."""
    value = (total * multiplier.astype(np.int64) + (1 << 30)) >> 31
    shift = shift.astype(np.int64)
    mask = (np.int64(1) << shift) - 1
    return (value >> shift) + ((value & mask) > (mask >> 1) + (value < 0))


def _padded(layer: Layer, data: np.ndarray, zero: int) -> np.ndarray:
    top, left, bottom, right = layer.padding
    if not any(layer.padding):
        return data
    return np.pad(data, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=zero)


def _tap(layer: Layer, data: np.ndarray, ky: int, kx: int) -> np.ndarray:
    """What tap (ky, kx) sees for every output pixel: ``(N, out_height, out_width, C)``, a view of ``data``."""
    (stride_y, stride_x), (height, width, _) = layer.stride, layer.output.shape
    return data[:, ky:ky + (height - 1) * stride_y + 1:stride_y, kx:kx + (width - 1) * stride_x + 1:stride_x]


def _conv(layer: Layer, data: np.ndarray, dropped: int) -> np.ndarray:
    kernel_y, kernel_x = layer.kernel
    columns = [_tap(layer, data, ky, kx) for ky in range(kernel_y) for kx in range(kernel_x)]
    acts = np.concatenate(columns, axis=-1) if len(columns) > 1 else columns[0]
    return matmul(acts, layer.weights.reshape(layer.weights.shape[0], -1).T, dropped)


def _depthwise(layer: Layer, data: np.ndarray, weights: np.ndarray, dropped: int) -> np.ndarray:
    total = np.zeros((len(data), *layer.output.shape), np.int32)
    for ky, kx in np.ndindex(*layer.kernel):
        total += _elementwise(_tap(layer, data, ky, kx), weights[ky, kx], dropped)
    return total.astype(np.int64)


def _average(layer: Layer, total: np.ndarray) -> np.ndarray:
    count = layer.kernel[0] * layer.kernel[1]
    rounded = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return np.clip(rounded, layer.act_min, layer.act_max).astype(np.int8)


def _maximum(layer: Layer, data: np.ndarray) -> np.ndarray:
    padded = _padded(layer, data, -128)     # never above a value, and no window is all padding
    return np.maximum.reduce([_tap(layer, padded, ky, kx) for ky, kx in np.ndindex(*layer.kernel)]).astype(np.int64)


def _add(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray]) -> np.ndarray:
    """TFLite's ADD: both operands raised and scaled, each with the requantizer's roundings, then their sum."""
    total = sum(scaled((values.astype(np.int64) - kind.zero_point) << ADD_LEFT_SHIFT, multiplier, shift)
                for kind, values, multiplier, shift in zip(taken, data, layer.multiplier, layer.shift, strict=False))
    return np.clip(scaled(np.asarray(total), layer.multiplier[2], layer.shift[2]) + layer.output.zero_point,
                   layer.act_min, layer.act_max).astype(np.int8)


def accumulate(layer: Layer, taken: TensorType, data: np.ndarray, design: DesignPoint | None = None) -> np.ndarray:
    """What the array gathers for each output, before bias and zero points: int64 ``(N, *layer.output.shape)``.

    Sums of products, an average pooling's sums or a max pooling's maxima; other operators have none of them.
    """
    dropped = _dropped(design)
    if layer.op == "avgpool":
        return _depthwise(layer, data, np.ones((*layer.kernel, data.shape[-1]), np.int8), dropped=0)
    if layer.op == "maxpool":
        return _maximum(layer, data)
    if layer.op == "dense":
        return matmul(data.reshape(len(data), 1, 1, -1), layer.weights.T, dropped)
    if layer.op not in WEIGHTED:
        raise GraphError(f"{layer.name} ({layer.op}): has no accumulators; ask for those of {', '.join(WEIGHTED)} or "
                         f"a pool")
    padded = _padded(layer, data, taken.zero_point)
    if layer.op == "depthwise":
        several = layer.output.shape[2] // taken.shape[2]
        return _depthwise(layer, padded if several == 1 else padded.repeat(several, axis=-1), layer.weights, dropped)
    return _conv(layer, padded, dropped)


def run_layer(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray],
              design: DesignPoint | None = None) -> np.ndarray:
    """Output int8 ``(N, *layer.output.shape)``; ``data`` has int8 ``(N, *shape)`` for each of ``taken``."""
    if layer.op == "add":
        return _add(layer, taken, data)
    if layer.op in OPERATORS:
        return OPERATORS[layer.op].batch(layer, taken, data)
    acc = accumulate(layer, taken[0], data[0], design)
    if layer.op == "avgpool":
        return _average(layer, acc)
    if layer.op == "maxpool":
        return np.clip(acc, layer.act_min, layer.act_max).astype(np.int8)
    weights = layer.weights.astype(np.int64)
    sums = weights.sum(axis=(0, 1)) if layer.op == "depthwise" else weights.reshape(len(weights), -1).sum(axis=1)
    return requantize(acc, bias=layer.bias - taken[0].zero_point * sums, multiplier=layer.multiplier,
                      shift=layer.shift, zero=layer.output.zero_point, low=layer.act_min, high=layer.act_max)


def run(graph: Graph, inputs: np.ndarray, design: DesignPoint | None = None) -> list[np.ndarray]:
    """Every tensor of every inference: the inputs, then each layer's output, int8 ``(N, *shape)``.

    Parameters
    ----------
    inputs : np.ndarray
        int8 ``(N, height, width, channels)``.
    design : DesignPoint | None
        Whose multiplier forms the products of conv, depthwise and dense (``design.weight_bits`` decides what a
        truncated one leaves out); exact without one. Everything else is always exact.

    Raises
    ------
    GraphError
        If the inputs are not what the graph takes.
    """
    if inputs.dtype != np.int8 or inputs.shape[1:] != graph.input.shape:
        raise GraphError(f"{graph.name}: inputs are {inputs.dtype}{inputs.shape}; "
                         f"it takes int8 (N, {', '.join(map(str, graph.input.shape))})")
    kind = graph.input
    if kind.bits < 8 and inputs.size and not kind.low <= inputs.min() <= inputs.max() <= kind.high:
        raise GraphError(f"{graph.name}: inputs reach from {inputs.min()} to {inputs.max()}; it takes {kind.bits} "
                         f"bits, {kind.low} to {kind.high}")
    tensors = [inputs, *(np.empty((len(inputs), *layer.output.shape), np.int8) for layer in graph.layers)]
    taken = [graph.taken(index) for index in range(len(graph.layers))]
    for start in range(0, len(inputs), BATCH):
        part = slice(start, start + BATCH)
        for index, layer in enumerate(graph.layers):
            data = [tensors[number][part] for number in graph.inputs_of(index)]
            tensors[index + 1][part] = run_layer(layer, taken[index], data, design)
    return tensors
