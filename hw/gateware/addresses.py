"""Where a layer's blocks, tiles and array rows lie in the activations, in the sequencer's own module."""

from amaranth import Module, Signal, Value, signed
from amaranth.lib import data

from hw.gateware.loop import LoopCounter
from hw.gateware.store import Tile

__all__ = ["HeldAddresses", "TileAddresses"]


class TileAddresses:
    """Registers of their own.

    Parameters
    ----------
    held : View of COMMAND
        The command's registers.

    Attributes
    ----------
    block_address, block_x
        Where the block's first pixel lies, in the memory and in its row.
    block, tile, row
        Where the outputs of block, tile and row lie, to which a residual is added.
    """

    def __init__(self, held: data.View):
        self.block_address = Signal(24, name="block_address")
        self.block_x = Signal(signed(18))
        self.block = Signal(24, name="residual_block")
        self.tile = Signal(24, name="residual_tile")
        self.row = Signal(24, name="residual_address")

    def begin_inputs(self, m: Module, command: data.View) -> None:
        m.d.sync += self.block_address.eq(command.in_start)

    def begin_outputs(self, m: Module, command: data.View) -> None:
        m.d.sync += [self.tile.eq(command.out_base), self.block.eq(command.out_base)]

    def begin_block(self, m: Module) -> None:
        """Before its first tile."""

    def end_block(self, m: Module, command: data.View) -> None:
        following = self.block + command.out_block_bytes
        m.d.sync += [self.block_address.eq(self.block_address + command.block_bytes),
                     self.block_x.eq(self.block_x + command.block_bytes),
                     self.block.eq(following), self.tile.eq(following)]

    def begin_tile(self, m: Module) -> None:
        m.d.sync += self.row.eq(self.tile)

    def end_tile(self, m: Module, following: Value) -> None:
        m.d.sync += self.tile.eq(following)

    def jump(self, m: Module, following: Value) -> None:
        """To the tile that begins at once, as :meth:`end_tile` says of the same one."""
        m.d.sync += self.row.eq(following)

    def read_row(self, m: Module, address: Signal, row: Signal, number: Value) -> None:
        """Of ``number``, for a fetch's ``address`` and the ``row`` that it is for."""
        m.d.sync += [address.eq(self.row), row.eq(number)]

    def next_row(self, m: Module, command: data.View) -> None:
        m.d.sync += self.row.eq(self.row + command.out_row_bytes)

    def tell(self, m: Module, tile: Tile, tile_valid: Signal, *, ends: Value, loops: dict[str, LoopCounter]) -> None:
        """Where the tile's outputs go; who walks through them on his own need not know."""


class HeldAddresses(TileAddresses):
    """The same in the command's own fields, which are used up, for an array of one row, which is where its tile is."""

    def __init__(self, held: data.View):
        self.block_address = held.in_start
        self.block_x = Signal(signed(18))
        self.block = held.out_base
        self.row = self.tile = Signal(24, name="residual_tile")

    def begin_inputs(self, m: Module, command: data.View) -> None:
        pass

    def begin_outputs(self, m: Module, command: data.View) -> None:
        pass

    def begin_block(self, m: Module) -> None:
        m.d.sync += self.tile.eq(self.block)

    def end_block(self, m: Module, command: data.View) -> None:
        m.d.sync += [self.block_address.eq(self.block_address + command.block_bytes),
                     self.block_x.eq(self.block_x + command.block_bytes),
                     self.block.eq(self.block + command.out_block_bytes)]

    def begin_tile(self, m: Module) -> None:
        pass

    def jump(self, m: Module, following: Value) -> None:
        pass

    def read_row(self, m: Module, address: Signal, row: Signal, number: Value) -> None:
        m.d.sync += address.eq(self.row)

    def next_row(self, m: Module, command: data.View) -> None:
        pass

    def tell(self, m: Module, tile: Tile, tile_valid: Signal, *, ends: Value, loops: dict[str, LoopCounter]) -> None:
        last_group, last_band, last_block = (loops[name].last for name in ("group", "band", "block"))
        m.d.comb += [tile_valid.eq(ends), tile.address.eq(self.tile), tile.last_block.eq(last_block),
                     tile.ends.eq(last_group & last_band & last_block)]
