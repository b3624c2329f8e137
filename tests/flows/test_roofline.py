from flows.roofline import roofline
from flows.sizing import fit_memories
from hw.spec.design import DesignPoint
from tests.sw.golden.nets import small_net


def test_the_roof_is_below_what_the_engine_takes():
    graph = small_net(2)
    for design in (DesignPoint(rows=2, cols=4, lanes=4), DesignPoint(rows=1, cols=2, lanes=4, requantizers=2)):
        for index, plan in enumerate(fit_memories(graph, design).layers):
            assert 0 < roofline(graph, index, design).cycles < plan.cycles


def test_the_bound_is_the_limit_that_binds():
    graph = small_net(2)
    # conv: 5 channels of 3x3x3 at 24 places are 3240 products and 120 outputs
    assert roofline(graph, 0, DesignPoint(rows=2, cols=4, lanes=4)).bound == "requantizers"
    wide = roofline(graph, 0, DesignPoint(rows=1, cols=2, lanes=4))
    assert (wide.cycles, wide.bound) == (405, "multipliers")
