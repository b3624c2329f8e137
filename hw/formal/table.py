"""What the table promises for what is loaded into it and looked up in it, as hardware that counts along."""

from amaranth import Assert, Module, Signal
from amaranth.hdl import Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.gateware.table import TableUnit
from hw.spec.design import DesignPoint
from hw.spec.timing import table_cycles

__all__ = ["TableContract", "Tables"]


class Tables(TableUnit):
    """The unit, with what each memory holds for one output in view."""

    def __init__(self, design: DesignPoint):
        super().__init__(design)
        self.followed = Signal(8)     # entry
        self.held = [Signal(8, name=f"held{q}") for q in range(design.requantizers)]

    def _memory(self, m, q, entries):
        storage = super()._memory(m, q, entries)
        view, bits = storage.read_port(domain="comb"), (self.design.table_entries - 1).bit_length()
        m.d.comb += [view.addr.eq(self.followed[bits:]),
                     self.held[q].eq(view.data.word_select(self.followed[:bits], 8))]
        return storage


class TableContract(wiring.Component):
    """Every output becomes what was last loaded for it, or passes; none is lost, doubled or takes longer.

    One entry is followed, which the prover chooses. From two cycles after its word on, every memory holds it, whatever
    else is loaded, and every requantizer's output that it is for becomes it. There is no turn in the cycle of a word
    nor in the next one, and ``use`` stays while outputs are inside; nothing else is required of the environment.

    Parameters
    ----------
    unit : Tables
        Only observed, but for the entry that it shows.

    Members
    -------
    entry : In(8)
        The followed one; constant.
    """

    entry: In(8)

    def __init__(self, unit: Tables):
        self._unit = unit
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m, unit = Module(), self._unit
        m.d.comb += unit.followed.eq(self.entry)
        known, value = self._loaded(m)
        came = Signal()           # a turn, a cycle ago
        used = Signal()           # then
        due = Signal()
        m.d.sync += [came.eq(unit.valid), used.eq(unit.use), due.eq(came)]
        m.d.comb += [Assume(~came | (unit.use == used)),
                     Assert(unit.found_valid == due, "a turn without its outputs, or the reverse")]
        looked_up = Signal()
        m.d.sync += looked_up.eq(used)
        for q, (held, found) in enumerate(zip(unit.held, unit.found, strict=True)):
            before = Signal.like(unit.outputs[q], name=f"before{q}")
            output = Signal.like(unit.outputs[q], name=f"output{q}")
            m.d.sync += [before.eq(unit.outputs[q]), output.eq(before)]
            mine = output == self.entry - 128
            with m.If(known):
                m.d.comb += Assert(held == value, "an entry was lost, changed or put elsewhere")
            with m.If(due & looked_up & mine & known):
                m.d.comb += Assert(found.as_unsigned() == value[:len(found)], "an output became another entry")
            with m.If(due & ~looked_up):
                m.d.comb += Assert(found == output, "an output that is not looked up was changed")
        return m

    def _loaded(self, m):
        """Whether the followed entry was loaded, and its value, as the memories have them in this cycle."""
        unit = self._unit
        word, size = unit.word, unit.design.table_entries
        bits = (size - 1).bit_length()
        started = Signal()
        before = Signal(8)
        m.d.sync += [before.eq(self.entry), started.eq(1)]
        loading = Signal()        # a word came a cycle ago
        comes = Signal()          # it had the entry
        coming = Signal(8)
        known = Signal()
        value = Signal(8)
        place = word.index * size + self.entry[:bits]    # of the byte, from the table's beginning
        width = len(unit.weights) // 8
        m.d.sync += [loading.eq(word.valid), comes.eq(word.valid & (place == self.entry)),
                     coming.eq(unit.weights.word_select((place % width)[:(width - 1).bit_length()], 8))]
        with m.If(comes):
            m.d.sync += [known.eq(1), value.eq(coming)]
        m.d.comb += [Assume(~started | (before == self.entry)), Assume(word.index < table_cycles(unit.design)),
                     Assume(~unit.valid | ~(word.valid | loading))]
        return known, value
