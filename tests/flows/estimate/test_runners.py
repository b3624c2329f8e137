from dataclasses import replace

import numpy as np
import pytest

from flows.estimate.runners import CPU, ENGINE, NOBODY, assign, outline, weight_bytes
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.golden.kernels import OPERATORS, call_cycles
from sw.graph.graph import Graph, TensorType
from tests.support.dense import even_dense
from tests.support.layers import made_kernel, random_add, random_kernel, random_layer
from tests.support.mixed import mixed_net
from tests.support.stages import residual_block

DESIGN = PRESETS["ecp5-25"]
START = 500      # cycles, at most, in which the CPU starts a run of the engine and sees its end


def test_who_runs_what_and_why():
    found = assign(compile_graph(mixed_net(), DESIGN))
    assert [(duty.name, duty.layer, duty.runner, duty.why) for duty in found.duties] == [
        ("conv0", 0, ENGINE, "the engine has conv"), ("conv1", 1, ENGINE, "the engine has conv"),
        ("fused", 2, ENGINE, "on the way out of conv1"), ("less", 3, CPU, "the engine has no sub"),
        ("summed", 4, ENGINE, "the engine has add"), ("half", 5, NOBODY, "a place in memory, no byte moves"),
        ("[/end]", 6, CPU, "the engine has no logistic"), ("constant2", None, CPU, "a layer reads it"),
        ("copy1", None, CPU, "the next value of a state")]


def tables(shape):
    """The sum of two tables, of a layer and of the input."""
    rng, start = np.random.default_rng(0), TensorType(shape=shape, scale=0.1, zero_point=0)
    conv = random_layer(rng, "conv", start, outputs=shape[2], kernel=(1, 1), name="conv")
    behind, beside = (random_kernel(rng, "table", kind, inputs=(number,), name=name)
                      for kind, number, name in ((conv.output, 1, "behind"), (start, 0, "beside")))
    add = random_add(rng, (2, 3), (behind.output, beside.output), name="sum")
    return Graph(name="tables", inputs=(start,), layers=(conv, behind, beside, add)).check()


def test_tables_of_the_engine_are_named():
    design = replace(DESIGN, table_unit=True)
    program = compile_graph(tables((4, 4, 4)), design)
    duties = assign(program).duties
    assert [(duty.name, duty.runner, duty.why) for duty in duties] == [
        ("conv", ENGINE, "the engine has conv"), ("behind", ENGINE, "on the way out of conv"),
        ("beside", ENGINE, "a copy through the engine's table"), ("sum", ENGINE, "the engine has add")]
    assert [duty.engine_cycles for duty in duties] == [program.layers[0].cycles, 0, *(
        plan.cycles for plan in program.layers[1:])]


def test_operands_that_are_copied_to_their_places_are_counted():
    rng, kind = np.random.default_rng(0), TensorType(shape=(4, 4, 4), scale=0.1, zero_point=0)
    one = random_layer(rng, "conv", kind, outputs=4, kernel=(1, 1), name="one")
    one = replace(one, output=kind, act_min=-128)
    joined = made_kernel("concat", replace(kind, shape=(4, 4, 8)), inputs=(0, 1), parameters=(-1,), name="joined")
    again = made_kernel("concat", replace(kind, shape=(4, 4, 12)), inputs=(2, 1), parameters=(-1,), name="again")
    last = random_layer(rng, "conv", again.output, outputs=4, kernel=(1, 1), name="last")
    graph = Graph(name="joined", inputs=(kind,), layers=(one, joined, again, last)).check()
    program = compile_graph(graph, DESIGN)
    copied, = (plan.cycles for plan in program.layers if not plan.stage.layers)
    # a fetch of the second copy, of what lies beside it, would hold what the engine writes
    assert [(duty.name, duty.runner, duty.why, duty.engine_cycles) for duty in assign(program).duties[1:]] == [
        ("joined", NOBODY, "a place in memory, 1 of its operands copied there", None),
        ("again", NOBODY, "a place in memory, 1 of its operands copied there", None),
        ("last", ENGINE, "the engine has conv", program.layers[-1].cycles),
        ("copy", ENGINE, "to its place in joined", copied), ("copy6", CPU, "to its place in again", None)]


def test_a_table_that_no_command_takes_is_the_cpus():
    rng, kind = np.random.default_rng(0), TensorType(shape=(2, 4, 4, 4), scale=0.1, zero_point=0)
    graph = Graph(name="alone", inputs=(kind,), layers=(random_kernel(rng, "table", kind, name="alone"),)).check()
    duty, = assign(compile_graph(graph, replace(DESIGN, table_unit=True))).duties
    assert (duty.runner, duty.why) == (
        CPU, "no command of the engine makes its input, and one of its own cannot take it")


def test_cycles_of_the_engine_are_the_programs_and_those_of_the_cpu_are_apart():
    program = compile_graph(mixed_net(), DESIGN)
    found = assign(program)
    assert found.engine_cycles == program.cycles
    assert sum(duty.engine_cycles or 0 for duty in found.duties) == sum(plan.cycles for plan in program.layers)
    assert [duty.engine_cycles is None for duty in found.duties] == [duty.runner != ENGINE for duty in found.duties]
    assert all(duty.estimated_cpu_cycles is None for duty in found.duties if duty.runner != CPU)


def test_what_no_layer_makes_and_where_it_ends():
    found = assign(compile_graph(mixed_net(), DESIGN))
    assert [(source.kind, source.name, source.shape) for source in found.sources] == [
        ("input", "input", (4, 4, 4)), ("state", "memory", (4, 4, 4)), ("constant", "constant", (1, 1, 4))]
    assert (found.outputs, found.states) == ((9,), ((1, 7),))


def test_bands_of_a_layer_are_one_job():
    rng, start = np.random.default_rng(0), TensorType(shape=(32, 16, 2), scale=0.1, zero_point=0)
    layer = random_layer(rng, "conv", start, outputs=3, kernel=(3, 3), padding=(1, 1, 1, 1), name="conv")
    program = compile_graph(Graph(name="banded", inputs=(start,), layers=(layer,)), DesignPoint(act_bytes=2048))
    duty, = assign(program).duties
    assert len(program.layers) > 1
    assert duty.why == f"the engine has conv, in {len(program.layers)} bands of rows"
    assert (duty.engine_cycles, duty.macs) == (sum(plan.cycles for plan in program.layers), program.macs)


def test_a_copy_for_a_sum_in_bands_is_named():
    graph = residual_block(np.random.default_rng(6), TensorType(shape=(16, 8, 2), scale=0.05, zero_point=9), 12)
    graph = replace(graph, layers=graph.layers[:4], outputs=())
    program = compile_graph(graph, DesignPoint(act_bytes=2048))
    copies = [duty for duty in assign(program).duties if duty.layer is None]
    assert copies and {duty.why for duty in copies} == {"a sum in bands of rows has a place of its own"}


def test_a_copy_for_an_add_is_named():
    start = TensorType(shape=(2, 2, 4), scale=0.1, zero_point=0)
    graph = Graph(name="twice", inputs=(start,), layers=(
        random_add(np.random.default_rng(0), (0, 0), (start, start)),))
    program = compile_graph(graph, DESIGN)
    add, copy = assign(program).duties
    assert (copy.op, copy.runner, copy.reads) == ("copy", ENGINE, (0,))
    assert copy.why == "both operands of an add are read again"
    assert add.engine_cycles + copy.engine_cycles == sum(plan.cycles for plan in program.layers)


def test_an_output_that_is_a_state_is_copied():
    graph = mixed_net()
    graph = replace(graph, outputs=(9, 1)).check()
    assert [duty.why for duty in assign(compile_graph(graph, DESIGN)).duties if duty.op == "copy"] == [
        "an output has a place of its own", "the next value of a state"]


def test_what_the_compiler_makes_of_another_operator_is_said():
    """A layer with weights that has a function stands for what the file calls so."""
    graph = even_dense()
    named = replace(graph, layers=(replace(graph.layers[0], function="mean"),))
    duty, = assign(compile_graph(named, DESIGN)).duties
    assert (duty.runner, duty.function, duty.why) == (ENGINE, "mean", "equal to dense")


def test_layers_that_the_compiler_leaves_out_are_named():
    graph = even_dense()
    whole = replace(graph, layers=(*graph.layers, replace(graph.layers[0], name="pad")))
    found = assign(compile_graph(graph, DESIGN), whole)
    assert [(duty.name, duty.layer, duty.runner, duty.why) for duty in found.duties[1:]] == [
        ("pad", None, NOBODY, "a part of a layer beside it")]


def test_what_is_done_on_the_way_out_is_told_by_the_tensor_that_is_complete():
    """Where the layer has no stage of its own and is no add."""
    program = compile_graph(mixed_net(), DESIGN)
    half = program.graph.first + 5
    plans = tuple(replace(plan, tensor=half) if plan.name == "conv1+fused" else plan for plan in program.plans)
    duty = assign(replace(program, plans=plans)).duties[5]
    assert (duty.name, duty.runner, duty.engine_cycles, duty.why) == ("half", ENGINE, 0, "on the way out of conv1")


def test_of_what_is_not_compiled_nobody_knows_who_runs_it():
    found = outline(mixed_net())
    assert {duty.runner for duty in found.duties} == {None} and len(found.duties) == 7
    assert found.engine_cycles is found.estimated_cpu_cycles is None


@pytest.mark.parametrize("bits, size", [(8, 128 + 32), (4, 64 + 32), (1, 16 + 32)])
def test_weights_count_as_they_are_packed(bits, size):
    """16 inputs, 8 outputs, a bias of four bytes for each of these."""
    layer, = even_dense().layers
    assert weight_bytes(replace(layer, weight_bits=bits)) == size


@pytest.mark.parametrize("name", ["ecp5-25", "ecp5-45", "ecp5-85"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 4), (1, 1, 16), (2, 3, 5), (8, 8, 8)])
def test_the_engine_is_the_cheaper_of_both_wherever_it_can(name, shape):
    """Nothing weighs them, since the engine wins with a run of its own for a single output; a table from 16 on."""
    rng, kind = np.random.default_rng(0), TensorType(shape=shape, scale=0.1, zero_point=2)
    layers = [random_layer(rng, op, kind, outputs=shape[2], kernel=(1, 1), name=op)
              for op in ("conv", "depthwise", "dense", "avgpool", "maxpool")]
    layers += [random_add(rng, (0, 1), (kind, kind))] + [random_kernel(rng, "table", kind, name="table")] * (
        kind.size >= 16)
    for layer in layers:
        taken = (kind,) * (2 if layer.op == "add" else 1)
        graph = Graph(name=layer.name, inputs=taken, layers=(layer,)).check()
        program = compile_graph(graph, replace(PRESETS[name], table_unit=True))
        calls = OPERATORS[layer.op].calls(layer, taken, sources=(0, 4096)[:len(taken)], output=8192)
        assert not program.kernels and program.cycles + START < sum(map(call_cycles, calls)), layer.name
