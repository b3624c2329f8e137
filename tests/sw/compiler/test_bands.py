from dataclasses import replace

import numpy as np
import pytest

from sw.compiler.bands import Chain, band_stages, executed_macs, fit_memory
from sw.compiler.errors import CompileError
from sw.compiler.plan import areas, live_bytes, peak_bytes, plan_memory
from sw.compiler.schedule import RowRange, schedule
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_add, random_inputs, random_kernel, random_layer, same_padding
from tests.support.mlperf import needs_mlperf, network
from tests.support.stages import run_stages


def tall(rng, layers, ops=("conv", "depthwise", "maxpool", "avgpool")):
    """A chain on a high, narrow input; kernels, strides and paddings of all kinds."""
    kind = TensorType(shape=(int(rng.integers(12, 30)), 2, 3), scale=0.05, zero_point=int(rng.integers(-128, 128)))
    start, found = kind, []
    for index in range(layers):
        op = str(rng.choice(ops))
        kernel = (int(rng.integers(1, 4)), 1)
        padding = (0, 0, 0, 0) if op == "avgpool" else (
            *(int(n) for n in rng.integers(0, kernel[0], 1)), 0, *(int(n) for n in rng.integers(0, kernel[0], 1)), 0)
        stride = (int(rng.integers(1, 3)), 1) if kind.shape[0] > 8 else (1, 1)
        found.append(random_layer(rng, op, kind, outputs=int(rng.integers(2, 9)), kernel=kernel, stride=stride,
                                  padding=padding, name=f"{op}{index}"))
        kind = found[-1].output
    return Graph(name="tall", inputs=(start,), layers=tuple(found)).check()


def agrees(stages, placements, graph, data):
    """Every row that a stage writes, and the output, equal the golden model's."""
    tensors = run(graph, data[None])
    output, trace = run_stages(stages, placements, graph, data)
    for tensor, first, values in trace:
        assert np.array_equal(values, tensors[tensor][0][first:first + len(values)])
    assert np.array_equal(output, tensors[-1][0])


@pytest.mark.parametrize("upward", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_bands_compute_the_same(seed, upward):
    rng = np.random.default_rng(seed)
    graph = tall(rng, 4)
    plan, height = schedule(graph), graph.layers[2].output.shape[0]
    cuts = sorted({0, height, *(int(n) for n in rng.integers(1, height, 2))})
    bands = tuple(zip(cuts, cuts[1:], strict=False))
    banded = replace(plan, stages=band_stages(plan.stages, graph, [
        Chain(first=int(seed % 3 == 0), last=2, upward=upward, bands=bands[::-1] if upward else bands)]))
    placements = plan_memory(banded, graph, capacity=4096)
    agrees(banded.stages, placements, graph, random_inputs(rng, graph, 3)[2])


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


def test_what_a_band_reads_and_writes():
    rng = np.random.default_rng(0)
    kind = TensorType(shape=(8, 2, 3), scale=0.05, zero_point=0)
    first = random_layer(rng, "conv", kind, outputs=4, kernel=(3, 1), stride=(2, 1), padding=(0, 0, 1, 0))
    second = random_layer(rng, "depthwise", first.output, kernel=(3, 1), padding=(1, 0, 1, 0))
    graph = Graph(name="net", inputs=(kind,), layers=(first, second)).check()
    stages = band_stages(schedule(graph).stages, graph, [Chain(first=0, last=1, bands=((0, 2), (2, 4)))])
    assert [(stage.source, stage.output, stage.rows) for stage in stages] == [
        (0, 3, RowRange(out_first=0, out_rows=3, out_offset=0, in_first=0, in_rows=7, in_offset=0, top=0, bottom=0)),
        (3, 2, RowRange(out_first=0, out_rows=2, out_offset=0, in_first=0, in_rows=3, in_offset=0, top=1, bottom=0)),
        (0, 4, RowRange(out_first=1, out_rows=3, out_offset=0, in_first=2, in_rows=6, in_offset=12, top=0, bottom=1)),
        (4, 2, RowRange(out_first=2, out_rows=2, out_offset=16, in_first=1, in_rows=3, in_offset=0, top=0, bottom=1))]
    assert executed_macs(stages, graph) == graph.macs(0) * 6 // 4 + graph.macs(1)


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


def test_the_cpu_runs_no_bands():
    rng = np.random.default_rng(3)
    kind = TensorType(shape=(32, 2, 2), scale=0.05, zero_point=9)
    padding = same_padding(kind.shape, (3, 1), (1, 1))
    layers = [random_layer(rng, "conv", kind, outputs=8, kernel=(3, 1), padding=padding)]
    layers.append(random_layer(rng, "conv", layers[-1].output, outputs=3, kernel=(1, 1)))
    layers.append(random_kernel(rng, "requantize", layers[-1].output))
    layers.append(random_layer(rng, "conv", layers[-1].output, outputs=8, kernel=(3, 1), padding=padding))
    layers.append(random_layer(rng, "conv", layers[-1].output, outputs=2, kernel=(1, 1)))
    graph = Graph(name="cut", inputs=(kind,), layers=tuple(layers)).check()
    plan = fit_memory(graph, capacity=400)
    middle, = (at for at, stage in enumerate(plan.stages) if stage.cpu)
    assert plan.stages[middle].rows is None
    assert any(stage.rows for stage in plan.stages[:middle]) and any(stage.rows for stage in plan.stages[middle:])
    agrees(plan.stages, plan.placements, graph, random_inputs(rng, graph, 3)[2])
    with pytest.raises(CompileError, match="act_bytes=200; .* it does not fit band by band in 256 commands either"):
        fit_memory(graph, capacity=200)


def test_what_cannot_fit_says_so():
    rng = np.random.default_rng(2)
    graph = tall(rng, 3, ops=("conv",))
    with pytest.raises(CompileError, match=r"tall: input and output take \d+ and \d+ bytes, and they lie whole in the "
                                           r"scratchpad; act_bytes=64; raise act_bytes or narrow the network"):
        fit_memory(graph, capacity=64)
    with pytest.raises(CompileError, match=r"tall: 3 layers; a program holds 2; use a network of fewer"):
        fit_memory(graph, capacity=64, commands=2)
    with pytest.raises(CompileError, match=r"layer \d conv\d \(conv\): .*; it does not fit band by band in 3 commands"):
        fit_memory(graph, capacity=graph.input.size + 8, commands=3)
