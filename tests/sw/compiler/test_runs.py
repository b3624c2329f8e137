"""Graphs that the compiler cuts into runs of the engine and calls of the CPU."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.image import ENGINE, HEADER_BYTES, unpack_calls, unpack_header
from hw.spec.presets import PRESETS
from sw.compiler import CompileError, KernelPlan, compile_graph, program_cycles
from sw.golden import interpret, run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_add, random_cut, random_inputs, random_kernel, random_layer

DESIGN = DesignPoint(rows=2, cols=4, lanes=4, act_bytes=8192, weight_bytes=16384)
DESIGNS = {"resident": DESIGN, "streaming": replace(DESIGN, weight_bytes=2048, stream_bytes=2, weight_bits=4),
           "spram": PRESETS["up5k"]}


def calls_of(image):
    return unpack_calls(image, unpack_header(image))


def interpreted(program, inputs):
    """What the interpreter answers, on a memory full of rubbish."""
    outputs, rng = [], np.random.default_rng(0)
    for data in inputs:
        act = bytearray(rng.integers(0, 256, program.design.act_bytes).astype(np.uint8).tobytes())
        act[program.input.address:program.input.address + program.input.size] = data.tobytes()
        interpret(program.design, program.image, act)
        outputs.append(np.frombuffer(act, np.int8, program.output.size, program.output.address))
    return np.array(outputs)


def compiled(name, seed):
    """A random graph that the design runs, its program and inputs; one whose weights stream, if the design does it."""
    rng = np.random.default_rng(seed)
    while True:
        graph = random_cut(rng, weight_bits=DESIGNS[name].weight_bits, runs=2 + seed % 2)
        try:
            program = compile_graph(graph, DESIGNS[name])
        except CompileError:
            assert name == "spram"       # not every shape runs there
            continue
        if name == "resident" or program.streamed_bytes:      # a few weights do not stream
            return graph, program, random_inputs(rng, graph, 3)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", DESIGNS)
def test_the_list_computes_the_graph(name, seed):
    graph, program, inputs = compiled(name, seed)
    assert np.array_equal(interpreted(program, inputs), run(graph, inputs)[-1].reshape(3, -1))
    calls = calls_of(program.image)
    kinds = [cpu for cpu, _ in groupby(isinstance(plan, KernelPlan) for plan in program.plans)]
    assert kinds.count(False) == sum(call.runner == ENGINE for call in calls) >= 2
    assert sum(call.run["layers"] for call in calls if call.runner == ENGINE) == len(program.layers)
    made = [call for plan in program.kernels for call in plan.calls]
    assert made == [call for call in calls if call.runner != ENGINE]
    assert unpack_header(program.image)["layers"] == len(program.layers)
    assert bool(program.streamed_bytes) == (name != "resident")


@pytest.mark.parametrize("name", DESIGNS)
def test_cycles_are_those_of_all_runs(name):
    _, program, _ = compiled(name, 1)
    runs = [list(group) for cpu, group in groupby(program.plans, lambda plan: isinstance(plan, KernelPlan)) if not cpu]
    assert program.cycles == sum(program_cycles(program.design, (plan.cycle_terms for plan in run)) for run in runs)
    assert program.cycles > program_cycles(program.design, (plan.cycle_terms for plan in program.layers))


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("seed", range(3))
def test_a_prefix_ends_anywhere(name, seed):
    graph, program, inputs = compiled(name, seed)
    tensors = run(program.graph, inputs)
    for count, plan in enumerate(program.plans, 1):
        part = program.prefix(count)
        assert part.plans == program.plans[:count] and part.output == plan.output
        if plan.tensor is not None:
            assert np.array_equal(interpreted(part, inputs), tensors[plan.tensor].reshape(3, -1)), count
    assert program.prefix(len(program.plans)).image == program.image


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_run_may_end_in_the_middle_of_a_write(rows):
    """Two weight words of this design are a write of the stream."""
    design = DesignPoint(rows=1, cols=4, lanes=4, memory="spram", act_bytes=131072, weight_bytes=4096, weight_bits=2,
                         multiplier="lut")
    rng = np.random.default_rng(rows)
    kind = TensorType(shape=(4, 4, 4), scale=0.05, zero_point=3)
    first = random_layer(rng, "conv", kind, outputs=4, kernel=(rows, 1), weight_bits=2)
    again = random_kernel(rng, "softmax", first.output)
    last = random_layer(rng, "conv", again.output, outputs=4, kernel=(1, 1), weight_bits=2, name="last")
    graph = Graph(name="odd", inputs=(kind,), layers=(first, again, last)).check()
    program, inputs = compile_graph(graph, design), random_inputs(rng, graph, 3)
    assert program.layers[0].weight_words % 2 == rows % 2 ^ design.param_words % 2
    assert np.array_equal(interpreted(program, inputs), run(graph, inputs)[-1].reshape(3, -1))


def chain(*ops):
    rng = np.random.default_rng(2)
    kind = start = TensorType(shape=(4, 4, 4), scale=0.05, zero_point=3)
    layers = []
    for op in ops:
        layers.append(random_kernel(rng, op, kind, name=op) if op in ("softmax", "requantize") else
                      random_layer(rng, op, kind, outputs=4, kernel=(1, 1), name=op))
        kind = layers[-1].output
    return Graph(name="chain", inputs=(start,), layers=tuple(layers)).check()


@pytest.mark.parametrize("ops, runs", [
    (("softmax",), 0), (("requantize", "softmax"), 1), (("softmax", "conv"), 1), (("conv", "depthwise"), 1),
    (("conv", "softmax", "conv", "requantize", "softmax", "conv", "conv"), 3)])
def test_any_order(ops, runs):
    graph = chain(*ops)
    program = compile_graph(graph, DESIGN)
    inputs = random_inputs(np.random.default_rng(0), graph, 4)
    assert np.array_equal(interpreted(program, inputs), run(graph, inputs)[-1].reshape(4, -1))
    assert sum(call.runner == ENGINE for call in calls_of(program.image)) == runs
    assert bool(program.cycles) == bool(program.utilization) == bool(runs)


def test_what_the_cpu_runs_changes_no_command_before_it():
    """The list lies behind everything else."""
    alone, more = (compile_graph(chain(*ops), DESIGN) for ops in (("conv", "conv"), ("conv", "conv", "softmax")))
    ends = [unpack_header(program.image)["calls_offset"] for program in (alone, more)]
    assert ends[0] == ends[1]
    assert alone.image[HEADER_BYTES:ends[0]] == more.image[HEADER_BYTES:ends[0]]


def test_no_add_is_fused_behind_the_cpu():
    rng = np.random.default_rng(3)
    start = TensorType(shape=(4, 4, 4), scale=0.05, zero_point=3)
    conv = random_layer(rng, "conv", start, outputs=4, kernel=(1, 1), name="conv")
    again = random_kernel(rng, "requantize", conv.output, name="again")
    layers = (conv, again, random_add(rng, (1, 2), [conv.output, again.output], name="sum"))
    graph = Graph(name="net", inputs=(start,), layers=layers).check()
    program = compile_graph(graph, DESIGN)
    assert [plan.name for plan in program.plans] == ["conv", "again", "sum"]
    inputs = random_inputs(rng, graph, 3)
    assert np.array_equal(interpreted(program, inputs), run(graph, inputs)[-1].reshape(3, -1))


def test_eight_bits_do_not_fit_four():
    start = TensorType(shape=(1, 1, 4), scale=0.1, zero_point=0, bits=4)
    layer = random_kernel(np.random.default_rng(0), "softmax", start, name="last")
    with pytest.raises(CompileError, match=r"layer 0 last \(softmax\): 8-bit activations, act_bits=4; raise act_bits"):
        compile_graph(Graph(name="net", inputs=(start,), layers=(layer,)).check(), replace(DESIGN, act_bits=4))


def test_the_list_needs_its_room():
    """A design whose memory the weights fill to the last bytes has none for a table."""
    graph = chain("conv", "requantize")
    program = compile_graph(graph, DESIGN)
    wide = random_layer(np.random.default_rng(1), "dense", program.graph.output, name="wide",
                        outputs=(DESIGN.weight_bytes - len(program.image)) // 72 // 4 * 4)
    with pytest.raises(CompileError, match=r"chain: program and weights take \d+ bytes, weight_bytes=16384; raise"):
        compile_graph(replace(graph, layers=(*graph.layers, replace(wide, inputs=(2,)),
                                             random_kernel(np.random.default_rng(0), "softmax", wide.output))), DESIGN)
