"""What the array gathers for each output and what the drain makes of it, over a batch, as matrix products."""

import numpy as np

from hw.spec.design import DesignPoint
from sw.golden.fixed import scaled
from sw.golden.products import EXACT, Products, products_of
from sw.graph.layer import WEIGHTED, GraphError, Layer, TensorType

__all__ = ["accumulate", "gather", "requantize"]


def requantize(acc: np.ndarray, *, bias: np.ndarray, multiplier: np.ndarray, shift: np.ndarray,
               zero: int, low: int, high: int) -> np.ndarray:
    """``hw.spec.requant.requantize`` over int64 ``(..., C)`` with per-channel parameters; returns int8.

    A negative shift goes to the left, see ``sw.golden.fixed.scaled``.
    """
    total = (acc + bias.astype(np.int64) + (1 << 31)) % (1 << 32) - (1 << 31)
    return np.clip(scaled(total, multiplier, shift) + zero, low, high).astype(np.int8)


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


def _conv(layer: Layer, data: np.ndarray, products: Products) -> np.ndarray:
    kernel_y, kernel_x = layer.kernel
    columns = [_tap(layer, data, ky, kx) for ky in range(kernel_y) for kx in range(kernel_x)]
    weights, inputs = layer.weights, layer.weights.shape[-1]
    groups = data.shape[-1] // inputs
    found = []
    for group, outputs in enumerate(np.split(weights, groups)):
        part = slice(group * inputs, (group + 1) * inputs)
        acts = np.concatenate([column[..., part] for column in columns], axis=-1)
        found.append(products.matmul(acts, outputs.reshape(len(outputs), -1).T))
    return np.concatenate(found, axis=-1)


def _depthwise(layer: Layer, data: np.ndarray, weights: np.ndarray, products: Products) -> np.ndarray:
    total = np.zeros((len(data), *layer.output.shape[:2], data.shape[-1]), np.int32)
    for ky, kx in np.ndindex(*layer.kernel):
        total += products.elementwise(_tap(layer, data, ky, kx), weights[ky, kx])
    return total.astype(np.int64)


def _maximum(layer: Layer, data: np.ndarray) -> np.ndarray:
    padded = _padded(layer, data, -128)     # never above a value, and no window is all padding
    return np.maximum.reduce([_tap(layer, padded, ky, kx) for ky, kx in np.ndindex(*layer.kernel)]).astype(np.int64)


def accumulate(layer: Layer, taken: TensorType, data: np.ndarray, design: DesignPoint | None = None) -> np.ndarray:
    """What the array gathers for each output, before bias and zero points: int64 ``(N, *layer.output.shape)``.

    Sums of products, an average pooling's sums or a max pooling's maxima; other operators have none of them.
    """
    return gather(layer, taken, data, products_of(design))


def gather(layer: Layer, taken: TensorType, data: np.ndarray, products: Products) -> np.ndarray:
    """:func:`accumulate` with any products."""
    if layer.op == "avgpool":
        return _depthwise(layer, _padded(layer, data, 0), np.ones((*layer.kernel, data.shape[-1]), np.int8), EXACT)
    if layer.op == "maxpool":
        return _maximum(layer, data)
    if layer.op == "dense":
        return products.matmul(data.reshape(len(data), 1, 1, -1), layer.weights.T)
    if layer.op not in WEIGHTED:
        raise GraphError(f"{layer.name} ({layer.op}): has no accumulators; ask for those of {', '.join(WEIGHTED)} or "
                         f"a pool")
    padded = _padded(layer, data, taken.zero_point)
    if layer.op == "depthwise":
        several = layer.output.shape[2] // taken.shape[2]
        return _depthwise(layer, padded if several == 1 else padded.repeat(several, axis=-1), layer.weights, products)
    return _conv(layer, padded, products)
