from dataclasses import replace

import numpy as np
import pytest

from sw.compiler.plan import plan_memory
from sw.compiler.schedule import Stage, held_tensors, schedule, stage_name, why_cpu
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import (
    random_add,
    random_graph,
    random_inputs,
    random_kernel,
    random_layer,
    random_residual,
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


@pytest.mark.parametrize("keep_input", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_stages_compute_any_graph(seed, keep_input):
    rng = np.random.default_rng(seed)
    graph = (random_dag(rng, 8, cpu=seed % 4 == 1) if seed % 2 else random_residual(rng) if seed % 4
             else random_graph(rng))
    data = random_inputs(rng, graph, 3)[2:]
    plan = schedule(graph, keep_input=keep_input)
    stages = plan.stages
    placements = plan_memory(plan, graph, capacity=65536, keep_input=keep_input)
    tensors = run(graph, data)
    output, trace = run_stages(stages, placements, graph, data[0])
    assert np.array_equal(output, tensors[-1][0])
    for tensor, _, values in trace:
        assert np.array_equal(values, tensors[tensor][0])
    assert {layer for stage in stages for layer in (stage.layer, stage.add)} >= set(range(len(graph.layers)))


def reason(layer, *taken, views=()):
    """Why the CPU runs a layer that reads inputs of these types."""
    layer = replace(layer, inputs=tuple(range(len(taken))), views=views)
    return why_cpu(Graph(name="one", inputs=tuple(taken), layers=(layer,)).check(), 0)


def test_who_runs_a_layer_has_its_reason():
    rng = np.random.default_rng(0)
    conv = random_layer(rng, "conv", KIND, outputs=2, kernel=(1, 1))
    add = random_add(rng, (0, 1), (KIND, KIND))
    assert reason(conv, KIND) is reason(add, KIND, KIND) is None
    assert reason(random_kernel(rng, "softmax", KIND), KIND) == "the engine has no softmax"
    table = random_kernel(rng, "table", KIND)
    assert reason(replace(table, function="tanh"), KIND) == "the engine has no tanh"
    assert reason(replace(conv, shift=conv.shift - 9), KIND) == "a scale of 1 or more"
    pool = random_layer(rng, "avgpool", KIND, kernel=(2, 2), padding=(1, 1, 0, 0))
    assert reason(pool, KIND) == "an average with padding"
    assert reason(replace(pool, op="maxpool"), KIND) is None
    assert reason(add, KIND, replace(KIND, shape=(1, 1, 2))) == "operands of two shapes"
    assert reason(add, KIND, replace(KIND, shape=(9, 1, 2)), views=((3, 3, 2),) * 2) == "operands read in other shapes"
    high = replace(KIND, shape=(2, 3, 3, 2))
    assert reason(replace(add, output=replace(add.output, shape=high.shape)), high, high) == "a tensor of 4 dimensions"
