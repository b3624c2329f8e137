from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from sw.compiler.bands import executed_macs, fit_memory
from sw.compiler.errors import CompileError
from sw.compiler.plan import areas, live_bytes, peak_bytes
from sw.compiler.schedule import schedule
from sw.graph.graph import Graph, TensorType
from tests.support.layers import made_kernel, random_add, random_inputs, random_kernel, random_layer, same_padding
from tests.support.mlperf import needs_mlperf, network
from tests.support.stages import agrees, random_dag, residual_block, tall


@pytest.mark.parametrize("seed", range(15))
def test_less_memory_than_the_largest_layer_needs(seed):
    rng = np.random.default_rng(100 + seed)
    graph = tall(rng, int(rng.integers(1, 6)), ops=("conv", "depthwise"))
    whole = max(live_bytes(areas(schedule(graph), graph), len(graph.layers)))
    data = random_inputs(rng, graph, 3)[2]
    fitted = 0
    for part in (0.9, 0.8, 0.7):
        capacity = int(whole * part)
        try:
            plan = fit_memory(graph, capacity=capacity)
        except CompileError:
            continue
        fitted += 1
        assert peak_bytes(plan.placements) <= capacity and len(plan.stages) <= 64
        agrees(plan.stages, plan.placements, graph, data)
    assert fitted or len(graph.layers) == 1


def test_a_residual_takes_the_sum_of_a_banded_layer():
    rng = np.random.default_rng(4)
    kind = TensorType(shape=(12, 2, 2), scale=0.05, zero_point=9)
    padding = same_padding(kind.shape, (3, 1), (1, 1))
    wide = random_layer(rng, "conv", kind, outputs=16, kernel=(3, 1), padding=padding, name="wide", inputs=(0,))
    back = random_layer(rng, "conv", wide.output, outputs=2, kernel=(1, 1), name="back", inputs=(1,))
    again = random_layer(rng, "conv", back.output, outputs=16, kernel=(1, 1), name="again", inputs=(2,))
    last = random_layer(rng, "conv", again.output, outputs=2, kernel=(1, 1), name="last", inputs=(3,))
    add = random_add(rng, (0, 4), [kind, last.output])
    graph = Graph(name="bottleneck", inputs=(kind,), layers=(wide, back, again, last, add)).check()
    plan = fit_memory(graph, capacity=256)
    sums = [stage for stage in plan.stages if stage.add is not None]
    assert len(sums) > 1 and {(stage.output, stage.residual) for stage in sums} == {(5, 0)}
    agrees(plan.stages, plan.placements, graph, random_inputs(rng, graph, 3)[2])


@needs_mlperf
@pytest.mark.parametrize("name, capacity, commands, macs", [
    ("vww", 65536, 29, 7_489_664), ("vww", 49152, 30, 7_489_664), ("vww", 32768, 39, 7_501_952),
    ("kws", 10240, 35, 2_656_768)])
def test_networks_in_bands(name, capacity, commands, macs):
    graph = network(name)
    plan = fit_memory(graph, capacity=capacity)
    assert peak_bytes(plan.placements) <= capacity
    assert sum(not stage.cpu for stage in plan.stages) <= commands
    assert executed_macs(plan.stages, graph) <= macs
    agrees(plan.stages, plan.placements, graph, random_inputs(np.random.default_rng(0), graph, 3)[2])


def test_the_cpu_runs_bands_too():
    rng = np.random.default_rng(3)
    kind = TensorType(shape=(32, 2, 2), scale=0.05, zero_point=9)
    padding = same_padding(kind.shape, (3, 1), (1, 1))
    layers = [random_layer(rng, "conv", kind, outputs=8, kernel=(3, 1), padding=padding)]
    layers.append(random_layer(rng, "conv", layers[-1].output, outputs=3, kernel=(1, 1)))
    layers.append(random_kernel(rng, "requantize", layers[-1].output))
    layers.append(random_layer(rng, "conv", layers[-1].output, outputs=8, kernel=(3, 1), padding=padding))
    layers.append(random_layer(rng, "conv", layers[-1].output, outputs=2, kernel=(1, 1)))
    graph = Graph(name="cut", inputs=(kind,), layers=tuple(layers)).check()
    data = random_inputs(rng, graph, 3)[2]
    for capacity, banded in ((400, False), (200, True)):
        plan = fit_memory(graph, capacity=capacity)
        middle = [stage for stage in plan.stages if stage.cpu]
        assert any(stage.rows for stage in plan.stages) and all(bool(stage.rows) is banded for stage in middle)
        agrees(plan.stages, plan.placements, graph, data)
    with pytest.raises(CompileError, match="act_bytes=140; it does not fit band by band in 256 commands either; "
                                           "raise act_bytes or narrow the network$"):
        fit_memory(graph, capacity=140)


def test_an_input_that_takes_nearly_all_memory():
    """The first layer's output is larger than the input, and neither leaves room for the other."""
    rng = np.random.default_rng(5)
    kind = TensorType(shape=(24, 6, 3), scale=0.05, zero_point=9)
    layers = [random_layer(rng, "conv", kind, outputs=8, kernel=(3, 3), stride=(1, 2), padding=(1, 0, 1, 1))]
    layers.append(random_layer(rng, "conv", layers[-1].output, outputs=8, kernel=(3, 3), stride=(2, 1),
                               padding=(0, 1, 1, 1), name="second"))
    graph = Graph(name="large", inputs=(kind,), layers=tuple(layers)).check()
    plan = fit_memory(graph, capacity=kind.size * 5 // 4)
    assert peak_bytes(plan.placements) <= kind.size * 5 // 4
    agrees(plan.stages, plan.placements, graph, random_inputs(rng, graph, 3)[2])


def test_a_residual_and_two_readers_in_a_chain():
    rng = np.random.default_rng(6)
    kind = TensorType(shape=(16, 8, 2), scale=0.05, zero_point=9)
    graph = residual_block(rng, kind, 12)
    whole = max(live_bytes(areas(schedule(graph), graph), 6))
    data = random_inputs(rng, graph, 3)[2]
    for capacity in (whole * 3 // 4, whole * 2 // 3):
        plan = fit_memory(graph, capacity=capacity)
        assert peak_bytes(plan.placements) <= capacity
        assert {stage.layer for stage in plan.stages if stage.rows} >= {1, 2}
        agrees(plan.stages, plan.placements, graph, data)


def test_a_search_without_success_ends_soon():
    rng = np.random.default_rng(7)
    graph = random_dag(rng, 30, cpu=True, shape=(40, 2, 4))
    before = perf_counter()
    with pytest.raises(CompileError, match="it does not fit band by band"):
        fit_memory(graph, capacity=graph.input.size + 100)
    assert perf_counter() - before < 60


def test_what_cannot_fit_says_so():
    rng = np.random.default_rng(2)
    graph = tall(rng, 3, ops=("conv",))
    with pytest.raises(CompileError, match=r"tall: input and output take \d+ and \d+ bytes, and they lie whole in the "
                                           r"scratchpad; act_bytes=64; raise act_bytes or narrow the network"):
        fit_memory(graph, capacity=64)
    large = DesignPoint(act_bytes=65536)
    for dtype, height, text in (("int8", 200, "raise act_bytes to 131072, or narrow the network$"),
                                ("int8", 500, "no design has act_bytes=262144: use a smaller input$"),
                                ("float32", 100, "convert the network with int8 inputs and outputs, which take a "
                                                 "quarter of float32$")):
        kind = TensorType(shape=(height, 100, 4), scale=1.0, zero_point=0, dtype=dtype)
        output = replace(kind, dtype="int8")
        op = made_kernel("quantize", output) if dtype == "float32" else random_layer(
            rng, "conv", kind, outputs=1, kernel=(1, 1))
        with pytest.raises(CompileError, match=text):
            fit_memory(Graph(name="large", inputs=(kind,), layers=(op,)), capacity=65536, design=large)
    with pytest.raises(CompileError, match=r"tall: 3 layers; a program holds 2; use a network of fewer"):
        fit_memory(graph, capacity=64, commands=2)
    with pytest.raises(CompileError, match=r"layer \d conv\d \(conv\): .*; it does not fit band by band in 3 commands"):
        fit_memory(graph, capacity=graph.input.size + 8, commands=3)
