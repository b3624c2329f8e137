from dataclasses import replace

import numpy as np
import pytest

from sw.compiler.bands import Cutter, executed_macs
from sw.compiler.chains import Chain, band_stages
from sw.compiler.plan import areas, live_bytes, plan_memory
from sw.compiler.proof import runs_in_rows
from sw.compiler.schedule import RowRange, schedule
from sw.graph.graph import Constant, Graph, TensorType
from tests.support.layers import made_kernel, random_inputs, random_layer
from tests.support.stages import agrees, random_dag, tall


@pytest.mark.parametrize("upward", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_bands_compute_the_same(seed, upward):
    rng = np.random.default_rng(seed)
    graph = tall(rng, 4)
    plan, height = schedule(graph), graph.layers[2].output.shape[0]
    cuts = sorted({0, height, *(int(n) for n in rng.integers(1, height, 2))})
    bands = tuple(zip(cuts, cuts[1:], strict=False))
    banded = replace(plan, stages=band_stages(plan, graph, [
        Chain(first=int(seed % 3 == 0), last=2, upward=upward, bands=bands[::-1] if upward else bands)]))
    placements = plan_memory(banded, graph, capacity=4096)
    agrees(banded.stages, placements, graph, random_inputs(rng, graph, 3)[2])


def test_what_a_band_reads_and_writes():
    rng = np.random.default_rng(0)
    kind = TensorType(shape=(8, 2, 3), scale=0.05, zero_point=0)
    first = random_layer(rng, "conv", kind, outputs=4, kernel=(3, 1), stride=(2, 1), padding=(0, 0, 1, 0))
    second = random_layer(rng, "depthwise", first.output, kernel=(3, 1), padding=(1, 0, 1, 0))
    graph = Graph(name="net", inputs=(kind,), layers=(first, second)).check()
    stages = band_stages(schedule(graph), graph, [Chain(first=0, last=1, bands=((0, 2), (2, 4)))])
    assert [(stage.source, stage.output, stage.rows) for stage in stages] == [
        (0, 3, RowRange(out_first=0, out_rows=3, out_offset=0, in_first=0, in_rows=7, in_offset=0, top=0, bottom=0)),
        (3, 2, RowRange(out_first=0, out_rows=2, out_offset=0, in_first=0, in_rows=3, in_offset=0, top=1, bottom=0)),
        (0, 4, RowRange(out_first=1, out_rows=3, out_offset=0, in_first=2, in_rows=6, in_offset=12, top=0, bottom=1)),
        (4, 2, RowRange(out_first=2, out_rows=2, out_offset=16, in_first=1, in_rows=3, in_offset=0, top=0, bottom=1))]
    assert executed_macs(stages, graph) == graph.macs(0) * 6 // 4 + graph.macs(1)


def cuts(rng, height):
    """Bands of all rows, from the top."""
    ends = sorted({0, height, *(int(n) for n in rng.integers(1, height, 3))})
    return tuple(zip(ends, ends[1:], strict=False))


def longest(plan, graph):
    """The most stages that may be a chain, the first and the last."""
    able = [stage.layer is None and not stage.cpu or stage.layer is not None
            and runs_in_rows(graph.layers[stage.layer], graph.taken(stage.layer)) for stage in plan.stages]
    runs = [(first, last) for first in range(len(able)) for last in range(first, len(able))
            if all(able[first:last + 1])]
    return max(runs, key=lambda run: run[1] - run[0])


@pytest.mark.parametrize("upward", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_any_stages_compute_the_same_in_bands(seed, upward):
    """Residuals, tensors of several readers, and the CPU's layers; no band takes more than is counted for it."""
    rng = np.random.default_rng(seed)
    graph = random_dag(rng, 9, cpu=True, shape=(9, 2, 3))
    plan = schedule(graph)
    first, last = longest(plan, graph)
    bands = cuts(rng, 9)
    chain = Chain(first=first, last=last, upward=upward, bands=bands[::-1] if upward else bands)
    banded = replace(plan, stages=band_stages(plan, graph, [chain]))
    placements = plan_memory(banded, graph, capacity=8192)
    agrees(banded.stages, placements, graph, random_inputs(rng, graph, 3)[2])
    flow, others = Cutter(graph, plan, False).flow(first, last)
    state, counted = flow.start(), 0.0
    for band in chain.bands:
        needed = flow.needed(state, *band, upward)
        assert needed <= flow.needed(state, *band, upward, apart=True)
        counted = max(counted, others + needed)
        state = flow.after(state, flow.demand(state, band[0 if upward else 1], upward)[0])
    live = live_bytes(areas(banded, graph), len(banded.stages))
    assert max(live[first:len(live) - (len(plan.stages) - 1 - last)]) <= counted


def woven(rng):
    """Channels that are put together, padded and multiplied by a constant, on the CPU, between convolutions."""
    kind = TensorType(shape=(12, 2, 4), scale=0.05, zero_point=3)
    factors = TensorType(shape=(1, 1, 4), scale=0.01, zero_point=0)
    constant = Constant(type=factors, values=rng.integers(-128, 128, (1, 1, 4)).astype(np.int8))
    first = random_layer(rng, "conv", kind, outputs=4, kernel=(3, 1), padding=(1, 0, 1, 0), name="first")
    scaled = made_kernel("mul", first.output, [(1 << 30, 6)], name="scaled", inputs=(1, 2))
    largest = made_kernel("maximum", first.output, name="largest", inputs=(2, 3))
    wide = replace(first.output, shape=(12, 2, 6))
    padded = made_kernel("pad", wide, name="padded", inputs=(4,),
                         parameters=(0, 0, 0, 0, 0, 0, 1, 1, 0, first.output.zero_point))
    both = made_kernel("concat", replace(wide, shape=(12, 2, 10)), name="both", inputs=(5, 4), parameters=(-1,))
    last = random_layer(rng, "conv", both.output, outputs=3, kernel=(3, 1), padding=(1, 0, 1, 0), name="last",
                        inputs=(6,))
    return Graph(name="woven", inputs=(kind,), constants=(constant,),
                 layers=(first, replace(scaled, output=first.output), largest, padded, both, last)).check()


@pytest.mark.parametrize("upward", [False, True])
def test_layers_of_the_cpu_in_a_chain(upward):
    rng = np.random.default_rng(0)
    graph = woven(rng)
    plan = schedule(graph)
    bands = ((0, 3), (3, 4), (4, 9), (9, 12))
    chain = Chain(first=0, last=len(plan.stages) - 1, upward=upward, bands=bands[::-1] if upward else bands)
    banded = replace(plan, stages=band_stages(plan, graph, [chain]))
    assert sum(stage.loads for stage in banded.stages) == 1
    assert sum(stage.cpu and stage.rows is not None for stage in banded.stages) == 4 * 4
    assert max(live_bytes(areas(banded, graph), len(banded.stages))) < max(live_bytes(areas(plan, graph), 7))
    agrees(banded.stages, plan_memory(banded, graph, capacity=4096), graph, random_inputs(rng, graph, 3)[2])


def test_rows_that_are_no_rows():
    """What takes rows from elsewhere, or all of them."""
    kind = TensorType(shape=(4, 2, 3), scale=0.05, zero_point=0)

    def rows(op, output=kind, taken=(kind,), **fields: object) -> bool:
        return runs_in_rows(made_kernel(op, output, **fields), list(taken))

    assert rows("table") and rows("mul", taken=(kind, replace(kind, shape=(1, 1, 3))))
    assert not rows("table", views=((2, 4, 3),))
    assert not rows("mul", taken=(kind, replace(kind, shape=(2, 2, 3))))
    assert rows("concat", parameters=(-1,)) and rows("concat", parameters=(-2,))
    assert not rows("concat", parameters=(-3,))
    assert rows("pad", parameters=(0, 0, 0, 1, 0, 0, 0, 2, 0, 5))
    assert not any(rows("pad", parameters=(*some, 0, 0, 0, 0, 0, 0, 5)) for some in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    assert not any(rows(op) for op in ("gather", "resize", "mean", "softmax"))
