"""The sequencer reads nothing outside the regions of its layer, however it is paused."""

from types import SimpleNamespace

import numpy as np
import pytest

from hw.formal.regions import RunContract
from hw.gateware.sequencer import Sequencer
from hw.spec.design import DesignPoint
from hw.spec.timing import table_words
from sw.compiler import CompileError, compile_graph
from tests.support.layers import random_graph, random_residual, with_tables
from tests.support.simulate import simulate

#: a command fills one weight word
KINDS = {"columns": DesignPoint(rows=2, cols=8, lanes=8, requantizers=8, depthwise_taps=4, act_bytes=8192),
         "kept": DesignPoint(rows=2, cols=8, lanes=8, requantizers=8, dataflow="weight", act_bytes=8192),
         "tabled": DesignPoint(rows=2, cols=8, lanes=8, requantizers=8, table_unit=True, act_bytes=8192),
         "rows": DesignPoint(rows=4, cols=16, lanes=4, requantizers=4, act_bytes=8192)}
WAYS = {"window": ("columns", "depthwise"), "broadcast": ("rows", "conv"), "local": ("kept", "conv"),
        "uniform": ("rows", "avgpool"), "depthwise": ("rows", "depthwise"),
        "table": ("tabled", "conv"), "opcode": ("rows", "conv")}


def small_layer(way, monkeypatch, seed):
    """A small layer that runs in the given way, and its program."""
    name, op = WAYS[way]
    monkeypatch.setattr("sw.compiler.compile.layer_cycles", lambda _, command: SimpleNamespace(total=-command[way]))
    rng = np.random.default_rng(seed)
    for _ in range(1000):
        try:
            graph = random_graph(rng, ops=(op,), layers=1)
            program = compile_graph(with_tables(rng, graph) if way == "table" else graph, KINDS[name])
        except CompileError:
            continue
        if program.layers[0].command[way] and 100 < program.cycles < 1500:
            return program
    raise AssertionError(f"no small layer with {way}")


def regions(unit, program, *, layer=0, moved=0, fewer=0, shorter=0):
    plan, source = program.layers[layer], program.input
    first, size = (source.address, source.size) if layer == 0 else (0, program.design.act_bytes)
    beyond = (program.design.rows - plan.command["tail_rows"]) * plan.command["out_row_bytes"]
    return RunContract(unit, plan.command, source=range(first + moved, first + size),
                       output=range(plan.output.address, plan.output.address + plan.output.size + beyond - shorter),
                       words=plan.weight_words - fewer)


def run(program, seed, **changes):
    """Run the layer twice under random pauses; returns how many words of activations were fetched."""
    dut, fetched = Sequencer(program.design), 0

    async def drive(ctx):
        nonlocal fetched
        rng = np.random.default_rng(seed)
        ctx.set(dut.start, 1)
        ctx.set(dut.drained, 1)
        for pause in rng.random(2 * program.cycles) < 0.3:
            ctx.set(dut.pause, int(pause))
            await ctx.tick()
            fetched += ctx.get(dut.fetch_valid)

    simulate(dut, drive, contracts=[regions(dut, program, **changes)])
    return fetched


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_read_outside_a_layers_regions(way, seed, monkeypatch):
    assert run(small_layer(way, monkeypatch, seed), seed) > 6


def residual_add(seed):
    """A program and the number of its command that adds."""
    rng = np.random.default_rng(seed)
    while True:
        program = compile_graph(random_residual(rng), KINDS["columns"])
        adds = [n for n, layer in enumerate(program.layers) if layer.command["add"]]
        if program.cycles < 1500 and adds and program.layers[adds[0]].output.size > 8:
            return program, adds[0]


def test_what_outputs_are_added_to_lies_where_they_go():
    program, layer = residual_add(0)
    assert run(program, 0, layer=layer) > 6
    with pytest.raises(AssertionError, match="an operand outside the output"):
        run(program, 0, layer=layer, shorter=program.layers[layer].output.size)


def test_a_table_longer_than_its_words_is_noticed(monkeypatch):
    program = small_layer("table", monkeypatch, 0)
    plan, shorter = program.layers[0], table_words(program.design) - 1
    with pytest.raises(AssertionError, match="a word outside the layer's weights"):
        run(program, 0, fewer=plan.weight_words - shorter)


@pytest.mark.parametrize("changes, message", [
    ({"moved": 1}, "a fetch outside the input"), ({"fewer": 1}, "a word outside the layer's weights")])
def test_a_read_outside_is_noticed(changes, message, monkeypatch):
    with pytest.raises(AssertionError, match=message):
        run(small_layer("opcode", monkeypatch, 0), 0, **changes)
