"""Working memory in block RAM."""

from litex.gen import LiteXModule
from litex.soc.interconnect import wishbone
from migen import Memory, Replicate
from migen.fhdl.specials import NO_CHANGE

__all__ = ["Ram"]


class Ram(LiteXModule):
    """A Wishbone slave that answers in the cycle after the request. Its port does not read what it writes: to give the
    written word, as LiteX's own does, takes 140 logic cells of an iCE40.
    """

    def __init__(self, size_bytes: int) -> None:
        self.bus = bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        words = Memory(32, size_bytes // 4, name="sram")
        port = words.get_port(write_capable=True, we_granularity=8, mode=NO_CHANGE)
        self.specials += words, port
        self.comb += [port.adr.eq(bus.adr[:len(port.adr)]), port.dat_w.eq(bus.dat_w), bus.dat_r.eq(port.dat_r),
                      port.we.eq(bus.sel & Replicate(bus.cyc & bus.stb & bus.we, 4))]
        self.sync += bus.ack.eq(bus.cyc & bus.stb & ~bus.ack)
