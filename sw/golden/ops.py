"""Integer operators over a batch, as matrix products; equal to ``sw.golden.reference`` in every bit."""

from collections.abc import Sequence

import numpy as np

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS
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
    """The requantizer's two roundings of int64 ``total``: by the multiplier, then by the shift.

    A negative shift goes to the left, before both, as in TFLite's ``MultiplyByQuantizedMultiplier``.
    """
    shift = shift.astype(np.int64)
    value = ((total << np.maximum(-shift, 0)) * multiplier.astype(np.int64) + (1 << 30)) >> 31
    shift = np.maximum(shift, 0)
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
    ky, kx = ky * layer.dilation[0], kx * layer.dilation[1]
    return data[:, ky:ky + (height - 1) * stride_y + 1:stride_y, kx:kx + (width - 1) * stride_x + 1:stride_x]


def _conv(layer: Layer, data: np.ndarray, dropped: int) -> np.ndarray:
    kernel_y, kernel_x = layer.kernel
    columns = [_tap(layer, data, ky, kx) for ky in range(kernel_y) for kx in range(kernel_x)]
    weights, inputs = layer.weights, layer.weights.shape[-1]
    groups = data.shape[-1] // inputs
    found = []
    for group, outputs in enumerate(np.split(weights, groups)):
        part = slice(group * inputs, (group + 1) * inputs)
        acts = np.concatenate([column[..., part] for column in columns], axis=-1)
        found.append(matmul(acts, outputs.reshape(len(outputs), -1).T, dropped))
    return np.concatenate(found, axis=-1)


def _depthwise(layer: Layer, data: np.ndarray, weights: np.ndarray, dropped: int) -> np.ndarray:
    total = np.zeros((len(data), *layer.output.shape[:2], data.shape[-1]), np.int32)
    for ky, kx in np.ndindex(*layer.kernel):
        total += _elementwise(_tap(layer, data, ky, kx), weights[ky, kx], dropped)
    return total.astype(np.int64)


def _maximum(layer: Layer, data: np.ndarray) -> np.ndarray:
    padded = _padded(layer, data, -128)     # never above a value, and no window is all padding
    return np.maximum.reduce([_tap(layer, padded, ky, kx) for ky, kx in np.ndindex(*layer.kernel)]).astype(np.int64)


def accumulate(layer: Layer, taken: TensorType, data: np.ndarray, design: DesignPoint | None = None) -> np.ndarray:
    """What the array gathers for each output, before bias and zero points: int64 ``(N, *layer.output.shape)``.

    Sums of products, an average pooling's sums or a max pooling's maxima; other operators have none of them.
    """
    dropped = _dropped(design)
    if layer.op == "avgpool":
        return _depthwise(layer, _padded(layer, data, 0), np.ones((*layer.kernel, data.shape[-1]), np.int8), dropped=0)
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
    """Output ``(N, *layer.output.shape)``; ``data`` has ``(N, *shape)`` for each of ``taken``, in their dtypes."""
    if layer.op in OPERATORS:
        return OPERATORS[layer.op].batch(layer, taken, data)
    acc = accumulate(layer, taken[0], data[0], design)
    weights = layer.weights.astype(np.int64)
    sums = weights.sum(axis=(0, 1)) if layer.op == "depthwise" else weights.reshape(len(weights), -1).sum(axis=1)
    return requantize(acc, bias=layer.bias - taken[0].zero_point * sums, multiplier=layer.multiplier,
                      shift=layer.shift, zero=layer.output.zero_point, low=layer.act_min, high=layer.act_max)


def run(graph: Graph, inputs: np.ndarray | Sequence[np.ndarray], design: DesignPoint | None = None) -> list[np.ndarray]:
    """Every tensor of every inference, by its number, ``(N, *shape)`` each.

    Parameters
    ----------
    inputs : np.ndarray
        int8 ``(N, *shape)`` of the graph's input; of several inputs a sequence, each of its own dtype. Where the graph
        has states the N inferences follow each other, from the initial state on.
    design : DesignPoint | None
        Whose multiplier forms the products of conv, depthwise and dense (``design.weight_bits`` decides what a
        truncated one leaves out); exact without one. Everything else is always exact.

    Raises
    ------
    GraphError
        If the inputs are not what the graph takes.
    """
    given = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
    _check_inputs(graph, given)
    count = len(given[0])
    tensors = [*given, *(np.empty((count, *kind.shape), kind.dtype) for kind in graph.types()[len(given):])]
    for number in range(len(given), graph.first):
        if (constant := graph.constant_of(number)) is not None:
            tensors[number][:] = constant.values
    values = [state.initial for state in graph.states]
    size = 1 if graph.states else BATCH
    for start in range(0, count, size):
        part = slice(start, start + size)
        for number, value in enumerate(values, len(given)):
            tensors[number][part] = value
        _run_layers(graph, tensors, part, design)
        values = [tensors[state.next][start].reshape(state.type.shape) for state in graph.states]
    return tensors


def _run_layers(graph: Graph, tensors: Sequence[np.ndarray], part: slice, design: DesignPoint | None) -> None:
    for index, layer in enumerate(graph.layers):
        taken = graph.taken(index)
        data = [tensors[number][part].reshape(-1, *kind.shape)
                for number, kind in zip(graph.inputs_of(index), taken, strict=True)]
        result = run_layer(layer, taken, data, design)
        tensors[graph.first + index][part] = result.reshape(-1, *layer.output.shape)


def _check_inputs(graph: Graph, given: Sequence[np.ndarray]) -> None:
    if len(given) != len(graph.inputs):
        raise GraphError(f"{graph.name}: {len(given)} inputs given; it takes {len(graph.inputs)}")
    for values, kind in zip(given, graph.inputs, strict=True):
        if values.dtype != kind.dtype or values.shape[1:] != kind.shape or len(values) != len(given[0]):
            raise GraphError(f"{graph.name}: inputs are {values.dtype}{values.shape}; "
                             f"it takes {kind.dtype} (N, {', '.join(map(str, kind.shape))})")
        if kind.bits < 8 and values.size and not kind.low <= values.min() <= values.max() <= kind.high:
            raise GraphError(f"{graph.name}: inputs reach from {values.min()} to {values.max()}; it takes {kind.bits} "
                             f"bits, {kind.low} to {kind.high}")
