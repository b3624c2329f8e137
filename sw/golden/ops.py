"""Integer operators over a batch; equal to ``sw.golden.reference`` in every bit."""

from collections.abc import Sequence

import numpy as np

from hw.spec.design import DesignPoint
from sw.golden.kernels import OPERATORS
from sw.golden.weighted import weighted
from sw.graph.graph import Graph, GraphError, Layer, TensorType
from sw.graph.layer import WEIGHTED

__all__ = ["run", "run_layer"]

BATCH = 256            # inputs at a time, so that the unfolded windows stay small


def run_layer(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray],
              design: DesignPoint | None = None) -> np.ndarray:
    """Output ``(N, *layer.output.shape)``; ``data`` has ``(N, *shape)`` for each of ``taken``, in their dtypes."""
    if layer.op in WEIGHTED:
        return weighted(layer, taken, data, design)
    return OPERATORS[layer.op].batch(layer, taken, data)


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
