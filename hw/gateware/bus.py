"""Parts of the engine's Wishbone slave; each adds to the engine's own module."""

from collections.abc import Collection

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.log import LayerLog
from hw.spec.commands import LAYER_LOG_ENTRIES
from hw.spec.registers import ACT_WINDOW, LAYER_LOG, LOG_WORDS, REGISTERS, WEIGHT_WINDOW, WINDOW_BYTES
from hw.spec.timing import READ_LATENCY, WEIGHT_BUS_LATENCY

__all__ = ["WISHBONE", "BusState", "Decoder", "add_answer", "add_window"]

ADDRESS_BITS = (WINDOW_BYTES // 4 - 1).bit_length()

#: Wishbone B4 classic, 32 bits wide, word addresses inside the engine's region, seen from the initiator.
WISHBONE = wiring.Signature({
    "cyc": Out(1), "stb": Out(1), "we": Out(1), "sel": Out(4), "adr": Out(ADDRESS_BITS), "dat_w": Out(32),
    "dat_r": In(32), "ack": In(1),
})


class BusState(enum.Enum, shape=3):
    IDLE = 0
    READ = 1         # a scratchpad's data is on its way
    LOG = 2
    DONE = 3
    SCRATCHPAD = 4   # waits for a cycle without a fetch; the engine looks at its bit alone, which is on a long way


class Decoder:
    """What the bus addresses: the byte ``offset`` in the engine's region, and which part of ``hw.spec.registers``."""

    def __init__(self, m: Module, bus: wiring.PureInterface):
        offset = Signal(ADDRESS_BITS + 2)
        m.d.comb += offset.eq(bus.adr << 2)
        self.offset = offset
        self.acts = (offset >= ACT_WINDOW) & (offset < WEIGHT_WINDOW)
        self.weights = offset >= WEIGHT_WINDOW
        self.log = (offset >= LAYER_LOG) & (offset < LAYER_LOG + 4 * LOG_WORDS * LAYER_LOG_ENTRIES)
        self.registers = offset < LAYER_LOG
        self._bus = bus

    def reads(self, names: Collection[str]) -> Value:
        """One of these registers is addressed, and not written."""
        numbers = [REGISTERS[name][0] >> 2 for name in names]
        return self.registers & ~self._bus.we & Cat(self._bus.adr[:4] == number for number in numbers).any()


def add_window(m: Module, bus: wiring.PureInterface, state: Signal, scratchpad: wiring.Component, *, chosen: Value,
               address: Value, readable: Value) -> None:
    """The bus's port of a scratchpad, whose window is ``chosen``; reads begin in a ``readable`` cycle."""
    reads = Signal()
    writes = Signal()
    m.d.comb += [
        writes.eq((state == BusState.SCRATCHPAD) & bus.we & chosen),
        scratchpad.bus_address.eq(address),
        scratchpad.bus_write.valid.eq(writes),
        scratchpad.bus_write.p.address.eq(scratchpad.bus_address),
        scratchpad.bus_write.p.data.eq(bus.dat_w),
        scratchpad.bus_write.p.select.eq(bus.sel),
        reads.eq((state == BusState.SCRATCHPAD) & ~bus.we & readable),
    ]
    m.d.sync += scratchpad.bus_read.eq(reads)


def add_answer(m: Module, bus: wiring.PureInterface, state: Signal, where: Decoder, *, accepts: Value,
               acts: wiring.Component, weights: wiring.Component, readable: Value, log: LayerLog,
               registers: Value) -> None:
    """From an accepted request to its answer: the states that it passes, and what ``dat_r`` is."""
    in_kept = where.reads(log.kept)
    waited = Signal(range(WEIGHT_BUS_LATENCY + 1))
    m.d.comb += bus.ack.eq(state == BusState.DONE)
    # what is right in the last cycle before the answer
    weights_data = weights.bus_data if weights.design.weights_readable else 0
    m.d.sync += bus.dat_r.eq(Mux(where.weights, weights_data, Mux(where.acts, acts.bus_data, Mux(
        where.log | in_kept, log.data, registers))))
    with m.Switch(state):
        with m.Case(BusState.IDLE):
            m.d.sync += waited.eq(0)
            with m.If(accepts):
                m.d.sync += state.eq(Mux(where.acts | where.weights, BusState.SCRATCHPAD,
                                         Mux(where.log | in_kept, BusState.LOG, BusState.DONE)))
        with m.Case(BusState.SCRATCHPAD):
            with m.If(bus.we & Mux(where.acts, acts.bus_write.ready, weights.bus_write.ready)):
                m.d.sync += state.eq(BusState.DONE)
            with m.Elif(~bus.we & readable):
                m.d.sync += state.eq(BusState.READ)
        with m.Case(BusState.READ):
            m.d.sync += waited.eq(waited + 1)
            with m.If(waited == Mux(where.weights, WEIGHT_BUS_LATENCY, READ_LATENCY)):
                m.d.sync += state.eq(BusState.DONE)
        with m.Case(BusState.LOG):
            m.d.sync += waited.eq(waited + 1)
            with m.If(waited == log.latency - 1):
                m.d.sync += state.eq(BusState.DONE)
        with m.Case(BusState.DONE):
            m.d.sync += state.eq(BusState.IDLE)
