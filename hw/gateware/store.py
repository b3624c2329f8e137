"""Addresses and masks of the outputs as they leave the requantizers."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.command import COMMAND
from hw.gateware.loop import LoopCounter
from hw.gateware.memories import BLOCK_RAM
from hw.gateware.scratchpad import write_layout
from hw.spec.design import SPRAM_ROW_BYTES, DesignPoint
from hw.spec.timing import WRITE_LATENCY

__all__ = ["Store", "Tile", "TileStore"]

TILES = 8   # between the last step of a tile and the store of its last output, at most


def _members(design):
    return {
        "command": In(COMMAND), "begin": In(1), "valid": In(1),
        "outputs": In(data.ArrayLayout(design.act_bits, design.requantizers)),
        "write": Out(stream.Signature(write_layout(design), always_ready=True)), "write_last": Out(1),
        "stored": In(1), "done": Out(1),
    }


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
        super().__init__(_members(design))

    def follow(self, m, tile, tile_valid):
        """In the module around it: where the sequencer says that tiles are; it knows itself."""

    def elaborate(self, platform):
        m = Module()
        design, command = self.design, self.command
        width = command.tile_cols
        final_row = Signal(4)
        m.d.sync += final_row.eq(command.tile_rows - 1)
        column = Signal(range(design.most_tile_cols + 1))
        row = Signal(range(max(2, design.rows)))
        loops = {name: LoopCounter(command[f"{name}s"].shape().width) for name in ("group", "band", "block")}
        for name, loop in loops.items():
            m.submodules[f"{name}s"] = loop
            m.d.comb += [loop.total.eq(command[f"{name}s"]), loop.restart.eq(self.begin)]
        step = Mux(command.add, 1, design.requantizers)
        following_column = column + step
        last_turn = Signal()
        last_row = Signal()
        last_group, last_band, last_block = (loop.last for loop in loops.values())
        m.d.comb += [
            last_turn.eq(following_column >= width),
            last_row.eq(row == final_row),
        ]
        address = Signal(24)
        row_address = Signal(24)
        tile_address = Signal(24)
        block_address = Signal(24)
        next_row = Signal(24)
        next_block = Signal(24)
        next_tile = Signal(24)
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

        exists = Signal()
        limit = Signal.like(column)
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
        _finish(m, self, self.valid & last_turn & last_row & last_group & last_band & last_block)
        return m


def _finish(m, store, ends):
    """``done`` some cycles after the last output, when it can be read."""
    ending = Signal(name="ending0")
    m.d.comb += ending.eq(ends)
    for stage in range(WRITE_LATENCY - 1):
        following = Signal(name=f"ending{stage + 1}")
        m.d.sync += following.eq(ending)
        ending = following
    waiting = Signal()      # for a port that others use
    m.d.comb += store.done.eq((ending | waiting) & store.stored)
    m.d.sync += waiting.eq((ending | waiting) & ~store.stored)


class Tile(data.Struct):
    """Where the outputs of a tile go."""

    address: 24       # of the first one
    last_block: 1
    ends: 1           # the layer's last tile


class TileStore(wiring.Component):
    """The same where the sequencer tells where the tiles are stored, for an array of one row that is used whole.

    Members
    -------
    tile, tile_valid : In
        The next tile, in the cycle of its last step.
    """

    def __init__(self, design: DesignPoint):
        self.design = design
        super().__init__({**_members(design), "tile": In(Tile), "tile_valid": In(1)})

    def follow(self, m, tile, tile_valid):
        """In the module around it: look at the sequencer's tiles."""
        m.d.comb += [self.tile.eq(tile), self.tile_valid.eq(tile_valid)]

    def elaborate(self, platform):
        m = Module()
        design, command = self.design, self.command
        bits = (design.act_bytes - 1).bit_length()
        kept = data.StructLayout({"address": bits, "last_block": 1, "ends": 1})
        m.submodules.tiles = storage = memory.Memory(
            shape=kept, depth=TILES, init=[], attrs=BLOCK_RAM)
        writer, reader = storage.write_port(), storage.read_port()
        tile = reader.data
        column = Signal(range(design.cols))
        place_bits = (SPRAM_ROW_BYTES - 1).bit_length()
        last_turn = Signal()
        m.d.comb += [
            last_turn.eq(column == command.tile_cols - 1), writer.en.eq(self.tile_valid),
            writer.data.address.eq(self.tile.address), writer.data.last_block.eq(self.tile.last_block),
            writer.data.ends.eq(self.tile.ends),
            # the memory looks at the upper bits only with the first one of a row
            self.write.valid.eq(self.valid),
            self.write.p.address.eq(Cat((tile.address[:place_bits] + column)[:place_bits], tile.address[place_bits:])),
            self.write.p.data.eq(self.outputs),
            self.write.p.mask.eq(~tile.last_block | (column < command.tail_cols)), self.write_last.eq(last_turn),
        ]
        place = Signal.like(writer.addr)
        with m.If(self.tile_valid):
            m.d.sync += place.eq(place + 1)
        number = Signal.like(reader.addr)
        m.d.comb += [reader.addr.eq(number), writer.addr.eq(place)]
        with m.If(self.valid):
            m.d.sync += column.eq(Mux(last_turn, 0, column + 1))
            with m.If(last_turn):
                m.d.sync += number.eq(number + 1)
        with m.If(self.begin):
            m.d.sync += [column.eq(0), number.eq(0), place.eq(0)]
        _finish(m, self, self.valid & last_turn & tile.ends)
        return m
