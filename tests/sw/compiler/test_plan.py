import numpy as np
import pytest

from sw.compiler.errors import CompileError
from sw.compiler.plan import Area, Piece, Placement, areas, live_bytes, peak_bytes, place, plan_memory
from sw.compiler.schedule import schedule
from tests.support.layers import random_residual
from tests.support.mlperf import needs_mlperf, network
from tests.support.stages import random_dag


def area(tensor, size, first, last):
    return Area(tensors=(tensor,), pieces=(Piece(offset=0, size=size, first=first, last=last),))


@needs_mlperf
@pytest.mark.parametrize("name, peak", [("kws", 16000), ("ic", 32768), ("vww", 55296), ("ad", 768)])
def test_networks_take_no_more_than_their_largest_layer(name, peak):
    graph = network(name)
    plan = schedule(graph)
    assert max(live_bytes(areas(plan, graph), len(plan.stages))) == peak
    assert peak_bytes(plan_memory(plan, graph, capacity=peak)) == peak


def test_sums_lie_on_their_residual():
    graph = random_residual(np.random.default_rng(3))
    plan = schedule(graph)
    placements = plan_memory(plan, graph, capacity=4096)
    sums = [stage for stage in plan.stages if stage.add is not None]
    assert sums and all(placements[stage.output] == placements[stage.residual] for stage in sums)


def test_plans_are_aligned_and_repeatable():
    for seed in range(10):
        graph = random_dag(np.random.default_rng(seed), 7, cpu=seed % 2 == 0)
        plan = schedule(graph)
        first = plan_memory(plan, graph, capacity=8192, alignment=8)
        assert first == plan_memory(plan, graph, capacity=8192, alignment=8)
        assert all(placed.address % 8 == 0 for placed in first.values())


def test_areas_that_never_meet_share_their_place():
    assert place([area(0, 8, 0, 1), area(1, 8, 2, 3)], capacity=8, alignment=4) == [0, 0]
    assert place([area(0, 8, 0, 2), area(1, 8, 2, 3)], capacity=15, alignment=4) is None


def test_an_output_grows_into_its_input():
    source = Area(tensors=(0,), pieces=tuple(Piece(offset=8 * at, size=8, first=0, last=at) for at in range(4)))
    sink = Area(tensors=(1,), pieces=tuple(Piece(offset=8 * at, size=8, first=at, last=4) for at in range(4)))
    assert place([source, sink], capacity=40, alignment=4) == [8, 0]
    assert place([source, sink], capacity=39, alignment=1) is None
    assert (source.top, sink.top) == (True, False)


def test_a_plan_that_does_not_fit_names_the_stage():
    graph = random_residual(np.random.default_rng(3))
    with pytest.raises(CompileError, match=r"^layer \d conv\d \(conv\): the tensors that live there take (\d+) bytes; "
                                           r"act_bytes=64; raise act_bytes or narrow the network$"):
        plan_memory(schedule(graph), graph, capacity=64)


def test_placements_overlap_only_where_they_share_bytes():
    first = Placement(address=0, size=8)
    assert first.overlaps(Placement(address=7, size=1)) and not first.overlaps(Placement(address=8, size=1))
