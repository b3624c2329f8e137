"""One node, or a few, as a file, and the layers that they become."""

import numpy as np
import pytest
from onnx import TensorProto

from sw.frontend.onnx import load_onnx
from sw.graph.graph import GraphError
from tests.sw.frontend.onnx_models import Model

__all__ = ["inner", "layers", "loaded", "refused", "started"]


def started(*shape, scale=0.1, zero=3, opset=18):
    """A model with one quantized input."""
    model = Model(np.random.default_rng(0), opset)
    return model, model.quantize(model.input(shape or (1, 4, 6, 6)), scale, zero)


def loaded(path, model, output):
    (path / "net.onnx").write_bytes(model.bytes((output, TensorProto.FLOAT)))
    return load_onnx(path / "net.onnx")


def inner(graph):
    """Its layers without those at its ends."""
    return [layer for layer in graph.layers if layer.op not in ("quantize", "dequantize")]


def layers(path, model, output):
    return [layer.op for layer in inner(loaded(path, model, output))]


def refused(path, model, output=None):
    """The line with which the last node is refused."""
    with pytest.raises(GraphError) as caught:
        loaded(path, model, output or model.nodes[-1].output[0])
    text = str(caught.value)
    assert text.startswith("net.onnx: ") and "\n" not in text
    return text
