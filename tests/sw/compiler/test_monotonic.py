"""More rows, columns, lanes, bandwidth or memory never cost cycles: where all of it would, the compiler uses a part.
Neither do fewer bits of weights, where the elements split theirs.

Left out: weight words twice as wide that stream through a ring of the same size; the single-port memory, whose tiles
are whole; more requantizers, which read more columns of an array at once and so have to wait for the last of them;
``depthwise_taps``, whose memories make all elements a cycle slower.
"""

from dataclasses import replace

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.presets import PRESETS
from sw.compiler import CompileError, compile_graph
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_layer, random_residual, same_padding
from tests.support.mlperf import needs_mlperf, network
from tests.support.narrow import narrowed, narrowed_but_first

MORE = ("rows", "cols", "lanes", "act_bytes", "weight_bytes", "stream_bytes")


def random_network(rng):
    """A layer of any kind, or a residual block."""
    op = str(rng.choice(["conv", "conv", "depthwise", "dense", "maxpool", "add"]))
    if op == "add":
        return random_residual(rng)
    height, width = (int(size) for size in rng.integers(1, 28, 2))
    channels = int(rng.choice([1, 2, 3, 4, 8, 12, 16, 17, 24, 32]))
    kind = TensorType(shape=(height, width, channels), scale=0.05, zero_point=3)
    kernel = (int(rng.integers(1, min(height, 4) + 1)), int(rng.integers(1, min(width, 4) + 1)))
    stride = tuple(int(step) for step in rng.integers(1, 3, 2))
    padding = same_padding(kind.shape, kernel, stride) if op in ("conv", "depthwise") else (0, 0, 0, 0)
    layer = random_layer(rng, op, kind, outputs=int(rng.integers(1, 40)), kernel=kernel, stride=stride, padding=padding)
    return Graph(name=op, inputs=(kind,), layers=(layer,))


def random_design(rng, *, streams):
    rows, cols, lanes = (1 << int(n) for n in rng.integers(0, 4, 3))
    requantizers = 1 << int(rng.integers(min(1, cols // 2), cols.bit_length()))
    return DesignPoint(rows=rows, cols=cols, lanes=lanes, requantizers=requantizers,
                       depthwise_taps=1 << int(rng.integers(0, lanes.bit_length())),
                       act_bytes=int(rng.choice([4096, 65536])),
                       weight_bytes=int(rng.choice([4096, 8192, 16384])) if streams else 524288,
                       stream_bytes=2 if streams else 0)


def pairs(seed, count):
    """Networks, designs that run them, and what is doubled in each."""
    rng = np.random.default_rng(seed)
    while count:
        graph = random_network(rng)
        try:
            streams = bool(rng.integers(2))
            design = random_design(rng, streams=streams)
            few = compile_graph(graph, design)
        except (SpecError, CompileError):
            continue
        count -= 1
        for name in MORE:
            if getattr(design, name) == 0:
                continue
            try:
                more = compile_graph(graph, replace(design, **{name: 2 * getattr(design, name)}))
            except (SpecError, CompileError):
                continue
            yield name, few, more


@pytest.mark.parametrize("seed", range(12))
def test_more_never_costs_cycles(seed):
    seen = set()
    for name, few, more in pairs(seed, 80):
        if more.streamed_bytes and name in ("cols", "lanes"):
            continue
        assert more.cycles <= few.cycles, (name, few.design, few.graph)
        seen.add(name)
    assert seen >= set(MORE)


def split_programs(seed, count):
    """Networks with weights of 8, 4, 2 bits and one, on designs that run them, with all in the scratchpad or not."""
    rng = np.random.default_rng(seed)
    while count:
        graph = random_network(rng)
        try:
            design = replace(random_design(rng, streams=bool(rng.integers(2))),
                             multiplier=("scalable", "scalable", "scalable-dsp")[count % 3])
            design = replace(design, requantizers=1 << int(rng.integers(1, design.most_tile_cols.bit_length())))
            programs = [compile_graph(narrowed(graph, lambda number, layer, bits=bits: bits), design)
                        for bits in (8, 4, 2, 1)]
        except (SpecError, CompileError):
            continue
        if len({len(program.layers) for program in programs}) > 1:      # the CPU has those whose digits are too many
            continue
        count -= 1
        yield programs


@pytest.mark.parametrize("seed", range(6))
def test_fewer_bits_never_cost_cycles(seed):
    for programs in split_programs(seed, 40):
        cycles = [program.cycles for program in programs]
        assert cycles == sorted(cycles, reverse=True), (cycles, programs[0].design, programs[0].graph)


@pytest.mark.parametrize("multiplier, weight_bits", [
    ("scalable", 8), ("scalable-dsp", 8), ("dsp", 8), ("lut", 4)])
def test_bits_pay_where_the_design_says_so(multiplier, weight_bits):
    """In a layer that multipliers bound; other widths take what the next wider one of those takes."""
    design = DesignPoint(rows=2, cols=2, lanes=4, requantizers=2, multiplier=multiplier, weight_bits=weight_bits)
    kind = TensorType(shape=(8, 8, 64), scale=0.05, zero_point=3)
    graph = Graph(name="pointwise", inputs=(kind,), layers=(
        random_layer(np.random.default_rng(1), "conv", kind, outputs=32, kernel=(1, 1)),))
    programs = {bits: compile_graph(narrowed(graph, lambda number, layer, bits=bits: bits), design)
                for bits in (8, 4, 2, 1) if bits <= weight_bits}
    taken = {bits: (program.cycles, len(program.image)) for bits, program in programs.items()}
    wider = taken[design.paying_bits[0]]
    for bits in list(taken)[1:]:
        if bits in design.paying_bits:
            assert all(np.array(taken[bits]) < 0.7 * np.array(wider)), bits
            wider = taken[bits]
        assert taken[bits] == wider, bits


@needs_mlperf
@pytest.mark.parametrize("name", ["kws", "ic", "ad", pytest.param("vww", marks=pytest.mark.slow)])
def test_fewer_bits_save_cycles_of_whole_networks(name):
    """On every preset; depthwise layers and the first one stay as they are."""
    for design in (replace(preset, multiplier="scalable") for preset in PRESETS.values() if preset.engine == "wide"):
        whole, half, quarter = (compile_graph(narrowed_but_first(network(name), bits), design) for bits in (8, 4, 2))
        assert whole.cycles > 1.2 * half.cycles > 1.2 * 1.1 * quarter.cycles, design
        assert len(whole.image) > 1.2 * len(half.image) > 1.2 * 1.1 * len(quarter.image), design


def test_a_small_layer_uses_a_part_of_a_large_array():
    """Four channels of a depthwise layer on an array for 64: the requantizers see only what is there."""
    kind = TensorType(shape=(18, 21, 4), scale=0.05, zero_point=3)
    graph = Graph(name="small", inputs=(kind,), layers=(
        random_layer(np.random.default_rng(1), "maxpool", kind, kernel=(1, 1)),))
    command = compile_graph(graph, DesignPoint(rows=8, cols=8, lanes=8, act_bytes=8192)).layers[0].command
    assert command["tile_rows"] * command["tile_cols"] == 4 == command["spacing"]
