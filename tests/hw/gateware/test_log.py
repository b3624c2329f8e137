"""The layer log, and the registers that may be kept in it."""

import pytest

from hw.gateware.log import LayerLog, RegisterLog
from hw.spec.commands import COUNTERS, LAYER_LOG_ENTRIES
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from hw.spec.registers import LAYER_LOG, LOG_WORDS, REGISTERS, VERSION
from tests.support.simulate import simulate

COMPACT = PRESETS["up5k"]
WORD = {name: offset // 4 for name, (offset, _) in REGISTERS.items()}


async def read(ctx, dut, word):
    ctx.set(dut.address, word)
    for _ in range(dut.latency):
        await ctx.tick()
    return ctx.get(dut.data)


async def until_ready(ctx, dut):
    cycles = 0
    while not ctx.get(dut.ready):
        await ctx.tick()
        cycles += 1
    return cycles


def test_registers_have_words_that_no_counter_has():
    assert len(COUNTERS) < LOG_WORDS and max(WORD.values()) < LAYER_LOG_ENTRIES


@pytest.mark.parametrize("kind, design", [(RegisterLog, COMPACT), (LayerLog, DesignPoint())])
def test_counters_are_read_where_they_were_written(kind, design):
    dut = kind(design)
    words = {entry * LOG_WORDS + number: 100 * entry + number for entry in (0, 1, LAYER_LOG_ENTRIES - 1)
             for number in range(len(COUNTERS))}

    async def bench(ctx):
        await until_ready(ctx, dut)
        ctx.set(dut.write, 1)
        for word, value in words.items():
            ctx.set(dut.write_address, word)
            ctx.set(dut.write_data, value)
            await ctx.tick()
        ctx.set(dut.write, 0)
        for word, value in words.items():
            assert await read(ctx, dut, LAYER_LOG // 4 + word) == value

    simulate(dut, bench)


def test_registers_are_kept():
    """What was written, who it is, the ticket of the run that ended; counters written meanwhile wait for nothing."""
    dut = RegisterLog(COMPACT)
    written = {"TICKET": 0x12345678, "PROGRAM": 4, "STREAM": 0x1F000}

    async def bench(ctx):
        assert await until_ready(ctx, dut) == 16 - WORD["TICKET"]
        for name in ("TICKET", "DONE", "PROGRAM", "STREAM"):
            assert await read(ctx, dut, WORD[name]) == 0
        for name, value in written.items():
            assert ctx.get(dut.ready)
            ctx.set(dut.register, WORD[name])
            ctx.set(dut.register_data, value)
            ctx.set(dut.register_write, 1)
            await ctx.tick()
        ctx.set(dut.register_write, 0)
        assert await read(ctx, dut, WORD["DONE"]) == 0
        ctx.set(dut.ends, 1)
        ctx.set(dut.ticket, written["TICKET"])
        assert not ctx.get(dut.ready)
        await ctx.tick()
        ctx.set(dut.ends, 0)
        ctx.set(dut.write, 1)
        assert not ctx.get(dut.ready)
        await ctx.tick()
        ctx.set(dut.write, 0)
        found = {name: await read(ctx, dut, WORD[name]) for name in RegisterLog.kept}
        assert found == {**written, "DONE": written["TICKET"], "ID": COMPACT.fingerprint, "VERSION": VERSION}

    simulate(dut, bench)
