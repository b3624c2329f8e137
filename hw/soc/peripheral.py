"""The SoC's one small peripheral: UART and LEDs (map: ``hw.spec.soc.IO_REGISTERS``)."""

from litex.build.generic_platform import GenericPlatform
from litex.gen import LiteXModule
from litex.soc.cores.uart import RS232PHY
from litex.soc.interconnect import stream, wishbone
from migen import Case, If, Signal

from hw.soc.uart import Uart
from hw.spec.soc import IO_REGISTERS, UART_EMPTY

__all__ = ["Peripheral"]

FIFO_BYTES = 16
WORD = {name: offset // 4 for name, (offset, _) in IO_REGISTERS.items()}


class Interrupt:
    """What LiteX looks for in a module with an interrupt."""

    def __init__(self, irq: Signal) -> None:
        self.irq = irq


class Peripheral(LiteXModule):
    """A Wishbone slave that answers in the cycle after the request; its interrupt is high while a byte waits.

    Parameters
    ----------
    streams : bool
        Bring the UART's bytes out as two streams, for a simulator, instead of serializing them.
    cycles : bool
        Count clock cycles, for a CPU that does not.
    small : bool
        No FIFOs: one byte of each direction waits, and one that comes too early is lost.
    """

    def __init__(self, platform: GenericPlatform, clock_hz: int, baud: int, *, streams: bool, cycles: bool,
                 small: bool) -> None:
        self.bus = bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        received, sent = stream.Endpoint([("data", 8)]), stream.Endpoint([("data", 8)])
        if streams:
            source, sink = platform.request("serial_rx"), platform.request("serial_tx")
            self.comb += [
                received.valid.eq(source.valid), source.ready.eq(received.ready), received.data.eq(source.data),
                sink.valid.eq(sent.valid), sent.ready.eq(sink.ready), sink.data.eq(sent.data),
            ]
        else:
            pads = platform.request("serial")
            self.phy = phy = Uart(pads, round(clock_hz / baud)) if small else RS232PHY(pads, clock_hz, baud)
            self.comb += [phy.source.connect(received), sent.connect(phy.sink)]
        if small:
            taken, given = received, sent
        else:
            self.rx = rx = stream.SyncFIFO([("data", 8)], FIFO_BYTES)
            self.tx = tx = stream.SyncFIFO([("data", 8)], FIFO_BYTES)
            self.comb += [received.connect(rx.sink), tx.source.connect(sent)]
            taken, given = rx.source, tx.sink
        self.ev = Interrupt(taken.valid)
        pads = platform.request("leds")
        leds = Signal(len(pads))
        self.comb += pads.eq(leds)

        chosen = Signal()
        self.comb += [
            chosen.eq(bus.cyc & bus.stb & ~bus.ack),
            taken.ready.eq(chosen & ~bus.we & (bus.adr[:2] == WORD["UART_DATA"])),
            given.valid.eq(chosen & bus.we & (bus.adr[:2] == WORD["UART_DATA"])),
            given.data.eq(bus.dat_w[:8]),
        ]
        read = {
            WORD["UART_DATA"]: If(taken.valid, bus.dat_r.eq(taken.data)).Else(bus.dat_r.eq(UART_EMPTY)),
            WORD["UART_ROOM"]: bus.dat_r.eq(given.ready),
            WORD["LEDS"]: [bus.dat_r.eq(leds), If(bus.we, leds.eq(bus.dat_w))],
        }
        if cycles:
            counter = Signal(32)
            self.sync += counter.eq(counter + 1)
            read[WORD["CYCLES"]] = bus.dat_r.eq(counter)
        self.sync += [bus.ack.eq(chosen), If(chosen, Case(bus.adr[:2], read))]
