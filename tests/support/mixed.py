"""A network of everything that somebody may run: engine, CPU, nobody; with a state and a constant."""

from dataclasses import replace

import numpy as np

from sw.golden.elementwise import prepare_add
from sw.graph.graph import Constant, Graph, State, TensorType
from tests.support.layers import made_kernel, random_add, random_kernel, random_layer

__all__ = ["mixed_net"]


def mixed_net() -> Graph:
    """Two convolutions beside the input, less a constant, added to a state; a half of it is the answer."""
    rng = np.random.default_rng(3)
    start = TensorType(shape=(4, 4, 4), scale=0.05, zero_point=1)
    per_channel = replace(start, shape=(1, 1, 4))
    convs = [random_layer(rng, "conv", start, outputs=4, kernel=(1, 1), inputs=(number,), name=f"conv{number - 3}")
             for number in (3, 4)]
    convs[0] = replace(convs[0], inputs=(0,))
    convs[1] = replace(convs[1], inputs=(3,))
    fused = random_add(rng, (4, 0), [convs[1].output, start], name="fused")
    less = made_kernel("sub", start, prepare_add(fused.output.scale, per_channel.scale, start.scale), inputs=(5, 2),
                       bias=np.zeros(3, np.int32), name="less")
    summed = random_add(rng, (6, 1), [start, start], name="summed")
    half = made_kernel("gather", replace(summed.output, shape=(2, 4, 4)), inputs=(7,), parameters=(0, 16, 4, 1),
                       name="half")
    table = replace(random_kernel(rng, "table", half.output, inputs=(8,), name="[/end]"), function="logistic")
    return Graph(
        name="mixed", inputs=(start,), layers=(*convs, fused, less, summed, half, table), outputs=(9,),
        states=(State(name="memory", type=summed.output, initial=np.zeros((4, 4, 4), np.int8), next=7),),
        constants=(Constant(type=per_channel, values=rng.integers(-128, 128, (1, 1, 4)).astype(np.int8)),)).check()
