"""Pads that are a convolution's own padding."""

from dataclasses import replace
from math import prod

import numpy as np

from sw.graph.edit import change_layers, read_by_one
from sw.graph.graph import Graph
from sw.graph.layer import Layer

__all__ = ["fold_pads"]


def fold_pads(graph: Graph) -> Graph:
    """The same network, where convolutions pad by themselves what a pad in front of them pads with the zero point.

    Between the two there may be a slice of rows.
    """
    return change_layers(change_layers(graph, _of_slices), _with_padding)


def _of_slices(graph: Graph, index: int) -> Layer | None:
    """A slice of rows of what is padded, or a convolution that reads it."""
    layer = graph.layers[index]
    if layer.op == "gather":
        readers = [other for other in range(len(graph.layers)) if graph.first + index in graph.inputs_of(other)]
        return found[0] if len(readers) == 1 and (found := _unpadded(graph, readers[0])) else None
    found = _unpadded(graph, index)
    return None if found is None else replace(layer, padding=found[1])


def _unpadded(graph: Graph, index: int) -> tuple[Layer, tuple[int, int, int, int]] | None:
    """Of a convolution of a slice of a pad: the slice of what is padded, and the convolution's padding then."""
    layer, source = graph.layers[index], graph.inputs_of(index)[0]
    made = graph.layer_of(source)
    if layer.op not in ("conv", "depthwise") or layer.views or made is None or graph.layers[made].op != "gather":
        return None
    piece, padded = graph.layers[made], graph.layer_of(graph.inputs_of(made)[0])
    if padded is None or graph.layers[padded].op != "pad" or piece.views or not read_by_one(graph, source, index):
        return None
    pad, taken = graph.layers[padded], graph.taken(padded)[0]
    if len(taken.shape) != 3 or pad.views or pad.parameters[-1] != taken.zero_point:
        return None
    (top, _, rows), (left, right, columns), channels = np.array(pad.parameters[:-1]).reshape(3, 3).tolist()
    _, width, depth = pad.output.shape
    offset, *strides = piece.parameters
    whole = all(size == 1 or step == wanted for size, step, wanted in zip(
        piece.output.shape, strides, (width * depth, depth, 1), strict=True))
    if rows or columns or any(channels) or offset % (width * depth) or not whole or (
            piece.output.shape[1:] != (width, depth)):
        return None
    height, width, depth = taken.shape
    first = offset // prod(pad.output.shape[1:]) - top
    start, stop = max(first, 0), min(first + piece.output.shape[0], height)
    above, before, below, behind = layer.padding
    padding = (above + start - first, before + left, below + first + piece.output.shape[0] - stop, behind + right)
    if start >= stop or any(side >= layer.extent[place % 2] for place, side in enumerate(padding)):
        return None
    return replace(piece, inputs=graph.inputs_of(padded), output=replace(
        piece.output, shape=(stop - start, width, depth)),
        parameters=(start * width * depth, width * depth, depth, 1)), padding


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
