"""Networks of one dense layer, and a design that the weights of one of them stream on."""

import numpy as np

from hw.spec.design import DesignPoint
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_layer

__all__ = ["STREAMING", "even_dense", "wide_dense"]

STREAMING = DesignPoint(multiplier="lut", weight_bytes=2048, stream_bytes=2)


def wide_dense() -> Graph:
    """More weights than a small scratchpad holds."""
    kind = TensorType(shape=(1, 1, 256), scale=0.1, zero_point=0)
    return Graph(name="wide", inputs=(kind,), layers=(
        random_layer(np.random.default_rng(0), "dense", kind, outputs=32, name="fc"),))


def even_dense() -> Graph:
    """Small, with sizes that any design takes."""
    kind = TensorType(shape=(1, 1, 16), scale=0.1, zero_point=0)
    layers = (random_layer(np.random.default_rng(0), "dense", kind, name="fc"),)
    return Graph(name="small", inputs=(kind,), layers=layers)
