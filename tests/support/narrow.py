"""Networks with narrower weights than they came with: their outputs are poor, but bits and cycles are those of any."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sw.golden.fixed import quantize_multiplier
from sw.graph.graph import Graph, Layer
from sw.graph.layer import WEIGHTED

__all__ = ["narrowed", "narrowed_but_first", "with_mixed_widths"]

MOST_SCALE = 0.999      # of an output in units of the sum: the engine has no larger one


def narrowed(graph: Graph, width: Callable[[int, Layer], int]) -> Graph:
    """With weights of ``width(number, layer)`` bits where a layer has any, and as large outputs as they allow."""
    return replace(graph, layers=tuple(
        _narrower(layer, width(number, layer)) if layer.op in WEIGHTED else layer
        for number, layer in enumerate(graph.layers))).check()


def narrowed_but_first(graph: Graph, bits: int) -> Graph:
    """With ``bits`` in all convolutions over channels and dense layers but the first layer; depthwise ones stay."""
    return narrowed(graph, lambda number, layer: layer.weight_bits if number == 0 or layer.op == "depthwise" else bits)


def with_mixed_widths(rng: np.random.Generator, graph: Graph) -> Graph:
    """With a random width in each layer."""
    return narrowed(graph, lambda number, layer: int(rng.choice([8, 5, 4, 4, 3, 2, 2, 1])))


def _narrower(layer: Layer, bits: int) -> Layer:
    if bits >= layer.weight_bits:
        return layer
    most, less = (max(1, (1 << one - 1) - 1) for one in (layer.weight_bits, bits))
    share = less / most
    weights = np.where(layer.weights < 0, -1, 1) if bits == 1 else np.rint(layer.weights * share)
    factors = np.minimum(layer.multiplier * 2.0 ** (-31.0 - layer.shift) / share, MOST_SCALE)
    multipliers, shifts = zip(*(quantize_multiplier(factor) for factor in factors.tolist()), strict=True)
    return replace(layer, weight_bits=bits, weights=weights.astype(np.int8),
                   bias=np.rint(layer.bias * share).astype(np.int32),
                   multiplier=np.array(multipliers, np.int32), shift=np.array(shifts, np.int32))
