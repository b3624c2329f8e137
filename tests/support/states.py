"""Networks with moves and states, for tests of everything that runs them."""

from dataclasses import replace

import numpy as np

from sw.graph.graph import Graph, Layer, State, TensorType
from tests.support.layers import random_layer

__all__ = ["image", "move", "stateful"]

NONE, EMPTY = np.zeros(0, np.int32), np.zeros(0, np.int8)


def move(op, kind, shape, inputs, *parameters, name=""):
    return Layer(name=name or op, op=op, output=replace(kind, shape=shape), weights=EMPTY, bias=NONE, multiplier=NONE,
                 shift=NONE, inputs=inputs, parameters=parameters)


def image(rng, rows=4, outputs=6):
    """A network's input (rows, 3, 4) and a convolution of it, tensor 1."""
    kind = TensorType(shape=(rows, 3, 4), scale=0.1, zero_point=3)
    return kind, random_layer(rng, "conv", kind, outputs=outputs, kernel=(1, 1), inputs=(0,), name="first")


def stateful(rng):
    """A window of three rows over a sequence of one row each, with three outputs of which one is the next state."""
    kind, first = image(rng, rows=1)
    state = State(name="window", type=replace(first.output, shape=(3, 3, 6)), next=4,
                  initial=rng.integers(-128, 128, (3, 3, 6)).astype(np.int8))
    first = replace(first, act_min=-128)
    joined = move("concat", first.output, (4, 3, 6), (1, 2), -3)
    rest = move("gather", first.output, (3, 3, 6), (3,), 18, 18, 6, 1)
    ends = [random_layer(rng, "conv", joined.output, outputs=5, kernel=(4, size), inputs=(3,), name=f"end{size}")
            for size in (3, 2)]
    return Graph(name="window", inputs=(kind,), layers=(first, joined, rest, *ends), outputs=(5, 6, 4),
                 states=(state,)).check()
