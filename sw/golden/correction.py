"""Biases that make up for a multiplier's errors, from what the layers of a graph see.

The error of a product with a given weight has a mean over the activations that a layer sees, and so has an output
channel's sum. That mean is taken off the bias, layer by layer, with what the layers before give on the multiplier once
they are corrected: so what their own errors have left, which no bias takes away, is made up for as well as far as it is
a shift of the mean (M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-free quantization through weight
equalization and bias correction", ICCV 2019, corrects what quantization shifts in the same way).

It gives a graph of a graph: nobody who runs it has to know, every rung of the ladder and every file format takes it,
and it is the same for a graph that was imported and for one that was trained. It stands beside the operators, and not
in the compiler, since training takes it too.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hw.spec.design import DesignPoint
from sw.golden.ops import run, run_layer
from sw.golden.products import EXACT, products_of
from sw.golden.sums import accumulate
from sw.graph.graph import Graph, GraphError, Layer
from sw.graph.layer import WEIGHTED

__all__ = ["corrected"]


def corrected(graph: Graph, inputs: np.ndarray | Sequence[np.ndarray], design: DesignPoint) -> Graph:
    """``graph`` with other biases in its convolutions, depthwise and dense layers, for the multiplier of ``design``.

    Parameters
    ----------
    inputs
        As of ``sw.golden.run``: what the network will see, without labels; a few hundred do. Where the graph has states
        they follow each other.

    Returns
    -------
    A graph in which each output channel's sum, over ``inputs`` and all pixels, has the mean on the multiplier that it
    has in ``graph`` on an exact one, to half a step; ``graph`` itself where the multiplier is exact.

    Raises
    ------
    GraphError
        If the inputs are not what the graph takes, or a bias leaves 32 bits.
    """
    wanted = run(graph, inputs)
    if products_of(design) is EXACT:
        return graph
    found = wanted[:graph.first]
    for index, layer in enumerate(graph.layers):
        if graph.states and layer.op in WEIGHTED:
            found = run(graph, inputs, design)      # states are what later layers made of earlier inputs
        if layer.op in WEIGHTED:
            layer = _with_mean(graph, index, wanted, found, design)
            graph = replace(graph, layers=(*graph.layers[:index], layer, *graph.layers[index + 1:]))
        if not graph.states:
            given = run_layer(layer, graph.taken(index), _read(graph, index, found), design)
            found = [*found, given.reshape(-1, *layer.output.shape)]
    return graph


def _read(graph: Graph, index: int, tensors: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What a layer reads of the graph's tensors, in the shapes that it takes."""
    return [tensors[number].reshape(-1, *kind.shape)
            for number, kind in zip(graph.inputs_of(index), graph.taken(index), strict=True)]


def _with_mean(graph: Graph, index: int, wanted: Sequence[np.ndarray], found: Sequence[np.ndarray],
               design: DesignPoint) -> Layer:
    """A layer whose sums have the mean on ``found`` and the design that they have exactly on ``wanted``."""
    layer, taken = graph.layers[index], graph.taken(index)[0]
    exact = accumulate(layer, taken, _read(graph, index, wanted)[0])
    built = accumulate(layer, taken, _read(graph, index, found)[0], design)
    bias = layer.bias - np.rint(built.mean(axis=(0, 1, 2)) - exact.mean(axis=(0, 1, 2))).astype(np.int64)
    limit = np.iinfo(np.int32)
    if bias.min() < limit.min or bias.max() > limit.max:
        raise GraphError(f"{layer.name}: a bias that makes up for multiplier={design.multiplier!r} leaves 32 bits; "
                         f"choose another multiplier")
    return replace(layer, bias=bias.astype(np.int32))
