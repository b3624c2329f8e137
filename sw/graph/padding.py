"""Pads that are a convolution's own padding."""

from dataclasses import replace

import numpy as np

from sw.graph.edit import change_layers, read_by_one
from sw.graph.graph import Graph
from sw.graph.layer import Layer

__all__ = ["fold_pads"]


def fold_pads(graph: Graph) -> Graph:
    """The same network, where convolutions pad by themselves what a pad in front of them pads with the zero point."""
    return change_layers(graph, _with_padding)


def _with_padding(graph: Graph, index: int) -> Layer | None:
    """A convolution that pads by itself what a pad before it pads."""
    layer, source = graph.layers[index], graph.inputs_of(index)[0]
    made = graph.layer_of(source)
    if layer.op not in ("conv", "depthwise") or layer.views or made is None or graph.layers[made].op != "pad":
        return None
    pad, taken = graph.layers[made], graph.taken(made)[0]
    if len(taken.shape) != 3 or pad.views or not read_by_one(graph, source, index):
        return None
    (top, bottom, rows), (left, right, columns), channels = np.array(pad.parameters[:-1]).reshape(3, 3).tolist()
    most = [extent - 1 for extent in layer.extent]
    around = (top, left, bottom, right)
    padding = tuple(before + more for before, more in zip(layer.padding, around, strict=True))
    if rows or columns or any(channels) or pad.parameters[-1] != taken.zero_point or any(
            side > most[place % 2] for place, side in enumerate(padding)):
        return None
    return replace(layer, inputs=graph.inputs_of(made), padding=padding)
