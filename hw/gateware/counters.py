"""The cycle counters of a layer in a block RAM, of which one counts in each cycle."""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.spec.commands import COUNTERS

__all__ = ["CounterMemory"]


class CounterMemory(wiring.Component):
    """As many counters as ``hw.spec.commands.COUNTERS``, with one adder. Two cycles pass before a count is there.

    Members
    -------
    which : In
        The counter that counts this cycle.
    clear : In(1)
        All counters are zero, and this cycle is not counted.
    log : In(1)
        This cycle is not counted. Its first cycles, as many as there are counters, read them one after the other;
        then all are zero.
    write, place, data : Out
        What was read, two cycles later.
    """

    which: In(3)
    clear: In(1)
    log: In(1)
    write: Out(1)
    place: Out(3)
    data: Out(32)

    def elaborate(self, platform):
        m = Module()
        m.submodules.values = storage = memory.Memory(
            shape=32, depth=8, init=[], attrs={"ram_style": "block", "no_rw_check": 1})
        writer, reader = storage.write_port(), storage.read_port()
        started = Signal(len(COUNTERS))        # counters that are not zero
        logged, which = Signal(3), Signal(3)
        log, counts, again = Signal(), Signal(), Signal()
        latest = Signal(32, reset_less=True)
        with m.If(self.log):
            m.d.sync += logged.eq(logged + 1)
        with m.Else():
            m.d.sync += logged.eq(0)
        wanted = Mux(self.log, logged, self.which)
        m.d.sync += [which.eq(wanted), log.eq(self.log), counts.eq(~self.log & ~self.clear),
                     again.eq(counts & (which == wanted))]
        known = Signal()
        value, following = Signal(32), Signal(32)
        m.d.comb += [
            reader.addr.eq(wanted), writer.addr.eq(which), writer.en.eq(counts), writer.data.eq(following),
            known.eq((started >> which)[0]),
            value.eq(Mux(again, latest, reader.data) & known.replicate(32)), following.eq(value + 1),
            self.write.eq(log), self.place.eq(which), self.data.eq(value),
        ]
        m.d.sync += latest.eq(following)
        with m.If(counts):
            m.d.sync += started.eq(started | (1 << which)[:len(COUNTERS)])
        with m.If(self.clear | (log & ~self.log)):
            m.d.sync += started.eq(0)
        return m
