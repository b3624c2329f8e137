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
        "command": In(COMMAND), "begin": In(1), "coming": In(1), "valid": In(1),
        "outputs": In(data.ArrayLayout(design.act_bits, design.requantizers)),
        "write": Out(stream.Signature(write_layout(design), always_ready=True)), "write_last": Out(1),
        "stored": In(1), "done": Out(1),
    }


class Store(wiring.Component):
    """Walks a layer's outputs in the order of their turns: columns, array rows, groups, bands, blocks.

    Members
    -------
    command, begin : In
        As in the drain; the command a cycle before ``begin``, too.
    coming, valid, outputs : In
        Outputs of one turn come in the next cycle, two after ``begin`` or later; they are there. In a residual add only
        the first one counts.
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
        loops = [LoopCounter(bits) for bits in (len(command.tile_cols), len(command.tile_rows), len(command.groups),
                                                len(command.bands), len(command.blocks))]
        totals = (self._turns(m), command.tile_rows, command.groups, command.bands, command.blocks)
        for name, loop, total in zip(("turns", "rows", "groups", "bands", "blocks"), loops, totals, strict=True):
            m.submodules[name] = loop
            m.d.comb += [loop.total.eq(total), loop.restart.eq(self.begin)]
        ends_turn, ends_row, ends_group, ends_band, ends_block = LoopCounter.ends(m, loops)
        for loop, ends in zip(loops, (1, ends_turn, ends_row, ends_group, ends_band), strict=True):
            m.d.comb += loop.advance.eq(self.coming & ends)
        _, _, last_group, _, last_block = (loop.last for loop in loops)

        step = Signal(range(design.requantizers + 1))
        m.d.sync += step.eq(Mux(command.add, 1, design.requantizers))
        column = Signal(range(design.most_tile_cols + 1))
        row = Signal(range(max(2, design.rows)))
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
            next_tile.eq(Mux(ends_band, next_block,
                             tile_address + Mux(last_group, command.out_band_bytes, command.out_group_bytes))),
        ]
        with m.If(self.coming):
            m.d.sync += [column.eq(column + step), address.eq(address + step)]
            with m.If(ends_turn):
                m.d.sync += [column.eq(0), row.eq(row + 1), row_address.eq(next_row), address.eq(next_row)]
            with m.If(ends_row):
                m.d.sync += [row.eq(0), tile_address.eq(next_tile), row_address.eq(next_tile), address.eq(next_tile)]
            with m.If(ends_band):
                m.d.sync += block_address.eq(next_block)
        with m.If(self.begin):
            m.d.sync += [column.eq(0), row.eq(0)]
            m.d.sync += [register.eq(command.out_base)
                         for register in (address, row_address, tile_address, block_address)]
        self._give(m, address=address, mask=self._mask(m, row, column, last_group, last_block), last=ends_turn,
                   ends=ends_block)
        return m

    def _turns(self, m):
        """Of an array row."""
        command, columns = self.command, (self.design.requantizers - 1).bit_length()
        turns = Signal.like(command.tile_cols)
        m.d.sync += turns.eq(Mux(command.add, command.tile_cols, ((command.tile_cols - 1) >> columns) + 1))
        return turns

    def _mask(self, m, row, column, last_group, last_block):
        """Which of the turn's outputs there are."""
        design, command = self.design, self.command
        tail_row = Signal.like(command.tail_rows)
        m.d.sync += tail_row.eq(command.tail_rows - 1)
        exists = Signal()
        limit = Signal.like(column)
        short = last_block & (~command.depthwise | (row == tail_row))
        m.d.comb += [exists.eq(Mux(command.depthwise, ~last_block, ~last_group) | (row <= tail_row)),
                     limit.eq(Mux(short, command.tail_cols, command.tile_cols))]
        # a column is a multiple of the requantizers, or the first output is the only one
        return Mux(exists, Cat(((column | q) < limit) & (Const(not q, 1) | ~command.add)
                               for q in range(design.requantizers)), 0)

    def _give(self, m, **now):
        """A cycle later, with the outputs."""
        valid, address = Signal(name="writes"), Signal(24, name="write_address")
        mask, last, ends = Signal(self.design.requantizers, name="mask"), Signal(name="last"), Signal(name="ends")
        m.d.sync += [valid.eq(self.coming), address.eq(now["address"]), mask.eq(now["mask"]), last.eq(now["last"]),
                     ends.eq(self.coming & now["ends"])]
        m.d.comb += [self.write.valid.eq(valid), self.write.p.address.eq(address), self.write.p.mask.eq(mask),
                     self.write.p.data.eq(self.outputs), self.write_last.eq(last)]
        _finish(m, self, ends)


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
