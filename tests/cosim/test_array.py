"""The bare array under cocotb: every accumulator of random layers, with and without pauses."""

import numpy as np
import pytest

from cosim.array import build_array, run_array
from cosim.bench import build_bench
from cosim.process import SimulationError
from hw.emit.verilog import array_verilog
from hw.spec.design import DesignPoint
from hw.tools import ToolError
from sw.compiler import compile_graph
from sw.compiler.lower import pooling_scale
from sw.golden import accumulate, run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_inputs, random_layer

pytestmark = pytest.mark.sim

DESIGN = DesignPoint(rows=4, cols=2, lanes=2, multiplier="trunc", act_bytes=4096, weight_bytes=16384)


@pytest.fixture(scope="module")
def array(tmp_path_factory):
    return build_array(DESIGN, tmp_path_factory.mktemp("array"))


@pytest.fixture(scope="module")
def graph():
    """One layer of each operator, with padding, strides, and channels and pixels that do not fill the last tile."""
    rng, layers = np.random.default_rng(5), []
    kind = start = TensorType(shape=(6, 7, 3), scale=0.05, zero_point=9)
    for op, options in (("conv", {"outputs": 5, "stride": (2, 1), "padding": (1, 1, 0, 1)}),
                        ("depthwise", {"padding": (1, 1, 1, 1)}), ("avgpool", {"kernel": (2, 2)}),
                        ("dense", {"outputs": 3})):
        layers.append(random_layer(rng, op, kind, name=f"{op}_layer", **options))
        kind = layers[-1].output
    return Graph(name="all", input=start, layers=tuple(layers)).check()


def wanted(graph, tensors):
    for layer, taken, tensor in zip(graph.layers, graph.types(), tensors, strict=False):
        pooled = layer.op == "avgpool"
        scale = pooling_scale(layer.kernel[0] * layer.kernel[1], DESIGN.weight_bits)[0] if pooled else 1
        yield accumulate(layer, taken, tensor, DESIGN) * scale


@pytest.mark.parametrize("stalls", [None, 1])
def test_every_accumulator(array, graph, stalls):
    tensors = run(graph, random_inputs(np.random.default_rng(2), graph, 3), DESIGN)
    got = run_array(array, compile_graph(graph, DESIGN), tensors, stalls=stalls)
    for layer, mine, right in zip(graph.layers, got, wanted(graph, tensors), strict=True):
        assert np.array_equal(mine, right), layer.name


def test_a_bench_that_cannot_work_is_one_line(array, graph):
    tensors = run(graph, random_inputs(np.random.default_rng(2), graph, 1), DESIGN)
    program = compile_graph(graph, DesignPoint(rows=2, cols=4, lanes=4, act_bytes=4096, weight_bytes=16384))
    with pytest.raises(SimulationError, match=r"^bench cosim.array_bench: failed: drive: .*") as caught:
        run_array(array, program, tensors)
    assert "\n" not in str(caught.value)


def test_broken_verilog_is_one_line(tmp_path):
    broken = array_verilog(DESIGN).replace("endmodule", "", 1)
    with pytest.raises(ToolError, match=r"^verilator_bin: exit status 1: .*heddle_array.v"):
        build_bench(broken, "heddle_array", tmp_path)
