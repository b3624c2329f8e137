"""The bare array under cocotb: every accumulator of random layers, with and without pauses."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cosim.array import build_array, run_array
from cosim.bench import build_bench
from cosim.process import SimulationError
from hw.emit.verilog import array_verilog
from hw.spec.design import DesignPoint
from hw.tools import run as run_tool
from sw.compiler import compile_graph
from sw.compiler.channels import pooling_scale
from sw.golden import accumulate, run
from sw.graph.graph import Graph, TensorType
from tests.support.branches import random_branches
from tests.support.images import with_flipped_bit
from tests.support.layers import random_add, random_graph, random_inputs, random_layer
from tests.support.narrow import narrowed

pytestmark = pytest.mark.sim

DESIGN = DesignPoint(rows=4, cols=4, lanes=2, multiplier="trunc", act_bytes=4096, weight_bytes=16384)
EVEN = random_graph(np.random.default_rng(11), layers=1, ops=("conv",))     # what a memory of even addresses can run


@pytest.fixture(scope="module")
def array(tmp_path_factory):
    return build_array(DESIGN, tmp_path_factory.mktemp("array"))


@pytest.fixture(scope="module")
def graph():
    """One layer of each operator, with padding, strides, and channels and pixels that do not fill the last tile."""
    return every_operator(DESIGN)


def every_operator(design):
    rng, layers = np.random.default_rng(5), []
    half = 1 << design.act_bits - 1
    kind = start = TensorType(shape=(6, 7, 3), scale=0.05, zero_point=9 % half, bits=design.act_bits)
    for op, options in (("conv", {"outputs": 5, "stride": (2, 1), "padding": (1, 1, 0, 1)}),
                        ("depthwise", {"padding": (1, 1, 1, 1)}), ("maxpool", {"kernel": (1, 2)}),
                        ("conv", {"outputs": 5, "kernel": (1, 3), "padding": (0, 1, 0, 1)}), ("add", {}),
                        ("avgpool", {"kernel": (2, 2)}), ("dense", {"outputs": 3})):
        inputs = (len(layers),)
        if op == "add":
            layers.append(random_add(rng, (len(layers) - 1, len(layers)), [layers[-2].output, kind], name="sum"))
        else:
            layers.append(random_layer(rng, op, kind, name=f"{op}{len(layers)}", weight_bits=design.weight_bits,
                                       act_bits=design.act_bits, inputs=inputs, **options))
        kind = layers[-1].output
    return Graph(name="all", inputs=(start,), layers=tuple(layers)).check()


def wanted(graph, tensors, design):
    for index, layer in enumerate(graph.layers):
        if layer.op == "add":
            yield None
            continue
        number, = graph.inputs_of(index)
        taps = {"avgpool": layer.kernel[0] * layer.kernel[1], "maxpool": 1}.get(layer.op)
        scale = pooling_scale(taps, design.weight_bits)[0] if taps else 1
        yield accumulate(layer, graph.types()[number], tensors[number], design) * scale


@pytest.mark.parametrize("kind, split", [("scalable", 0), ("scalable", 1), ("scalable", 2), ("scalable-dsp", 0),
                                         ("scalable-dsp", 1)])
@pytest.mark.slow
def test_sums_of_digits(kind, split, tmp_path):
    design = DesignPoint(rows=4, cols=4, lanes=2, multiplier=kind, act_bytes=4096, weight_bytes=16384)
    graph = narrowed(every_operator(design), lambda number, layer: 8 >> split)
    program = compile_graph(graph, design)
    assert split in {plan.command["split"] for plan in program.layers}
    assert differing(build_array(design, tmp_path), graph, design, program, stalls=1) == []


def differing(array, graph, design, program, *, stalls=None):
    """Names of the layers whose accumulators are not all as they should be."""
    inputs = random_inputs(np.random.default_rng(2), graph, 3)
    tensors = run(graph, inputs, design)
    got = run_array(array, program, tensors, stalls=stalls)
    pairs = zip(graph.layers, got, wanted(graph, tensors, design), strict=True)
    return [layer.name for layer, mine, right in pairs if not np.array_equal(mine, right)]


@pytest.mark.parametrize("stalls", [None, 1])
def test_every_accumulator(array, graph, stalls):
    assert not differing(array, graph, DESIGN, compile_graph(graph, DESIGN), stalls=stalls)


KINDS = {
    "columns": {"rows": 4, "cols": 4, "depthwise_taps": 4, "requantizers": 4},
    "kept": {"rows": 2, "cols": 4, "dataflow": "weight"},
    "packed": {"rows": 2, "cols": 4, "weight_bits": 4, "multiplier": "packed"},
    "packed binary": {"rows": 2, "cols": 4, "weight_bits": 1, "multiplier": "packed", "depthwise_taps": 2},
    "binary": {"rows": 2, "cols": 4, "weight_bits": 1, "multiplier": "lut"},
    "narrow": {"rows": 2, "cols": 4, "act_bits": 4, "weight_bits": 2, "multiplier": "lut", "depthwise_taps": 2},
    "spram": {"engine": "compact", "rows": 1, "cols": 4, "memory": "spram", "multiplier": "mac16",
              "requantizer_cycles": 2, "requantizer_dsps": 0, "act_bytes": 131072, "cpu": "serv"},
}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["window", "local", "broadcast", "uniform"])
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_and_way(name, way, tmp_path_factory, monkeypatch):
    """Also the ways to run a layer that are not the fastest."""
    design = DesignPoint(**{"lanes": 4, "act_bytes": 4096, "weight_bytes": 16384, **KINDS[name]})
    monkeypatch.setattr("sw.compiler.compile.layer_cycles", lambda _, command: SimpleNamespace(total=-command[way]))
    folder = tmp_path_factory.getbasetemp() / f"array_{name}"
    array = folder if (folder / "heddle_array").exists() else build_array(design, folder)
    graph = EVEN if design.memory == "spram" else every_operator(design)
    assert not differing(array, graph, design, compile_graph(graph, design), stalls=3)


@pytest.mark.parametrize("kind", ["fire", "dense", "unet"])
def test_channels_that_lie_apart(array, kind):
    """Sums are told by the addresses that their outputs have."""
    graph = random_branches(np.random.default_rng(1), kind)
    program = compile_graph(graph, replace(DESIGN, act_bytes=16384))
    assert any(plan.output.pitch for plan in program.layers)
    tensors = run(graph, random_inputs(np.random.default_rng(2), graph, 3), DESIGN)
    for index, (layer, found) in enumerate(zip(graph.layers, run_array(array, program, tensors), strict=True)):
        assert (found is None) == (layer.op in ("concat", "resize"))
        if found is not None:
            number, = graph.inputs_of(index)
            scale = pooling_scale(1, DESIGN.weight_bits)[0] if layer.op == "maxpool" else 1
            right = accumulate(layer, graph.types()[number], tensors[number], DESIGN) * scale
            assert np.array_equal(found, right), layer.name


def test_a_wrong_weight_is_seen(array, graph):
    program = compile_graph(graph, DESIGN)
    layer = program.layers[1]
    last_word = layer.command["weight_base"] + layer.weight_words - 1
    wrong = replace(program, image=with_flipped_bit(program, weight_word=last_word, bit=0))
    assert differing(array, graph, DESIGN, wrong) == [graph.layers[1].name]


def test_a_bench_that_cannot_work_is_one_line(array, graph):
    tensors = run(graph, random_inputs(np.random.default_rng(2), graph, 1), DESIGN)
    program = compile_graph(graph, DesignPoint(rows=2, cols=4, lanes=4, act_bytes=4096, weight_bytes=16384))
    with pytest.raises(SimulationError, match=r"^bench cosim.array_bench: failed: drive: .*") as caught:
        run_array(array, program, tensors)
    assert "\n" not in str(caught.value)


@pytest.mark.synth
@pytest.mark.parametrize("parameter", ["", "TOPADDSUB_UPPERINPUT", "BOTADDSUB_LOWERINPUT"])
def test_multiplier_blocks_are_set_up_as_yosys_knows_them(parameter, tmp_path):
    """Yosys's own model of the cell, which knows all of its modes, instead of ours; a wrong parameter is seen."""
    design = DesignPoint(**{"lanes": 4, "weight_bytes": 16384, **KINDS["spram"]})
    text, changed = array_verilog(design), 0
    if parameter:
        text, changed = re.subn(rf"\.{parameter}\((\d)'h1\)", rf".{parameter}(\1'h0)", text)
    assert changed == (design.cols if parameter else 0)
    (tmp_path / "array.v").write_text(text)
    (tmp_path / "run.ys").write_text("\n".join([
        "read_verilog -sv array.v", "read_verilog -defer +/ice40/cells_sim.v", "hierarchy -top heddle_array", "proc",
        "flatten", "clean", "write_verilog -noattr flat.v", ""]))
    run_tool(["yosys", "run.ys"], cwd=tmp_path, timeout_s=300, log=tmp_path / "yosys.log")
    flat = (tmp_path / "flat.v").read_text()
    assert "SB_MAC16 #(" not in flat and "*" in flat
    array = build_bench(flat, "heddle_array", tmp_path / "bench")
    names = [layer.name for layer in EVEN.layers]
    assert differing(array, EVEN, design, compile_graph(EVEN, design)) == (names if parameter else [])
