"""What the single-port scratchpad promises for a byte that is written, as hardware that counts along."""

from amaranth import Assert, Cat, Module, Signal
from amaranth.hdl import Assume
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In

from hw.gateware.spram import SpramScratchpad

__all__ = ["SpramContract"]

ROW_WRITES = 4


class Stage(enum.Enum, shape=3):
    """Where the followed byte is."""

    AHEAD = 0
    COLLECTED = 1    # its row grows
    WHOLE = 2        # its row has ended
    WAITING = 3      # for the port
    STORED = 4       # the memory takes it in this cycle
    DONE = 5


class SpramContract(wiring.Component):
    """No byte is lost, stored twice, changed or starved, and nothing is stored that nobody wrote.

    One byte is followed: whichever the environment marks, at an address of its choice. It reaches its memory once,
    as it was written, and no other access of any kind writes there. Its row has the port no later than ``period``
    cycles after its last write. The port is never given to two.

    The environment keeps the scratchpad's rule: rows have at most four writes, of one byte each, one after the other,
    their last writes are ``period`` or more cycles apart, and every ``period - 1`` neighbouring cycles have one
    without a fetch. Fetches, loads and the bus are free otherwise.

    Parameters
    ----------
    unit : SpramScratchpad
        Only observed; of one requantizer.
    period : int
        Cycles, at least 4.

    Members
    -------
    address : In(17)
        Of the followed byte; constant.
    mark : In(1)
        Marks the byte that is written in this cycle.
    """

    def __init__(self, unit: SpramScratchpad, *, period: int):
        self._unit, self._period = unit, period
        super().__init__({"address": In(17), "mark": In(1)})

    def elaborate(self, platform):
        m = Module()
        stage = Signal(Stage)
        value = Signal(8)
        waited = Signal(range(self._period + 2))
        written = self._environment(m, stage)
        self._follow(m, stage, value, waited, written)
        self._watch(m, stage, value, waited)
        return m

    def _environment(self, m, stage):
        """What is required of it; returns whether the marked byte is written in this cycle."""
        unit, period, write = self._unit, self._period, self._unit.write
        address = Signal(17)
        started = Signal()
        place = Signal(range(ROW_WRITES))
        base = Signal(17)
        fetches = Signal(range(period + 1))
        since_last = Signal(range(period + 1), init=period)
        m.d.sync += [address.eq(self.address), started.eq(1), since_last.eq(since_last + (since_last != period)),
                     fetches.eq(unit.fetch_valid.replicate(len(fetches)) & (fetches + 1))]
        with m.If(started):
            m.d.comb += Assume(address == self.address)
        m.d.comb += Assume((fetches < period - 2) | ~unit.fetch_valid)
        with m.If(write.valid):
            m.d.sync += place.eq(place + 1)
            with m.If(place == 0):
                m.d.sync += base.eq(write.p.address)
            with m.Else():
                m.d.comb += Assume(write.p.address == (base + place)[:17])
            m.d.comb += Assume((place != ROW_WRITES - 1) | unit.write_last)
            with m.If(unit.write_last):
                m.d.comb += Assume(since_last >= period)
                m.d.sync += [since_last.eq(1), place.eq(0)]
        m.d.comb += [Assert(unit.collecting == (place != 0), "the row's beginning was missed"),
                     Assert((place == 0) | (unit.row.address == base), "the row's address was lost")]

        # nobody but the marked write aims at the byte
        here = Signal()
        m.d.comb += here.eq(write.valid & write.p.mask[0] & (write.p.address[:17] == self.address))
        m.d.comb += Assume(here == (self.mark & (stage == Stage.AHEAD)))
        request = unit.bus_write.p
        m.d.comb += Assume(~unit.bus_write.valid | (request.address[2:17] != self.address[2:])
                           | ((request.select & (1 << self.address[:2])) == 0))
        return here

    def _follow(self, m, stage, value, waited, written):
        unit = self._unit
        last = unit.write.valid & unit.write_last
        m.d.sync += waited.eq(waited + (waited != self._period + 1))
        with m.Switch(stage):
            with m.Case(Stage.AHEAD):
                with m.If(written):
                    m.d.sync += [value.eq(unit.write.p.data[0]), stage.eq(Stage.COLLECTED)]
                    with m.If(last):
                        m.d.sync += [stage.eq(Stage.WHOLE), waited.eq(1)]
            with m.Case(Stage.COLLECTED):
                with m.If(last):
                    m.d.sync += [stage.eq(Stage.WHOLE), waited.eq(1)]
            with m.Case(Stage.WHOLE):
                with m.If(~unit.waiting):
                    m.d.sync += stage.eq(Stage.WAITING)
            with m.Case(Stage.WAITING):
                with m.If(unit.store):
                    m.d.sync += stage.eq(Stage.STORED)
            with m.Case(Stage.STORED):
                m.d.sync += stage.eq(Stage.DONE)

    def _watch(self, m, stage, value, waited):
        unit = self._unit
        hits, data = [], []
        for bank, memory in enumerate(unit.banks):
            for half in range(2):
                hits.append(memory.write[half] & (memory.address == self.address[3:])
                            & (self.address[:3] == 2 * bank + half))
                data.append(memory.data_in.word_select(half, 8) == value)
        hit = Cat(hits).any()
        collected, collected_right = self._holds(unit.row, value)
        stored, stored_right = self._holds(unit.stored, value)
        growing = (stage == Stage.COLLECTED) | (stage == Stage.WHOLE)
        m.d.comb += [
            Assert(~(unit.whole & unit.waiting), "a whole row found another waiting"),
            Assert(hit == (stage == Stage.STORED), "the byte was lost, or stored twice, or nobody wrote it"),
            Assert(~hit | (Cat(hits) & ~Cat(data) == 0), "the byte was changed"),
            Assert(collected == growing, "the row of the byte does not have it"),
            Assert(~collected | collected_right, "the row of the byte has another"),
            Assert((stored & unit.waiting) == (stage == Stage.WAITING), "the waiting row of the byte does not have it"),
            Assert(~(stored & unit.waiting) | stored_right, "the waiting row of the byte has another"),
            Assert(unit.collecting | unit.whole | (unit.row.mask == 0), "bytes stayed behind"),
            Assert((stage != Stage.COLLECTED) | unit.collecting, "the row of the byte ended early"),
            Assert((stage != Stage.WHOLE) | unit.whole, "the row of the byte went on"),
            Assert(((stage != Stage.WHOLE) & (stage != Stage.WAITING)) | (waited <= self._period),
                   "the row of the byte has waited too long"),
            Assert(unit.fetch_valid + unit.store + (unit.load_read & unit.load_ready)
                   + ((unit.bus_read & unit.bus_ready) | (unit.bus_write.valid & unit.bus_write.ready)) <= 1,
                   "the port was given to two"),
        ]

    def _holds(self, row, value):
        """Whether the followed byte is in a row, and whether as it was written."""
        following = row.address[1:3] > self.address[1:3]
        here = (row.address[3:] + following)[:14] == self.address[3:]
        return (row.mask.bit_select(self.address[:3], 1) & here,
                row.data.word_select(self.address[:2], 8) == value)
