from dataclasses import replace

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from sw.compiler.plan import plan_memory
from sw.compiler.schedule import Stage, held_tensors, schedule, stage_name, why_cpu
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import (
    made_kernel,
    random_add,
    random_graph,
    random_inputs,
    random_kernel,
    random_layer,
    random_residual,
    with_tables,
)
from tests.support.stages import random_dag, run_stages

KIND = TensorType(shape=(3, 3, 2), scale=0.05, zero_point=1)


def net(*layers):
    """Point-wise convolutions ``(source,)`` and adds ``(first, second)`` on one shape."""
    rng = np.random.default_rng(0)
    types, found = [KIND], []
    for inputs in layers:
        found.append(random_add(rng, inputs, [types[number] for number in inputs]) if len(inputs) == 2 else
                     random_layer(rng, "conv", types[inputs[0]], outputs=2, kernel=(1, 1), inputs=inputs))
        types.append(found[-1].output)
    return Graph(name="net", inputs=(KIND,), layers=tuple(found)).check()


def tabled(*layers, outputs=()):
    """As ``net``, but ``(source, "table")`` is a table."""
    rng = np.random.default_rng(0)
    types, found = [KIND], []
    for source, *rest in layers:
        inputs = (source, *(one for one in rest if one != "table"))
        if "table" in rest:
            values = rng.integers(-128, 128, 256).astype(np.int8)
            found.append(made_kernel("table", KIND, inputs=inputs, weights=values))
        elif rest:
            found.append(random_add(rng, inputs, [types[number] for number in inputs]))
        else:
            found.append(random_layer(rng, "conv", types[source], outputs=2, kernel=(1, 1), inputs=inputs))
        types.append(found[-1].output)
    return Graph(name="tabled", inputs=(KIND,), layers=tuple(found), outputs=outputs).check()


def conv(layer, source, output=None, **fields):
    return Stage(layer=layer, source=source, output=layer + 1 if output is None else output, **fields)


def test_a_chain_is_its_layers():
    assert schedule(net((0,), (1,))).stages == (conv(0, 0), conv(1, 1))


@pytest.mark.parametrize("inputs, swapped", [((2, 0), False), ((0, 2), True)])
def test_an_add_goes_into_the_drain_of_its_later_operand(inputs, swapped):
    assert schedule(net((0,), (1,), inputs)).stages == (
        conv(0, 0), conv(1, 1, 3, add=2, residual=0, swapped=swapped))


def test_the_projection_of_a_residual_block_carries_its_add():
    assert schedule(net((0,), (1,), (2,), (1,), (3, 4))).stages == (
        conv(0, 0), conv(1, 1), conv(2, 2), conv(3, 1, 5, add=4, residual=3, swapped=True))


@pytest.mark.parametrize("layers, stages", [
    # the layer that would carry the add reads the tensor that would be overwritten
    (((0,), (1,), (1, 2)), (conv(0, 0), conv(1, 1), Stage(layer=None, source=1, output=3, add=2, residual=2))),
    # something else reads the later operand
    (((0,), (1,), (0, 2), (2,), (3, 4)),
     (conv(0, 0), conv(1, 1), Stage(layer=None, source=2, output=3, add=2, residual=0, swapped=True),
      conv(3, 2, 5, add=4, residual=3, swapped=True))),
    # something later reads the earlier operand
    (((0,), (1,), (2, 1), (1, 3)),
     (conv(0, 0), conv(1, 1), Stage(layer=None, source=1, output=3, add=2, residual=2, swapped=True),
      Stage(layer=None, source=1, output=4, add=3, residual=3))),
    # a sum is added: its stage has an add already
    (((0,), (1, 0), (2,), (2, 3)),
     (conv(0, 0), Stage(layer=None, source=1, output=2, add=1, residual=0), conv(2, 2),
      Stage(layer=None, source=2, output=4, add=3, residual=3))),
    # a tensor and itself
    (((0, 0),), (Stage(layer=None, source=0, output=2), Stage(layer=None, source=0, output=1, add=0, residual=2))),
    # both live on
    (((0,), (0, 1), (0,), (1,), (3, 2), (4, 5)),
     (conv(0, 0), Stage(layer=None, source=1, output=7), Stage(layer=None, source=0, output=2, add=1, residual=7),
      conv(2, 0, 5, add=4, residual=2), conv(3, 1, 6, add=5, residual=5))),
])
def test_an_add_that_no_drain_takes_gets_a_stage(layers, stages):
    assert schedule(net(*layers)).stages == stages


def test_an_input_that_is_kept_is_not_overwritten():
    stages = schedule(net((0,), (1,), (2, 0)), keep_input=True).stages
    assert stages[-1] == Stage(layer=None, source=0, output=3, add=2, residual=2, swapped=True)


def test_copies_hold_what_they_copy():
    graph = net((0,), (1, 1))
    stages = schedule(graph).stages
    assert held_tensors(stages, graph) == {0: 0, 1: 1, 3: 1, 2: 2}
    assert [stage_name(stage, graph) for stage in stages] == [
        "layer 0 layer (conv)", "copy of tensor 1", "layer 1 add (add)"]


T = "table"


@pytest.mark.parametrize("layers, stages", [
    # behind a convolution, two of them too
    (((0,), (1, T)), (conv(0, 0, 2, tables=(1,)),)),
    (((0,), (1, T), (2, T), (3,)), (conv(0, 0, 3, tables=(1, 2)), conv(3, 3))),
    # behind an add in a drain, and behind one on its own
    (((0,), (1, 0), (2, T)), (conv(0, 0), Stage(layer=None, source=1, output=3, add=1, residual=0, tables=(2,)))),
    (((0,), (1,), (2, 0), (3, T)), (conv(0, 0), conv(1, 1, 4, add=2, residual=0, tables=(3,)))),
    # something else reads what it reads
    (((0,), (1, T), (1, 2)), (conv(0, 0), Stage(layer=None, source=1, output=2, tables=(1,)),
                              Stage(layer=None, source=1, output=3, add=2, residual=2))),
    # the input goes through a table, and through another one; nothing is added behind it in a drain
    (((0, T), (1, T), (2,)), (Stage(layer=None, source=0, output=2, tables=(0, 1)), conv(2, 2))),
    (((0,), (1,), (0, T), (2, 3)),
     (conv(0, 0), conv(1, 1), Stage(layer=None, source=0, output=3, tables=(2,)),
      Stage(layer=None, source=2, output=4, add=3, residual=3))),
    # a sum of a layer and its table
    (((0,), (1, T), (2, 0)), (conv(0, 0, 2, tables=(1,)), Stage(layer=None, source=2, output=3, add=2, residual=0))),
])
def test_a_table_goes_into_the_drain_of_the_layer_before_or_of_a_copy(layers, stages):
    assert schedule(tabled(*layers), tables=lambda kind: True).stages == stages


def test_an_output_is_not_looked_up_on_its_way():
    stages = schedule(tabled((0,), (1, T), outputs=(1, 2)), tables=lambda kind: True).stages
    assert stages == (conv(0, 0), Stage(layer=None, source=1, output=2, tables=(1,)))


def test_what_the_engine_does_not_look_up_alone_is_the_cpus():
    graph = tabled((0, T), (1,), (2, T), (2, 3))
    cpu = [Stage(layer=0, source=0, output=1, residual=0, cpu=True), conv(1, 1),
           Stage(layer=2, source=2, output=3, cpu=True)]
    for tables in (None, lambda kind: False):
        assert list(schedule(graph, tables=tables).stages)[:3] == cpu
    chain = tabled((0, T), (1,), (2, T))
    assert schedule(chain).stages == (cpu[0], conv(1, 1), Stage(layer=2, source=2, output=3, residual=2, cpu=True))
    assert schedule(chain, tables=lambda kind: False).stages == (cpu[0], conv(1, 1, 3, tables=(2,)))


def test_a_sum_with_a_place_of_its_own_is_not_looked_up_on_its_way():
    """Two outputs lie in a row; a sum takes the place of what is added."""
    graph = tabled((0,), (1,), (2, 0), (3, T), (1,), outputs=(4, 5))
    stages = schedule(graph, tables=lambda kind: True).stages
    assert not any(stage.add is not None and stage.tables for stage in stages)
    assert any(stage.tables == (3,) and stage.layer is None for stage in stages)


@pytest.mark.parametrize("keep_input", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_stages_compute_any_graph(seed, keep_input):
    rng = np.random.default_rng(seed)
    graph = (random_dag(rng, 8, cpu=seed % 4 == 1) if seed % 2 else random_residual(rng) if seed % 4
             else random_graph(rng))
    tables = None
    if seed % 3 == 0:
        graph, tables = with_tables(rng, graph, apart=seed % 2 == 0), lambda kind: seed % 5 > 0
    data = random_inputs(rng, graph, 3)[2:]
    plan = schedule(graph, keep_input=keep_input, tables=tables)
    stages = plan.stages
    placements = plan_memory(plan, graph, capacity=65536, keep_input=keep_input)
    tensors = run(graph, data)
    output, trace = run_stages(stages, placements, graph, data[0])
    assert np.array_equal(output, tensors[-1][0])
    for tensor, _, values in trace:
        assert np.array_equal(values, tensors[tensor][0])
    assert sorted(layer for stage in stages for layer in stage.layers) == list(range(len(graph.layers)))


def reason(layer, *taken, views=(), design=None):
    """Why the CPU runs a layer that reads inputs of these types."""
    layer = replace(layer, inputs=tuple(range(len(taken))), views=views)
    return why_cpu(Graph(name="one", inputs=tuple(taken), layers=(layer,)).check(), 0, design)


def test_who_runs_a_layer_has_its_reason():
    rng = np.random.default_rng(0)
    conv = random_layer(rng, "conv", KIND, outputs=2, kernel=(1, 1))
    add = random_add(rng, (0, 1), (KIND, KIND))
    assert reason(conv, KIND) is reason(add, KIND, KIND) is None
    assert reason(random_kernel(rng, "softmax", KIND), KIND) == "the engine has no softmax"
    table = random_kernel(rng, "table", KIND)
    assert reason(replace(table, function="tanh"), KIND) == "the engine has no tanh"
    assert reason(replace(conv, shift=conv.shift - 9), KIND) == "a scale of 1 or more"
    conv = random_layer(rng, "conv", KIND, outputs=2, kernel=(3, 3))
    high_bias = replace(conv, bias=np.full(2, 1 << 30, np.int32))
    assert reason(high_bias, KIND, design=DesignPoint()) == "bias and sum may exceed 30 bits"
    assert reason(high_bias, KIND) is reason(conv, KIND, design=DesignPoint()) is None
    pool = random_layer(rng, "avgpool", KIND, kernel=(2, 2), padding=(1, 1, 0, 0))
    assert reason(pool, KIND) == "an average with padding"
    assert reason(replace(pool, op="maxpool"), KIND) is None
    odd = random_layer(rng, "avgpool", KIND, kernel=(3, 3))
    assert reason(odd, KIND) is reason(odd, KIND, design=DesignPoint(weight_bits=4)) is None
    assert reason(odd, KIND, design=DesignPoint(weight_bits=2)) == ("an average of 9 values, which narrow weights do "
                                                                    "not give exactly")
    assert reason(add, KIND, replace(KIND, shape=(1, 1, 2))) == "operands of two shapes"
    assert reason(add, KIND, replace(KIND, shape=(9, 1, 2)), views=((3, 3, 2),) * 2) == "operands read in other shapes"
    large = made_kernel("resize", replace(KIND, shape=(12, 12, 2)), parameters=(0, 0))
    assert reason(large, KIND) is reason(large, KIND, design=PRESETS["up5k"]) is None
    assert reason(large, replace(KIND, shape=(5, 5, 2))) == "no enlargement by whole numbers, 16 times at most"
    assert reason(large, replace(KIND, shape=(2, 3, 2))) == "no enlargement by whole numbers, 16 times at most"
    odd = made_kernel("resize", replace(KIND, shape=(6, 3, 1)), parameters=(0, 0))
    assert reason(odd, replace(KIND, shape=(3, 3, 1)), design=PRESETS["up5k"]) == "the memory reads at even addresses"
    wide = made_kernel("resize", replace(KIND, shape=(2, 4096, 2)), parameters=(0, 0))
    assert reason(wide, replace(KIND, shape=(1, 4096, 2))) == "more than a command copies"
    high = replace(KIND, shape=(2, 3, 3, 2))
    assert reason(replace(add, output=replace(add.output, shape=high.shape)), high, high) == "a tensor of 4 dimensions"
