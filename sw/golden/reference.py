"""The slow, plain reference: one output at a time, on Python integers, from the definitions in ``hw.spec``."""

from collections.abc import Sequence

import numpy as np

from hw.spec.design import DesignPoint
from sw.golden.kernels import OPERATORS
from sw.golden.weighted import weighted_plain
from sw.graph.graph import Graph, Layer, TensorType
from sw.graph.layer import WEIGHTED

__all__ = ["reference_layer", "run_reference"]


def reference_layer(layer: Layer, taken: Sequence[TensorType], data: Sequence[np.ndarray],
                    design: DesignPoint | None = None) -> np.ndarray:
    """Output int8 ``layer.output.shape``; ``data`` has int8 ``(height, width, channels)`` for each ``taken`` tensor."""
    if layer.op in WEIGHTED:
        return weighted_plain(layer, taken, data, design)
    return OPERATORS[layer.op].plain(layer, taken, data)


def run_reference(graph: Graph, *data: np.ndarray, design: DesignPoint | None = None) -> list[np.ndarray]:
    """All tensors of one inference from the initial state, by their numbers; ``data`` are its inputs."""
    tensors = [*data, *(state.initial for state in graph.states), *(constant.values for constant in graph.constants)]
    for index, layer in enumerate(graph.layers):
        taken = graph.taken(index)
        read = [tensors[number].reshape(kind.shape)
                for number, kind in zip(graph.inputs_of(index), taken, strict=True)]
        tensors.append(reference_layer(layer, taken, read, design).reshape(layer.output.shape))
    return tensors
