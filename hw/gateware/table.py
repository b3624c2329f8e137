"""Pointwise operators on the way out: every output becomes what a table of 256 bytes has for it."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.memories import BLOCK_RAM
from hw.spec.design import DesignPoint
from hw.spec.timing import TABLE_LATENCY, table_cycles

__all__ = ["TableUnit", "TableWord"]


class TableWord(data.Struct):
    """Says that the weight word of this cycle carries entries of the table."""

    valid: 1
    index: 7     # of the entries, in groups that are loaded in one cycle


class TableUnit(wiring.Component):
    """Looks up the outputs of a turn, each requantizer's in a memory of its own.

    ``found`` and ``found_valid`` follow ``outputs`` and ``valid`` by ``TABLE_LATENCY`` cycles, ``found_coming`` by one
    less; there may be a turn in every cycle. Entry ``n`` is for the output ``n - 128``. Entries are there two cycles
    after their word; a turn in between gives anything.

    Members
    -------
    use : In(1)
        Outputs are looked up; else they pass, as late. Constant while outputs are inside.
    word, weights : In
        Entries ``index * table_entries`` and the next, in that order of parts of one weight word.
    coming, valid, outputs : In
        As of the store.
    found_coming, found_valid, found : Out
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        outputs = data.ArrayLayout(signed(design.act_bits), design.requantizers)
        super().__init__({
            "use": In(1), "word": In(TableWord), "weights": In(design.weight_word_bits), "coming": In(1),
            "valid": In(1), "outputs": In(outputs), "found_coming": Out(1), "found_valid": Out(1),
            "found": Out(outputs),
        })

    def elaborate(self, platform):
        m = Module()
        design = self.design
        place_bits = (design.table_entries - 1).bit_length()
        entries = self._entries(m)
        valid = [self.valid]
        for stage in range(TABLE_LATENCY):
            later = Signal(name=f"valid{stage + 1}")
            m.d.sync += later.eq(valid[-1])
            valid.append(later)
        m.d.comb += [self.found_coming.eq(valid[-2]), self.found_valid.eq(valid[-1])]
        for q in range(design.requantizers):
            output = Signal(signed(8), name=f"output{q}")
            kept = Signal(signed(design.act_bits), name=f"kept{q}")
            place = Signal(place_bits, name=f"place{q}")
            entry = Cat(output[:7], ~output[7])
            storage = self._memory(m, q, entries)
            reader = storage.read_port()
            m.d.comb += [output.eq(self.outputs[q]), reader.addr.eq(entry[place_bits:])]
            m.d.sync += [kept.eq(self.outputs[q]), place.eq(entry[:place_bits]),
                         self.found[q].eq(Mux(self.use, reader.data.word_select(place, 8)[:design.act_bits], kept))]
        return m

    def _entries(self, m):
        """What is written to all memories."""
        design = self.design
        size = 8 * design.table_entries
        parts = design.weight_word_bits // size
        index_bits = (table_cycles(design) - 1).bit_length()
        entries = Signal(data.StructLayout({"valid": 1, "index": index_bits, "data": size}))
        m.d.sync += [entries.valid.eq(self.word.valid), entries.index.eq(self.word.index),
                     entries.data.eq(self.weights.word_select(self.word.index[:(parts - 1).bit_length()], size))]
        return entries

    def _memory(self, m, q, entries):
        """Requantizer ``q``'s; a block RAM costs less than the logic that it takes the place of."""
        m.submodules[f"table{q}"] = storage = memory.Memory(
            shape=len(entries.data), depth=table_cycles(self.design), init=[], attrs=BLOCK_RAM)
        writer = storage.write_port()
        m.d.comb += [writer.addr.eq(entries.index), writer.data.eq(entries.data), writer.en.eq(entries.valid)]
        return storage
