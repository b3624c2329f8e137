"""The way out of the array: finished sums are requantized and stored while the next tile is computed."""

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.command import COMMAND
from hw.gateware.requantizer import ChannelParams, Requantizer
from hw.gateware.scratchpad import write_layout
from hw.spec.design import DesignPoint
from hw.spec.timing import (
    DRAIN_SELECT_LATENCY,
    ELEMENT_LATENCY,
    REQUANTIZE_LATENCY,
    WRITE_LATENCY,
    drain_lag_cycles,
)

__all__ = ["Drain", "ParamWord"]


class ParamWord(data.Struct):
    """Says that the weight word of this cycle carries channel parameters."""

    valid: 1
    last: 1     # completes the set of ``cols`` channels
    odd: 1      # the block's parity: parameters of two neighbouring blocks are kept
    row: 4      # depthwise: array row of the set


class Drain(wiring.Component):
    """Requantizes every element of a tile, row by row, ``requantizers`` columns a cycle.

    Members
    -------
    command : In
        The running layer; constant from ``begin`` to ``done``.
    begin : In(1)
        High for one cycle before the first tile of a layer.
    last : In(1)
        High in the cycle in which the last step of a tile enters the array. Two of them are at least
        ``hw.spec.timing.drain_cycles`` apart.
    totals : In
        Of the array.
    param, weights : In
        Weight words with parameters; a set comes before the first ``last`` of its block.
    write : Out(stream)
        Output bytes, for the activation scratchpad.
    done : Out(1)
        High for one cycle when every output of the layer can be read back.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "command": In(COMMAND), "begin": In(1), "last": In(1),
            "totals": In(data.ArrayLayout(signed(design.acc_bits), design.rows * design.cols)),
            "param": In(ParamWord), "weights": In(design.weight_word_bits),
            "write": Out(stream.Signature(write_layout(design), always_ready=True)),
            "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        design, command = self.design, self.command
        per_turn = design.requantizers

        start = self.last
        for stage in range(ELEMENT_LATENCY + drain_lag_cycles(design) - 1):
            later = Signal(name=f"start{stage + 1}")
            m.d.sync += later.eq(start)
            start = later

        # which element, of which tile
        active, row, turn = Signal(), Signal(range(design.rows)), Signal(range(design.cols // per_turn))
        group, block = Signal(16), Signal(16)
        last_turn, last_row = Signal(), Signal()
        last_group, last_block = Signal(), Signal()
        depthwise_turns = -(-design.depthwise_cols // per_turn)
        m.d.comb += [
            last_turn.eq(turn == Mux(command.depthwise[0], depthwise_turns - 1, design.cols // per_turn - 1)),
            last_row.eq(row == Mux(command.depthwise[0], design.depthwise_rows - 1, design.rows - 1)),
            last_group.eq(group + 1 == command.groups),
            last_block.eq(block + 1 == command.blocks),
        ]
        tile_address, row_address = Signal(24), Signal(24)
        block_address = Signal(24)
        m.d.sync += active.eq(start | (active & ~(last_turn & last_row)))
        with m.If(active):
            m.d.sync += turn.eq(Mux(last_turn, 0, turn + 1))
            with m.If(last_turn):
                m.d.sync += [row.eq(row + 1), row_address.eq(row_address + command.out_row_bytes)]
                with m.If(last_row):
                    following = Signal(24)
                    m.d.comb += following.eq(Mux(last_group, block_address + command.out_block_bytes,
                                                 tile_address + command.out_group_bytes))
                    m.d.sync += [row.eq(0), group.eq(Mux(last_group, 0, group + 1)),
                                 row_address.eq(following), tile_address.eq(following)]
                    with m.If(last_group):
                        m.d.sync += [block.eq(block + 1), block_address.eq(following)]
        with m.If(self.begin):
            m.d.sync += [turn.eq(0), row.eq(0), group.eq(0), block.eq(0), tile_address.eq(command.out_base),
                         row_address.eq(command.out_base), block_address.eq(command.out_base)]

        # which of its columns exist
        in_last_row = row + 1 == command.tail_rows[:5]
        row_exists = Mux(command.depthwise[0], ~last_block | (row < command.tail_rows[:5]),
                         ~last_group | (row < command.tail_rows[:5]))
        whole = Mux(command.depthwise[0], ~(last_block & in_last_row), ~last_block)
        mask = Signal(per_turn)
        limit = Mux(whole, Mux(command.depthwise[0], design.depthwise_cols, design.cols), command.tail_cols[:5])
        m.d.comb += mask.eq(Mux(row_exists, Cat(turn * per_turn + q < limit for q in range(per_turn)), 0))

        params = self._params(m, Cat(Mux(command.depthwise[0], row, 0)[:4], block[0]))
        self._requantize(m, active, row, turn, params)

        meta = Signal(data.StructLayout({"address": 24, "mask": per_turn, "ends": 1}))
        m.d.comb += [meta.address.eq(row_address + turn * per_turn), meta.mask.eq(mask),
                     meta.ends.eq(active & last_turn & last_row & last_group & last_block)]
        for stage in range(DRAIN_SELECT_LATENCY + REQUANTIZE_LATENCY):
            later = Signal(meta.shape(), name=f"meta{stage + 1}")
            m.d.sync += later.eq(meta)
            meta = later
        m.d.comb += [self.write.p.address.eq(meta.address), self.write.p.mask.eq(meta.mask)]
        done = meta.ends
        for stage in range(WRITE_LATENCY - 1):
            later = Signal(name=f"done{stage + 1}")
            m.d.sync += later.eq(done)
            done = later
        m.d.comb += self.done.eq(done)
        return m

    def _params(self, m, address):
        """Parameters of every column, for the block parity and array row in ``address``."""
        design = self.design
        rows_bits = (design.depthwise_rows - 1).bit_length()
        part = design.lanes * design.weight_bits
        stored = Signal()
        where = Signal(1 + rows_bits)
        m.d.sync += [stored.eq(self.param.valid & self.param.last),
                     where.eq(Cat(self.param.row[:rows_bits], self.param.odd))]
        params = []
        for col in range(design.cols):
            gathered = Signal(part * design.param_words, name=f"gathered{col}")
            with m.If(self.param.valid):
                m.d.sync += gathered.eq(Cat(gathered, self.weights.word_select(col, part))[part:])
            m.submodules[f"params{col}"] = storage = memory.Memory(
                shape=ChannelParams, depth=2 << rows_bits, init=[])
            writer, reader = storage.write_port(), storage.read_port(domain="comb")
            m.d.comb += [writer.addr.eq(where), writer.data.eq(gathered), writer.en.eq(stored),
                         reader.addr.eq(Cat(address[:rows_bits], address[-1]))]
            params.append(reader.data)
        return params

    def _requantize(self, m, active, row, turn, params):
        design, command = self.design, self.command
        totals = Array(self.totals[n] for n in range(design.rows * design.cols))
        for q in range(design.requantizers):
            m.submodules[f"requantizer{q}"] = unit = Requantizer(acc_bits=design.acc_bits)
            per_col = Array(params[c].as_value() for c in range(q, design.cols, design.requantizers))
            m.d.sync += [
                unit.acc.valid.eq(active),
                unit.acc.p.value.eq(totals[row * design.cols + turn * design.requantizers + q]),
                unit.acc.p.params.eq(per_col[turn]),
            ]
            m.d.comb += [unit.zero.eq(command.out_zero), unit.low.eq(command.act_min), unit.high.eq(command.act_max),
                         self.write.p.data[q].eq(unit.out.payload)]
            if q == 0:
                m.d.comb += self.write.valid.eq(unit.out.valid)
