import random

import pytest
from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.emit.enclosed import Enclosed, enclosed_verilog
from hw.spec.design import DesignPoint
from tests.support.simulate import simulate

PAIR = data.StructLayout({"low": 3, "high": 2})


class Inner(wiring.Component):
    """Adds and swaps."""

    def __init__(self):
        super().__init__({"a": In(4), "pair": In(PAIR), "total": Out(5), "swapped": Out(PAIR)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.total.eq(self.a + self.pair.low)
        m.d.sync += [self.swapped.low.eq(self.pair.high), self.swapped.high.eq(self.pair.low)]
        return m


@pytest.mark.sim
def test_every_port_is_reached_through_the_pins():
    unit = Enclosed(Inner())
    assert unit.registers == 4 + 5 + 5 + 5
    rng = random.Random(1)

    async def bench(ctx):
        for _ in range(10):
            given = rng.randrange(1 << 9)
            for bit in reversed(range(9)):
                ctx.set(unit.serial_in, given >> bit & 1)
                await ctx.tick()
            await ctx.tick()
            ctx.set(unit.load, 1)
            await ctx.tick()
            ctx.set(unit.load, 0)
            found = 0
            for bit in range(10):
                found |= ctx.get(unit.serial_out) << bit
                await ctx.tick()
            a, low, high = given & 15, given >> 4 & 7, given >> 7
            assert found == (a + low) | high << 5 | (low & 3) << 8

    simulate(unit, bench)


def test_an_engine_has_five_pins_left():
    text, registers = enclosed_verilog(DesignPoint())
    ports = text[text.index("module heddle_enclosed("):].partition("(")[2].partition(")")[0]
    assert {port.strip() for port in ports.split(",")} == {"clk", "rst", "serial_in", "load", "serial_out"}
    bus_in, bus_out, irq = 1 + 1 + 1 + 4 + 19 + 32, 32 + 1, 1
    assert registers == bus_in + bus_out + irq
