"""The decoder of the engine's bus against its map."""

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.bus import WISHBONE, Decoder
from hw.gateware.parts import parts
from hw.spec.commands import LAYER_LOG_ENTRIES
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from hw.spec.registers import ACT_WINDOW, LAYER_LOG, LOG_WORDS, REGISTERS, WEIGHT_WINDOW, WINDOW_BYTES
from tests.support.simulate import simulate

LOG_END = LAYER_LOG + 4 * LOG_WORDS * LAYER_LOG_ENTRIES
#: byte offset -> the part that it is of
PLACES = {0: "registers", 0x20: "registers", LAYER_LOG - 4: "registers", LAYER_LOG: "log", LOG_END - 4: "log",
          LOG_END: "", ACT_WINDOW - 4: "", ACT_WINDOW: "acts", WEIGHT_WINDOW - 4: "acts", WEIGHT_WINDOW: "weights",
          WINDOW_BYTES - 4: "weights"}
PARTS = ("registers", "log", "acts", "weights")


class Decoded(wiring.Component):
    def __init__(self, design: DesignPoint):
        self.names = parts(design).log.kept
        super().__init__({"bus": In(WISHBONE), "found": Out(len(PARTS)), "kept": Out(1)})

    def elaborate(self, platform):
        m = Module()
        where = Decoder(m, self.bus)
        for number, name in enumerate(PARTS):
            m.d.comb += self.found[number].eq(getattr(where, name))
        m.d.comb += self.kept.eq(where.reads(self.names))
        ticks = Signal()
        m.d.sync += ticks.eq(~ticks)
        return m


@pytest.mark.parametrize("design", [DesignPoint(), PRESETS["up5k"]], ids=lambda design: design.engine)
def test_every_part_is_where_the_map_says(design):
    dut = Decoded(design)

    async def bench(ctx):
        for offset, part in PLACES.items():
            ctx.set(dut.bus.adr, offset >> 2)
            await ctx.delay(1e-9)
            assert [name for n, name in enumerate(PARTS) if ctx.get(dut.found) >> n & 1] == ([part] if part else [])
        for write in 0, 1:
            ctx.set(dut.bus.we, write)
            for name, (offset, _) in REGISTERS.items():
                ctx.set(dut.bus.adr, offset >> 2)
                await ctx.delay(1e-9)
                assert ctx.get(dut.kept) == (name in dut.names and not write)

    simulate(dut, bench)
