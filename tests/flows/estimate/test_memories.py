from dataclasses import replace

import pytest

from flows.estimate.memories import FEWEST_WORDS, SMALLEST, fit_memories
from hw.spec.design import DesignPoint
from sw.compiler import CompileError, compile_graph
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
