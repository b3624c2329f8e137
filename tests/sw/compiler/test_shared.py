from dataclasses import replace

import numpy as np
import pytest

from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.compiler.bands import fit_memory
from sw.compiler.errors import CompileError, PlanError
from sw.compiler.proof import prove
from sw.compiler.schedule import schedule
from sw.compiler.shared import slice_offset
from sw.golden import interpret, run
from sw.golden.interpreter import reset
from sw.graph.graph import Constant, Graph, State, TensorType
from tests.support.layers import random_add, random_layer
from tests.support.states import image, move, stateful

DESIGN = replace(PRESETS["ecp5-25"], act_bytes=16384)


def split_and_joined(rng):
    """Rows of a tensor go through two branches whose outputs are put one behind the other."""
    kind, first = image(rng)
    halves = [move("gather", first.output, (2, 3, 6), (1,), offset, 18, 6, 1, name=f"half{offset}")
              for offset in (0, 36)]
    branches = [random_layer(rng, "conv", halves[0].output, outputs=5, kernel=(1, 1), inputs=(number,),
                             name=f"b{number}") for number in (2, 3)]
    branches[1] = replace(branches[1], output=branches[0].output, act_min=-128)
    branches[0] = replace(branches[0], act_min=-128)
    joined = move("concat", branches[0].output, (4, 3, 5), (4, 5), -3)
    last = random_layer(rng, "conv", joined.output, outputs=3, kernel=(2, 2), inputs=(6,), name="last")
    return Graph(name="branches", inputs=(kind,), layers=(first, *halves, *branches, joined, last)).check()


def answers(program, rng, inputs):
    """What the interpreter gives, from a memory full of rubbish on, for each of several inputs after one another."""
    act = bytearray(rng.integers(0, 256, program.design.act_bytes).astype(np.uint8).tobytes())
    reset(program.image, act)
    for values in inputs:
        for place, value in zip(program.inputs, values, strict=True):
            act[place.address:place.address + place.size] = value.tobytes()
        interpret(program.design, program.image, act)
        yield [np.frombuffer(bytes(act), np.int8, place.size, place.address) for place in program.outputs]


def check(graph, rng, count=4):
    inputs = [rng.integers(-128, 128, (count, *kind.shape)).astype(np.int8) for kind in graph.inputs]
    program = compile_graph(graph, DESIGN)
    tensors = run(graph, inputs)
    for index, found in enumerate(answers(program, rng, zip(*inputs, strict=True))):
        for number, values in zip(graph.answers, found, strict=True):
            assert np.array_equal(values, tensors[number][index].reshape(-1)), (index, number)
    return program


def test_rows_of_a_tensor_and_rows_put_together_are_no_work():
    rng = np.random.default_rng(0)
    program = check(split_and_joined(rng), rng)
    assert [plan.name for plan in program.plans] == ["first", "b2", "b3", "last"]


def test_states_live_from_one_inference_to_the_next():
    rng = np.random.default_rng(1)
    program = check(stateful(rng), rng)
    assert [plan.op for plan in program.kernels] == ["concat", "copy", "copy"]
    places = program.outputs
    assert [place.address - places[0].address for place in places] == [0, 8, 20]      # 5, 10 and 54 bytes


def test_two_inputs_lie_in_a_row_and_an_input_may_be_an_output():
    rng = np.random.default_rng(2)
    kind, first = image(rng, outputs=4)
    add = random_add(rng, (2, 1), [first.output, first.output])
    graph = Graph(name="two", inputs=(kind, first.output), layers=(first, add), outputs=(3, 1)).check()
    program = check(graph, rng)
    assert [place.address for place in program.inputs] == [program.inputs[0].address + offset for offset in (0, 48)]


def test_constants_are_loaded_where_they_are_read():
    rng = np.random.default_rng(3)
    kind, first = image(rng)
    values = rng.integers(-128, 128, first.output.shape).astype(np.int8)
    add = random_add(rng, (2, 1), [first.output, first.output])
    graph = Graph(name="offset", inputs=(kind,), layers=(first, add), constants=(
        Constant(type=first.output, values=values),)).check()
    first = replace(first, inputs=(0,))
    program = check(graph, rng)
    assert [plan.op for plan in program.plans] == ["conv", "constant", "add"]


def test_more_layers_than_the_engine_counts_are_several_runs():
    rng = np.random.default_rng(4)
    kind = TensorType(shape=(2, 2, 4), scale=0.1, zero_point=3)
    layers = [random_layer(rng, "conv", kind, outputs=4, kernel=(1, 1), name="0")]
    while len(layers) < 100:
        layers.append(random_layer(rng, "conv", layers[-1].output, outputs=4, kernel=(1, 1), name=str(len(layers))))
    program = check(Graph(name="long", inputs=(kind,), layers=tuple(layers)).check(), rng, 2)
    assert len(program.layers) == 100 and not program.kernels
    with pytest.raises(CompileError, match="long: 300 layers; a program holds 256; use a network of fewer layers"):
        compile_graph(Graph(name="long", inputs=(kind,), layers=tuple(layers * 3)), DESIGN)


def test_a_dense_layer_of_many_inputs_is_a_kernel_of_several_rows():
    rng = np.random.default_rng(5)
    kind = TensorType(shape=(1, 1, 4000), scale=0.1, zero_point=3)
    check(Graph(name="wide", inputs=(kind,), layers=(random_layer(rng, "dense", kind, outputs=6),)).check(), rng, 2)


@pytest.mark.parametrize("op, taps, groups", [("conv", (3, 2), 2), ("depthwise", (2, 3), 1)])
def test_dilation_and_groups(op, taps, groups):
    rng = np.random.default_rng(6)
    kind = TensorType(shape=(9, 8, 6), scale=0.1, zero_point=3)
    layer = random_layer(rng, op, kind, outputs=4, kernel=taps, stride=(1, 2), padding=(1, 0, 2, 1))
    layer = replace(layer, dilation=(2, 3), weights=layer.weights[..., :6 // groups] if op == "conv" else layer.weights)
    size = [(whole + sum(layer.padding[axis::2]) - extent) // step + 1
            for axis, (whole, extent, step) in enumerate(zip((9, 8), layer.extent, layer.stride, strict=True))]
    layer = replace(layer, output=replace(layer.output, shape=(*size, layer.output.shape[2])))
    check(Graph(name="dilated", inputs=(kind,), layers=(layer,)).check(), rng)


@pytest.mark.parametrize("parameters, offset", [
    ((24, 24, 6, 1), 24), ((0, 24, 6, 1), 0), ((0, 24, 6, 2), None), ((18, -24, 6, 1), None), ((6, 48, 6, 1), None)])
def test_where_a_slice_begins(parameters, offset):
    kind = TensorType(shape=(4, 4, 6), scale=0.1, zero_point=3)
    assert slice_offset(move("gather", kind, (2, 4, 6), (0,), *parameters)) == offset


def test_states_in_a_circle_are_refused():
    kind, first = image(np.random.default_rng(7))
    states = tuple(State(name=f"s{index}", type=kind, initial=np.zeros(kind.shape, np.int8), next=2 - index)
                   for index in (0, 1))
    graph = Graph(name="circle", inputs=(kind,), layers=(replace(first, inputs=(0,)),), states=states).check()
    with pytest.raises(CompileError, match="circle: states take each other's values in a circle; give one of them a"):
        schedule(graph)


@pytest.mark.parametrize("tensor, address, text", [
    (3, 4, "reads tensor 3, but 36 of its bytes are not there"),
    (4, 4, "reads tensor 6, but 30 of its bytes are not there"),
])
def test_a_part_at_another_place_is_found(tensor, address, text):
    graph = split_and_joined(np.random.default_rng(8))
    plan = fit_memory(graph, capacity=4096)
    prove(plan.stages, plan.placements, graph)
    place = plan.placements[tensor]
    moved = replace(place, address=place.address + address)
    with pytest.raises(PlanError, match=text):
        prove(plan.stages, {**plan.placements, tensor: moved}, graph)


def test_a_state_that_is_not_updated_is_found():
    graph = stateful(np.random.default_rng(9))
    plan = fit_memory(graph, capacity=4096)
    with pytest.raises(PlanError, match="end: tensor 1, but 54 of its bytes are not there"):
        prove(plan.stages[:-1], plan.placements, graph, outputs=plan.outputs)


def in_place(*, read_again=False):
    """A table, and a product of what it gives with the input of the table or with another tensor."""
    rng = np.random.default_rng(10)
    kind, first = image(rng)
    table = replace(move("table", first.output, first.output.shape, (1,)),
                    weights=rng.integers(-128, 128, 256).astype(np.int8))
    product = replace(move("mul", first.output, first.output.shape, (2, 1 if read_again else 2)),
                      multiplier=np.array([1 << 30], np.int32), shift=np.array([5], np.int32))
    return Graph(name="place", inputs=(kind,), layers=(first, table, product)).check()


@pytest.mark.parametrize("read_again", [False, True])
def test_what_is_done_element_by_element_takes_the_place_of_what_is_dead(read_again):
    graph = in_place(read_again=read_again)
    check(graph, np.random.default_rng(11))
    placements = fit_memory(graph, capacity=4096).placements
    assert len({placements[number].address for number in (1, 2, 3)}) == 1 + read_again
    assert [stage.residual for stage in schedule(graph).stages] == [None, None if read_again else 1, 2]


def test_another_place_for_what_is_done_in_place_is_found():
    graph = in_place()
    plan = fit_memory(graph, capacity=4096)
    place = plan.placements[2]
    with pytest.raises(PlanError, match=r"layer 1 table \(table\): tensor 2 is not in the place of tensor 1, or"):
        prove(plan.stages, {**plan.placements, 2: replace(place, address=place.address + 4)}, graph)
