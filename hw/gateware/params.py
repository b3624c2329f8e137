"""Parameters of the output channels: gathered from weight words, given to the requantizers."""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.memories import BLOCK_RAM, LUT_RAM
from hw.gateware.requantizer import ChannelParams
from hw.spec.design import PARAM_BITS, DesignPoint

__all__ = ["ChannelMemory", "ParamWord"]

SETS = 4            # blocks whose parameters are kept
ADD_RECORDS = 3     # of a residual add: its two operands and their sum


class ParamWord(data.Struct):
    """Says that the weight word of this cycle carries channel parameters."""

    valid: 1
    index: 4    # number of the word in its set
    last: 1     # completes the set of ``cols`` channels
    odd: 2      # number of the block, modulo 4
    row: 4      # number of the set (depthwise: array row)
    piled: 1    # sets lie one after the other in the columns' first slots: depthwise, or with a residual add
    add: 1      # the set is a residual add's


class ChannelMemory(wiring.Component):
    """Bias, multiplier and shift of every output channel of four neighbouring blocks.

    ``param_slots`` channels have memories of their own, and requantizer ``q`` those of the slots ``q``,
    ``q + requantizers`` and so on; ``row`` counts what lies in one memory (depthwise: array rows). With ``add`` the
    first one has those of all columns, their first slots.

    Of each requantizer, ``channels`` follows ``row``, ``turn`` (of its slots) and ``odd`` by a cycle; ``add_channels``
    (residual, own operand, sum) follows its ``add_...`` by a cycle.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "param": In(ParamWord), "weights": In(design.weight_word_bits),
            "row": In(data.ArrayLayout(range(max(2, design.rows, 1 << design.splits)), design.requantizers)),
            "turn": In(data.ArrayLayout(range(max(2, design.cols)), design.requantizers)),
            "odd": In(data.ArrayLayout(2, design.requantizers)),
            "channels": Out(data.ArrayLayout(ChannelParams, design.requantizers)),
            "add": In(1), "add_residual": In(1), "add_operand": In(1), "add_final": In(1),
            "add_channels": Out(data.ArrayLayout(ChannelParams, ADD_RECORDS)),
        })

    def elaborate(self, platform):
        m = Module()
        if self.design.record_per_word:
            self._one_memory(m)
        else:
            self._memory_per_column(m)
        return m

    @property
    def _row_bits(self):
        """Of a place in a memory of a block."""
        design = self.design
        return (max(design.depthwise_rows, design.most_tile_cols // design.param_slots,
                    -(-design.most_added_cols // design.cols)) - 1).bit_length()

    def _one_memory(self, m):
        """One requantizer, one record in a word: nothing to gather."""
        design, param = self.design, self.param
        bits = self._row_bits
        columns = (design.cols - 1).bit_length()
        records = SETS << bits + columns
        m.submodules.records = storage = memory.Memory(
            shape=PARAM_BITS, depth=records + SETS, init=[], attrs=LUT_RAM if design.memory == "bram" else BLOCK_RAM)
        writer, reader = storage.write_port(), storage.read_port()

        def place(column, row, odd):
            return Cat(column[:columns], row[:bits], odd)

        m.d.comb += [
            writer.en.eq(param.valid), writer.data.eq(self.weights[:PARAM_BITS]),
            writer.addr.eq(Mux(param.add, records + param.index, place(param.index, param.row, param.odd))),
            reader.addr.eq(place(self.turn[0], self.row[0], self.odd[0])),
        ]
        for number, wanted in enumerate((self.add_residual, self.add_operand, self.add_final)):
            with m.If(wanted):
                m.d.comb += reader.addr.eq(records + number)
            m.d.comb += self.add_channels[number].as_value().eq(reader.data)
        m.d.comb += self.channels[0].as_value().eq(reader.data)

    def _memory_per_column(self, m):
        design, param = self.design, self.param
        bits = self._row_bits
        part = design.lanes * design.weight_bits
        stored = Signal()
        part_bits = (design.param_slots // design.cols).bit_length() - 1      # slots of a column
        where = Signal(2 + bits)
        is_add = Signal()
        slots = Signal(design.param_slots // design.cols)
        m.d.sync += [stored.eq(param.valid & param.last), is_add.eq(param.add),
                     where.eq(Cat(Mux(param.piled, param.row, param.row >> part_bits)[:bits], param.odd)),
                     slots.eq(Mux(param.piled, 1, 1 << param.row[:part_bits]))]
        parameters = []
        for col in range(design.cols):
            gathered = Signal(part * design.param_words, name=f"gathered{col}")
            with m.If(param.valid):
                m.d.sync += gathered.eq(Cat(gathered, self.weights.word_select(col, part))[part:])
            parameters.append(gathered)
            if col < ADD_RECORDS:
                kept = Signal(PARAM_BITS, name=f"add{col}")
                with m.If(stored & is_add):
                    m.d.sync += kept.eq(gathered)
                m.d.comb += self.add_channels[col].as_value().eq(kept)
        records = []
        for slot in range(design.param_slots):
            m.submodules[f"slot{slot}"] = storage = memory.Memory(
                shape=PARAM_BITS, depth=SETS << bits, init=[], attrs=LUT_RAM)
            writer, reader = storage.write_port(), storage.read_port(domain="comb")
            # a slot belongs to one requantizer, but for residual adds, all of whose outputs come from the first
            q = slot % design.requantizers
            own, first = (Cat(self.row[one][:bits], self.odd[one]) for one in (q, 0))
            m.d.comb += [writer.addr.eq(where), writer.data.eq(parameters[slot % design.cols]),
                         writer.en.eq(stored & ~is_add & slots[slot // design.cols]),
                         reader.addr.eq(Mux(self.add, first, own) if q else own)]
            records.append(reader.data)
        for q in range(design.requantizers):
            mine = Array(records[q::design.requantizers])[
                self.turn[q] if design.param_slots > design.requantizers else 0]
            chosen = Signal(PARAM_BITS, name=f"chosen{q}")
            m.d.sync += chosen.eq(mine if q else Mux(self.add, Array(records[:design.cols])[self.turn[0]], mine))
            m.d.comb += self.channels[q].as_value().eq(chosen)
