"""One operator as a file, and the layers that it becomes."""

import numpy as np

from sw.frontend import load_tflite
from tests.sw.frontend.files import operator, tensor, write

__all__ = ["integers", "layers", "load", "lowered", "operator", "tensor"]


def integers(*values, kind="INT32"):
    values = np.array(values, np.int32)
    return tensor(values.shape, kind=kind, data=values, scale=[], zero=[])


def load(path, tensors, operators, **options):
    return load_tflite(write(path / "net.tflite", tensors, operators, **options))


def lowered(path, name, tensors, options="", *, output=None, **fields):
    """The graph of one operator on all ``tensors`` but the last one, which it gives."""
    output = len(tensors) - 1 if output is None else output
    return load(path, tensors, [operator(name, list(range(len(tensors) - 1)), output, options, **fields)])


def layers(graph):
    return [layer.op for layer in graph.layers]
