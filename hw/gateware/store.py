"""Addresses and masks of the outputs as they leave the requantizers."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.command import COMMAND
from hw.gateware.loop import LoopCounter
from hw.gateware.scratchpad import write_layout
from hw.spec.design import DesignPoint
from hw.spec.timing import WRITE_LATENCY

__all__ = ["Store"]


class Store(wiring.Component):
    """Walks a layer's outputs in the order of their turns: columns, array rows, groups, bands, blocks.

    Members
    -------
    command, begin : In
        As in the drain.
    valid, outputs : In
        Outputs of one turn; in a residual add only the first one counts.
    write, write_last : Out
        For the activation scratchpad, in the same cycle; ``write_last`` with the last of an array row.
    stored : In(1)
        Every write was done.
    done : Out(1)
        High for one cycle when every output of the layer can be read back.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({
            "command": In(COMMAND), "begin": In(1), "valid": In(1),
            "outputs": In(data.ArrayLayout(design.act_bits, design.requantizers)),
            "write": Out(stream.Signature(write_layout(design), always_ready=True)), "write_last": Out(1),
            "stored": In(1), "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        design, command = self.design, self.command
        width, final_row = command.tile_cols, Signal(4)
        m.d.sync += final_row.eq(command.tile_rows - 1)
        column, row = Signal(range(design.cols + 1)), Signal(range(max(2, design.rows)))
        loops = {name: LoopCounter(command[f"{name}s"].shape().width) for name in ("group", "band", "block")}
        for name, loop in loops.items():
            m.submodules[f"{name}s"] = loop
            m.d.comb += [loop.total.eq(command[f"{name}s"]), loop.restart.eq(self.begin)]
        step = Mux(command.add, 1, design.requantizers)
        following_column = column + step
        last_turn, last_row = Signal(), Signal()
        last_group, last_band, last_block = (loop.last for loop in loops.values())
        m.d.comb += [
            last_turn.eq(following_column >= width),
            last_row.eq(row == final_row),
        ]
        address, row_address = Signal(24), Signal(24)
        tile_address, block_address = Signal(24), Signal(24)
        next_row, next_block, next_tile = Signal(24), Signal(24), Signal(24)
        m.d.comb += [
            next_row.eq(row_address + command.out_row_bytes),
            next_block.eq(block_address + command.out_block_bytes),
            next_tile.eq(Mux(last_group & last_band, next_block,
                             tile_address + Mux(last_group, command.out_band_bytes, command.out_group_bytes))),
        ]
        with m.If(self.valid):
            m.d.sync += [column.eq(following_column), address.eq(address + step)]
            with m.If(last_turn):
                m.d.sync += [column.eq(0), row.eq(row + 1), row_address.eq(next_row), address.eq(next_row)]
                with m.If(last_row):
                    m.d.sync += [row.eq(0), tile_address.eq(next_tile), row_address.eq(next_tile),
                                 address.eq(next_tile)]
                    m.d.comb += [loops["group"].advance.eq(1), loops["band"].advance.eq(last_group),
                                 loops["block"].advance.eq(last_group & last_band)]
                    with m.If(last_group & last_band):
                        m.d.sync += block_address.eq(next_block)
        with m.If(self.begin):
            m.d.sync += [column.eq(0), row.eq(0)]
            m.d.sync += [register.eq(command.out_base)
                         for register in (address, row_address, tile_address, block_address)]

        exists, limit = Signal(), Signal.like(column)
        whole_row = Mux(command.depthwise, ~last_block | (row + 1 != command.tail_rows), ~last_block)
        m.d.comb += [
            exists.eq(Mux(command.depthwise, ~last_block, ~last_group) | (row < command.tail_rows)),
            limit.eq(Mux(whole_row, width, command.tail_cols)),
            self.write.valid.eq(self.valid), self.write.p.address.eq(address),
            self.write.p.data.eq(self.outputs),
            self.write.p.mask.eq(Mux(exists, Cat((column + q < limit) & (Const(not q, 1) | ~command.add)
                                                 for q in range(design.requantizers)), 0)),
            self.write_last.eq(last_turn),
        ]
        ending = Signal(name="ending0")
        m.d.comb += ending.eq(self.valid & last_turn & last_row & last_group & last_band & last_block)
        for stage in range(WRITE_LATENCY - 1):
            following = Signal(name=f"ending{stage + 1}")
            m.d.sync += following.eq(ending)
            ending = following
        waiting = Signal()      # for a port that others use
        m.d.comb += self.done.eq((ending | waiting) & self.stored)
        m.d.sync += waiting.eq((ending | waiting) & ~self.stored)
        return m
