"""The engine's RTL against golden and the cycle model: bus traffic, a stalling bus, and faults that must be noticed."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from cosim.engine import build_engine, build_engine_bench, run_engine, run_engine_bench
from cosim.process import SimulationError
from hw.spec.design import DesignPoint
from hw.spec.fields import counts
from hw.spec.timing import MODE_LEAD_CYCLES, command_words, element_latency, requantize_latency, table_cycles
from sw.compiler import CompileError, compile_graph
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.engines import check_exact, check_outputs, random_programs
from tests.support.images import program_of, with_changed_command, with_flipped_bit
from tests.support.layers import random_cut, random_inputs, random_layer
from tests.support.stages import residual_block

pytestmark = pytest.mark.sim

DESIGN = DesignPoint(rows=2, cols=4, lanes=2, multiplier="trunc", act_bytes=4096, weight_bytes=16384)
SPRAM = DesignPoint(engine="compact", rows=1, cols=4, lanes=4, multiplier="mac16", requantizer_cycles=2,
                    requantizer_dsps=0, memory="spram", act_bytes=131072, weight_bytes=4096, cpu="serv")
WIDE_SPRAM = replace(SPRAM, lanes=8)
TALL = DesignPoint(rows=16, cols=4, lanes=4, act_bytes=8192, weight_bytes=16384)
#: Sums of the second turn come later than the requantizers could begin.
LAGGING = replace(DESIGN, requantizers=2, table_unit=True)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return build_engine(DESIGN, tmp_path_factory.mktemp("truncated"))


def test_every_bit_cycle_and_counter(engine):
    for program, inputs in random_programs(DESIGN, 30, seed=1, inputs=6):
        check_exact(engine, program, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("lead", [MODE_LEAD_CYCLES, 15])
def test_sixteen_rows_share_a_word(lead, tmp_path, monkeypatch):
    """The first one that comes, too; with modes that may arrive later, the last rows get it wrong."""
    monkeypatch.setattr("hw.gateware.array.MODE_LEAD_CYCLES", lead)
    monkeypatch.setattr("sw.compiler.compile._preference", lambda design, lowered: -lowered.command["broadcast"])
    simulator, rng = build_engine(TALL, tmp_path), np.random.default_rng(3)
    image = TensorType(shape=(4, 40, 3), scale=0.05, zero_point=9, bits=8)
    conv = random_layer(rng, "conv", image, name="conv", weight_bits=8, inputs=(0,), outputs=5, padding=(1, 1, 1, 1))
    program = compile_graph(Graph(name="wide", inputs=(image,), layers=(conv,)).check(), TALL)
    assert program.layers[0].command["broadcast"]
    with pytest.raises(AssertionError) if lead > MODE_LEAD_CYCLES else nullcontext():
        check_outputs(simulator, program, random_inputs(rng, program.graph, 3))


def test_a_residual_and_two_readers_in_bands(tmp_path):
    """The sum exists one band at a time; where it is the output, the residual's rows are copied to their place."""
    rng, small = np.random.default_rng(6), replace(DESIGN, act_bytes=2048)
    simulator = build_engine(small, tmp_path)
    graph = residual_block(rng, TensorType(shape=(16, 8, 2), scale=0.05, zero_point=9), 12)
    for part, names in ((graph, {"stem", "down", "pool"}),
                        (replace(graph, layers=graph.layers[:4], outputs=()), {"copy"})):
        program = compile_graph(part.check(), small)
        assert {"first", "second+add", *names} == {plan.name for plan in program.layers if plan.stage.rows}
        check_exact(simulator, program, random_inputs(rng, part, 3))


def test_bus_traffic_changes_no_bit(engine):
    slower = 0
    for seed, (program, inputs) in enumerate(random_programs(DESIGN, 40, seed=2, inputs=6), 1):
        got = check_outputs(engine, program, inputs, traffic=seed)
        slower += int((got.cycles > program.cycles).sum())
    assert slower


def test_a_read_waits_for_a_block_that_streams_however_long(tmp_path):
    """Longer than a bus takes to be called dead where nothing streams."""
    design = replace(DESIGN, multiplier="dsp", acc_bits=28, act_bytes=16384, weight_bytes=65536,
                     stream_bytes=2)
    rng, kind = np.random.default_rng(3), TensorType(shape=(1, 1, 8000), scale=0.1, zero_point=1)
    graph = Graph(name="long", inputs=(kind,), layers=(random_layer(rng, "dense", kind, outputs=12),)).check()
    program = compile_graph(graph, design)
    assert program.streamed_bytes and program.cycles > 40_000
    simulator, inputs = build_engine(design, tmp_path), random_inputs(rng, graph, 1)
    check_exact(simulator, program, inputs)
    check_outputs(simulator, program, inputs, traffic=1)


@pytest.mark.parametrize("design", [
    DESIGN, pytest.param(SPRAM, marks=pytest.mark.slow),
    replace(DESIGN, weight_bytes=2048, stream_bytes=2, weight_bits=4, multiplier="dsp")])
def test_the_golden_model_stands_for_the_cpu_between_runs(design, tmp_path):
    simulator, rng, done = build_engine(design, tmp_path), np.random.default_rng(8), 0
    while done < 6:
        graph = random_cut(rng, weight_bits=design.weight_bits)
        try:
            program = compile_graph(graph, design)
        except CompileError:
            continue
        if design is not DESIGN and not program.streamed_bytes:     # a few weights do not stream
            continue
        inputs = random_inputs(rng, graph, 3)
        check_exact(simulator, program, inputs)
        check_outputs(simulator, program, inputs, traffic=1, stalls=done)
        done += 1
        assert len(program.kernels)


@pytest.mark.slow
def test_several_runs_under_cocotb(tmp_path):
    build_engine_bench(DESIGN, tmp_path)
    rng = np.random.default_rng(1)
    graph = random_cut(rng)
    program, inputs = compile_graph(graph, DESIGN), random_inputs(rng, graph, 2)
    got = run_engine_bench(tmp_path, program.image, inputs, seed=1)
    assert np.array_equal(got, run(graph, inputs, DESIGN)[-1].reshape(2, -1))


def test_under_cocotb_on_a_stalling_bus(tmp_path):
    build_engine_bench(DESIGN, tmp_path)
    for seed, (program, inputs) in enumerate(random_programs(DESIGN, 3, seed=3)):
        got = run_engine_bench(tmp_path, program.image, inputs, seed=seed)
        assert np.array_equal(got, run(program.graph, inputs, DESIGN)[-1].reshape(3, -1))


@pytest.mark.parametrize("design", [DESIGN, SPRAM, pytest.param(WIDE_SPRAM, marks=pytest.mark.slow)])
def test_a_command_that_is_wrong_stops_the_engine(design, tmp_path):
    """With an error and its place, also on designs that keep a part of the command elsewhere; then it runs again."""
    simulator = build_engine(design, tmp_path)
    program, inputs = next((program, inputs) for program, inputs in random_programs(design, 20, seed=5)
                           if len(program.layers) > 1)
    start = program_of(program.image)
    last = len(program.layers) - 1 + bool(program.streamed_bytes)
    words = command_words(design)
    damaged = {f"BAD_CHECKSUM {bit}": with_flipped_bit(program, weight_word=start + last * words, bit=bit)
               for bit in (40, 130, 260, 300, 365, 500)}
    wrong = {"BAD_MAGIC": with_flipped_bit(program, weight_word=start + last * words, bit=3),
             "BAD_OPCODE": with_changed_command(program, last, opcode=7),
             **{f"ZERO_COUNT {name}": with_changed_command(program, last, **{name: 0})
                for name in {"groups", "out_width", "kernel_rows"} & set(counts(design))}, **damaged}
    for error, image in wrong.items():
        with pytest.raises(SimulationError, match=rf"error {error.split()[0]}, layer {len(program.layers) - 1}\), "
                                                  rf"PC {start + last * words:#x}"):
            run_engine(simulator, image, inputs)
    check_exact(simulator, program, inputs)


def less(function):
    return lambda design, **options: function(design, **options) - 1


#: what is changed while the Verilog is made
FAULTS = {
    "sums are read a cycle early": ("hw.gateware.drain.element_latency", less(element_latency)),
    "a requantizer answers a cycle late": ("hw.gateware.drain.requantize_latency", less(requantize_latency)),
    "sums wait too short for their turn": ("hw.gateware.drain.drain_lag_cycles", lambda design, **turns: 0),
    "parameters are kept for one block": ("hw.gateware.params.SETS", 1),
    "operands of one tile wait for the add": ("hw.gateware.residual.RESIDUAL_TILES", 1),
    "a write is believed done a cycle early": ("hw.gateware.store.WRITE_LATENCY", 1),
    "the log takes a cycle more": ("hw.gateware.sequencer.LOG_CYCLES", 6),
    "looking up takes a cycle more": ("hw.gateware.table.TABLE_LATENCY", 3),
    "the last entries are not loaded": ("hw.gateware.sequencer.table_cycles", lambda design: table_cycles(design) - 1),
}
QUICK = "sums are read a cycle early"


@pytest.mark.parametrize("fault", [pytest.param(name, marks=() if name == QUICK else pytest.mark.slow)
                                   for name in FAULTS])
def test_a_fault_in_the_gateware_is_noticed(fault, tmp_path, monkeypatch):
    monkeypatch.setattr(*FAULTS[fault])
    wrong = build_engine(LAGGING, tmp_path)
    monkeypatch.undo()
    noticed = 0
    for program, inputs in random_programs(LAGGING, 30, seed=1):
        try:
            check_exact(wrong, program, inputs)
        except (AssertionError, SimulationError):
            noticed += 1
    assert noticed
