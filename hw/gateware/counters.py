"""The cycle counters of a layer, of which one counts in each cycle."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.memories import BLOCK_RAM
from hw.spec.commands import COUNTERS, LAYER_LOG_ENTRIES
from hw.spec.registers import LOG_WORDS

__all__ = ["CounterMemory", "CounterRegisters", "NoCounters"]

_MEMBERS = {"which": In(range(len(COUNTERS))), "clear": In(1), "log": In(1), "layer": In(range(LAYER_LOG_ENTRIES + 1)),
            "write": Out(1), "address": Out(range(LAYER_LOG_ENTRIES * LOG_WORDS)), "data": Out(32)}


class CounterRegisters(wiring.Component):
    """As many counters as ``hw.spec.commands.COUNTERS``.

    Members
    -------
    which : In
        The counter that counts this cycle.
    clear : In(1)
        All counters are zero, and this cycle is not counted.
    log, layer : In
        This cycle is not counted. Its first cycles, as many as there are counters, write them one after the other to
        the entry of ``layer``; then all are zero.
    write, address, data : Out
        For the layer log.
    """

    def __init__(self):
        super().__init__(_MEMBERS)

    def elaborate(self, platform):
        m = Module()
        logged = Signal(range(LOG_WORDS))
        values = [Signal(32, name=f"count_{name}") for name in COUNTERS]
        m.d.sync += logged.eq(Mux(self.log, logged + 1, 0))
        for number, value in enumerate(values):
            with m.If(self.log):
                with m.If(logged == number):
                    m.d.comb += self.data.eq(value)
                    m.d.sync += value.eq(0)
            with m.Elif(self.clear):
                m.d.sync += value.eq(0)
            with m.Else():
                m.d.sync += value.eq(value + (self.which == number))
        m.d.comb += [self.write.eq(self.log), self.address.eq(Cat(logged, self.layer))]
        return m


class CounterMemory(wiring.Component):
    """The same in a block RAM, with one adder. Two cycles pass before a count is there; it is logged that much later.

    Members
    -------
    As in :class:`CounterRegisters`.
    """

    def __init__(self):
        super().__init__(_MEMBERS)

    def elaborate(self, platform):
        m = Module()
        m.submodules.values = storage = memory.Memory(
            shape=32, depth=8, init=[], attrs=BLOCK_RAM)
        writer, reader = storage.write_port(), storage.read_port()
        started = Signal(len(COUNTERS))        # counters that are not zero
        layer = Signal.like(self.layer)        # of the log, which comes after it
        with m.If(self.log):
            m.d.sync += layer.eq(self.layer)
        logged = Signal(3)
        which = Signal(3)
        log = Signal()
        counts = Signal()
        again = Signal()
        latest = Signal(32, reset_less=True)
        with m.If(self.log):
            m.d.sync += logged.eq(logged + 1)
        with m.Else():
            m.d.sync += logged.eq(0)
        wanted = Mux(self.log, logged, self.which)
        m.d.sync += [which.eq(wanted), log.eq(self.log), counts.eq(~self.log & ~self.clear),
                     again.eq(counts & (which == wanted))]
        known = Signal()
        value = Signal(32)
        following = Signal(32)
        m.d.comb += [
            reader.addr.eq(wanted), writer.addr.eq(which), writer.en.eq(counts), writer.data.eq(following),
            known.eq((started >> which)[0]),
            value.eq(Mux(again, latest, reader.data) & known.replicate(32)), following.eq(value + 1),
            self.write.eq(log), self.address.eq(Cat(which, layer)), self.data.eq(value),
        ]
        m.d.sync += latest.eq(following)
        with m.If(counts):
            m.d.sync += started.eq(started | (1 << which)[:len(COUNTERS)])
        with m.If(self.clear | (log & ~self.log)):
            m.d.sync += started.eq(0)
        return m


class NoCounters(wiring.Component):
    """In their place, where a design has no layer log."""

    def __init__(self):
        super().__init__(_MEMBERS)

    def elaborate(self, platform):
        return Module()
