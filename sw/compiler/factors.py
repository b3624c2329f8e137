"""Layers whose output factor is 1 or more, as layers whose factor is less: the requantizers of an engine shift right.

Where the runtime shifts a sum left by ``n`` bits before it multiplies, the same sum is made of weights and bias times
``2**n``. Weights that leave their bits by it are split into several that do not, each on a copy of the input: their
products add up to the same. Where more than ``MOST_COPIES`` would be needed, the sum itself becomes the output (twice
the weights, half as much), and a depthwise layer of one tap behind it multiplies by ``2**n`` in its weights: what the
first one cuts is cut behind the second in any case, as its factor is 1 or more and the zero point the same.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import WEIGHTED

__all__ = ["MOST_COPIES", "lower_factors"]

MOST_COPIES = 2
HALF = 1 << 30             # as a multiplier
LARGEST = (1 << 31) - 1
EMPTY = np.zeros(0, np.int32)


def lower_factors(graph: Graph, *, weight_bits: int = 8) -> Graph:
    """A graph of the same answers for every input, whose layers with weights shift right alone where they can.

    Weights stay within their layer's bits, those of a depthwise layer behind it within ``weight_bits``, the design's.
    """
    numbers = list(range(graph.first))        # of the tensors in the new graph, by the old ones
    layers: list[Layer] = []
    for index, layer in enumerate(graph.layers):
        inputs = tuple(numbers[number] for number in graph.inputs_of(index))
        for made in _lowered(layer, graph.taken(index), weight_bits) or [layer]:
            layers.append(replace(made, inputs=inputs))
            inputs = (graph.first + len(layers) - 1,)
        numbers.append(graph.first + len(layers) - 1)
    if len(layers) == len(graph.layers) and all(new.weights is old.weights for new, old in zip(
            layers, graph.layers, strict=True)):
        return graph
    return replace(graph, layers=tuple(layers), outputs=tuple(numbers[number] for number in graph.outputs),
                   states=tuple(replace(state, next=numbers[state.next]) for state in graph.states))


def _lowered(layer: Layer, taken: Sequence[TensorType], weight_bits: int) -> list[Layer] | None:
    """The layers in place of one, in a chain; None where it stays."""
    if layer.op not in WEIGHTED or not np.any(layer.shift < 0) or len(taken[0].shape) != 3 or layer.weight_bits < 4:
        return None
    left = np.maximum(-layer.shift.astype(np.int64), 0)
    alone = _scaled(layer, taken[0], left)
    raised = left > 0
    less = np.any(layer.multiplier[raised] < HALF)       # a factor below 1, which no file has with a shift to the left
    if alone is not None or less or left.max() > weight_bits - 2 or layer.output.bits != 8:
        return alone
    first = replace(layer, name=f"{layer.name}_sum", act_min=-128, act_max=127,
                    multiplier=np.where(raised, HALF, layer.multiplier).astype(np.int32),
                    shift=np.where(raised, -1, layer.shift).astype(np.int32))
    found = _scaled(first, taken[0], raised.astype(np.int64))
    if found is None:
        return None
    channels = layer.output.shape[-1]
    second = Layer(name=layer.name, op="depthwise", output=layer.output, bias=np.zeros(channels, np.int32),
                   weights=np.where(raised, 1 << left, 2).astype(np.int8).reshape(1, 1, channels),
                   multiplier=np.where(raised, layer.multiplier, HALF).astype(np.int32),
                   shift=np.zeros(channels, np.int32), act_min=layer.act_min, act_max=layer.act_max)
    return [*found, second]


def _scaled(layer: Layer, taken: TensorType, left: np.ndarray) -> list[Layer] | None:
    """With weights and bias times ``2**left`` of each channel, and copies of the input where they must be."""
    channel_last = layer.op == "depthwise"
    by_channel = left if channel_last else left.reshape(-1, *[1] * (layer.weights.ndim - 1))
    weights, bias = layer.weights.astype(np.int64) << by_channel, layer.bias.astype(np.int64) << left
    most = (1 << layer.weight_bits - 1) - 1
    copies = max(-(-int(weights.max(initial=0)) // most), -(int(weights.min(initial=0)) // (most + 1)))
    if copies > MOST_COPIES or np.abs(bias).max(initial=0) > LARGEST:
        return None
    layer = replace(layer, bias=bias.astype(np.int32), shift=np.maximum(layer.shift, 0))
    if copies <= 1:
        return [replace(layer, weights=weights.astype(np.int8))]
    parts = np.stack(_split(weights, copies, most))              # (copies, *weights.shape)
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    if layer.op == "dense":
        shape, strides = (1, copies, taken.size), (0, 0, 1)
        changed = replace(layer, weights=np.concatenate(parts, axis=1), views=())
    else:
        groups = taken.shape[2] if channel_last else taken.shape[2] // layer.weights.shape[3]
        channels, (height, width, whole) = taken.shape[2] // groups, taken.shape
        shape, strides = (height, width, groups, copies, channels), (width * whole, whole, channels, 0, 1)
        turned = parts.transpose(3, 1, 2, 0)[..., None] if channel_last else parts.transpose(1, 2, 3, 0, 4)
        changed = replace(layer, op="conv", weights=turned.reshape(*turned.shape[:3], copies * channels),
                          views=((height, width, whole * copies),))
    gather = Layer(name=f"{layer.name}_copies", op="gather", output=replace(taken, shape=shape), bias=EMPTY,
                   weights=np.zeros(0, np.int8), multiplier=EMPTY, shift=EMPTY, parameters=(0, *strides),
                   views=(taken.shape,) if layer.views else ())
    return [gather, changed]


def _split(weights: np.ndarray, copies: int, most: int) -> list[np.ndarray]:
    """So many int8 arrays whose sum is ``weights``, none outside of ``-most - 1`` to ``most``."""
    parts = []
    for _ in range(copies):
        parts.append(np.clip(weights, -most - 1, most).astype(np.int8))
        weights = weights - parts[-1]
    return parts
