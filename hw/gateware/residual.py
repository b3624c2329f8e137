"""What the outputs of a residual add are added to, from its fetch to its turn."""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.memories import BLOCK_RAM, LUT_RAM
from hw.spec.design import DesignPoint
from hw.spec.timing import RESIDUAL_TILES

__all__ = ["ResidualBuffer"]


class ResidualBuffer(wiring.Component):
    """A word for each array row of the last four tiles; a tile's words come before its steps and are used after them.

    Members
    -------
    begin : In(1)
        A layer begins.
    arrives, row, word : In
        ``word`` belongs to array row ``row``; all rows of a tile come, in order.
    last_row, last_column : In
        Of a tile; constant while a layer runs.
    take, value : In(1), Out
        ``value``, a cycle after ``take``, is the next output's, row by row.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "begin": In(1), "last_row": In(4), "last_column": In(6), "arrives": In(1), "row": In(4),
            "word": In(data.ArrayLayout(signed(design.act_bits), design.fetch_bytes)),
            "take": In(1), "value": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()
        design = self.design
        rows_bits = (design.rows - 1).bit_length()
        cols = design.most_added_cols if design.splits else design.cols
        kept = cols * design.act_bits
        block = design.memory == "spram"
        m.submodules.words = storage = memory.Memory(
            shape=kept, depth=RESIDUAL_TILES << rows_bits, init=[],
            attrs=BLOCK_RAM if block else LUT_RAM)
        writer, reader = storage.write_port(), storage.read_port()
        arriving = Signal(range(RESIDUAL_TILES))
        taken = Signal(range(RESIDUAL_TILES))
        row = Signal(range(max(2, design.rows)))
        column = Signal(range(max(2, cols)))
        last_row = Signal(4)
        last_column = Signal.like(column)
        m.d.sync += [last_row.eq(self.last_row), last_column.eq(self.last_column)]
        m.d.comb += [writer.en.eq(self.arrives), writer.addr.eq(Cat(self.row[:rows_bits], arriving)),
                     writer.data.eq(self.word.as_value()), reader.addr.eq(Cat(row[:rows_bits], taken))]
        with m.If(self.arrives & (self.row == last_row)):
            m.d.sync += arriving.eq(arriving + 1)
        with m.If(self.take):
            m.d.sync += column.eq(Mux(column == last_column, 0, column + 1))
            with m.If(column == last_column):
                m.d.sync += row.eq(Mux(row == last_row, 0, row + 1))
                with m.If(row == last_row):
                    m.d.sync += taken.eq(taken + 1)
        with m.If(self.begin):
            m.d.sync += [arriving.eq(0), taken.eq(0), row.eq(0), column.eq(0)]
        place = Signal.like(column)
        m.d.sync += place.eq(column)
        m.d.comb += self.value.eq(Array(reader.data.word_select(n, design.act_bits).as_signed()
                                        for n in range(cols))[place])
        return m
