"""A serial flash as a memory that is read word by word."""

from typing import Any

from litex.gen import LiteXModule
from litex.soc.interconnect import wishbone
from migen import Cat, Constant, If, Signal

__all__ = ["READ_CYCLES", "SpiFlash"]

READ = 0x03                     # of every serial flash: three bytes of address, then data, one bit a clock
READ_CYCLES = 128               # 64 bits at half the system's clock


class SpiFlash(LiteXModule):
    """A Wishbone slave, read only: a word comes ``READ_CYCLES`` cycles and a few after its request.

    Parameters
    ----------
    pads
        ``cs_n``, ``clk``, ``mosi``, ``miso``: SPI mode 0, at half the system's clock.
    """

    def __init__(self, pads: Any) -> None:
        self.bus = bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        shift, count, busy, sampled = Signal(32), Signal(max=READ_CYCLES), Signal(), Signal()
        self.comb += [
            pads.cs_n.eq(~busy), pads.clk.eq(count[0]), pads.mosi.eq(shift[31]),
            # the first byte of a word comes first
            bus.dat_r.eq(Cat(shift[24:], shift[16:24], shift[8:16], shift[:8])),
        ]
        command = Cat(Signal(2), bus.adr[:22], Constant(READ, 8))
        self.sync += [
            bus.ack.eq(0),
            If(busy,
               count.eq(count + 1),
               If(count[0], shift.eq(Cat(sampled, shift[:31]))).Else(sampled.eq(pads.miso)),
               If(count == READ_CYCLES - 1, busy.eq(0), bus.ack.eq(1))).Elif(
               bus.cyc & bus.stb & ~bus.ack, busy.eq(1), shift.eq(command)),
        ]
