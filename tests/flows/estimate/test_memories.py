from dataclasses import replace

import numpy as np
import pytest

from flows.estimate.memories import FEWEST_WORDS, LARGEST_ACT, SMALLEST, fit_memories
from hw.spec.design import DesignPoint
from sw.compiler import CompileError, compile_graph
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_layer
from tests.sw.golden.nets import small_net


def test_half_of_either_memory_is_too_small():
    graph = small_net(1)
    design = DesignPoint(rows=2, cols=4, lanes=4)
    found = fit_memories(graph, design).design
    assert found.act_bytes == SMALLEST
    small = replace(design, act_bytes=found.act_bytes, weight_bytes=found.weight_bytes)
    compile_graph(graph, small)
    assert len(compile_graph(graph, small).image) > found.weight_bytes // 2
    with pytest.raises(CompileError):
        compile_graph(graph, replace(small, weight_bytes=found.weight_bytes // 2))


def test_the_weight_memory_has_enough_words_to_be_patched():
    found = fit_memories(small_net(1, 2), DesignPoint(rows=1, cols=16, lanes=4, weight_bits=8)).design
    assert found.weight_bytes * 8 // found.weight_port_bits >= FEWEST_WORDS


def test_memories_that_hold_all_at_once_are_not_asked_for_where_there_are_none():
    """Two tensors of 90,000 bytes, which run in bands in the largest memory."""
    kind = TensorType(shape=(300, 300, 1), scale=0.1, zero_point=0)
    rng = np.random.default_rng(0)
    layers = [random_layer(rng, "conv", kind, kernel=(3, 3), padding=(1, 1, 1, 1), outputs=1, name="wide")]
    layers.append(random_layer(rng, "maxpool", layers[0].output, kernel=(8, 8), stride=(8, 8), name="pool"))
    graph = Graph(name="large", inputs=(kind,), layers=tuple(layers))
    assert fit_memories(graph, DesignPoint(rows=2, cols=4, lanes=4)).design.act_bytes == LARGEST_ACT
