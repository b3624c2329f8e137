"""Where things lie in the input: the taps of one output pixel after the other."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.command import COMMAND

__all__ = ["Pixel", "Taps", "WindowWalker"]


class Pixel(data.Struct):
    """Where the first tap of an output pixel lies in the input."""

    address: 24        # bytes; wraps
    x: signed(18)      # in its row, bytes
    y: signed(16)      # row


class WindowWalker(wiring.Component):
    """Visits output pixels in raster order, and gives each one's first tap.

    ``begin`` goes to the first pixel, ``advance`` to the next one (``broadcast``: a group of ``rows`` further);
    ``pixel`` is valid in the cycle after.
    """

    def __init__(self, rows):
        self.rows = rows
        super().__init__({"command": In(COMMAND), "block_address": In(24), "block_x": In(signed(18)),
                          "begin": In(1), "advance": In(1), "pixel": Out(Pixel)})

    def elaborate(self, platform):
        m = Module()
        command, pixel = self.command, self.pixel
        ox, row_address, step = Signal(12), Signal(24), Signal(20)
        m.d.comb += step.eq(Mux(command.broadcast, command.step_x_bytes << (self.rows - 1).bit_length(),
                                command.step_x_bytes))
        with m.If(self.advance):
            with m.If(ox + 1 == command.out_width):
                following = row_address + command.step_y_bytes
                m.d.sync += [ox.eq(0), row_address.eq(following), pixel.address.eq(following),
                             pixel.x.eq(self.block_x), pixel.y.eq(pixel.y + command.stride_y)]
            with m.Else():
                m.d.sync += [ox.eq(ox + 1), pixel.address.eq(pixel.address + step), pixel.x.eq(pixel.x + step)]
        with m.If(self.begin):
            m.d.sync += [ox.eq(0), row_address.eq(self.block_address), pixel.address.eq(self.block_address),
                         pixel.x.eq(self.block_x), pixel.y.eq(command.first_y)]
        return m


class Taps(wiring.Component):
    """Counts through the taps of a tile: segments of a kernel row, kernel rows; with ``window`` the other way round.

    Members
    -------
    command : In
    begin : In(1)
        A layer begins.
    advance, ends_band : In(1)
        To the next segment; the tile is its band's last one, so that the columns begin anew behind it.
    first_tile : In(1)
        Of a band.
    address, x, y : Out
        Of the segment, from the pixel's first tap (``window``: from the band's).
    first, last : Out(1)
        Of the tile's segments.
    row_ends : Out(1)
        The segment is the last of its kernel row.
    multiplies : Out(1)
        The segment completes pixels (``window``: it is of the last column).
    begins_sum : Out(1)
        The sum starts here.
    spacing : Out(1)
        From here on the rest is as long as a tile that is not its band's first.
    """

    def __init__(self):
        super().__init__({
            "command": In(COMMAND), "begin": In(1), "advance": In(1), "ends_band": In(1), "first_tile": In(1),
            "address": Out(24), "x": Out(signed(18)), "y": Out(8), "first": Out(1), "last": Out(1),
            "row_ends": Out(1), "multiplies": Out(1), "begins_sum": Out(1), "spacing": Out(1)})

    def elaborate(self, platform):
        m = Module()
        command = self.command
        window = command.window
        inner, outer = Signal(8), Signal(8)
        start, last_inner, last_outer = Signal(24), Signal(), Signal()
        columns = Mux(self.first_tile, command.first_segments, command.segments)
        m.d.comb += [
            last_inner.eq(inner + 1 == Mux(window, command.kernel_rows, command.segments)),
            last_outer.eq(outer + 1 == Mux(window, columns, command.kernel_rows)),
            self.first.eq((inner == 0) & (outer == 0)), self.last.eq(last_inner & last_outer),
            self.row_ends.eq(window | last_inner), self.y.eq(Mux(window, inner, outer)),
            self.multiplies.eq(~window | last_outer),
            self.begins_sum.eq((inner == 0) & (window | (outer == 0))),
            self.spacing.eq(~window | ~self.first_tile | (outer + command.segments >= command.first_segments)),
        ]
        across = Signal(24)
        m.d.comb += across.eq(Mux(window, command.segment_bytes, command.in_row_bytes))
        restarts = Mux(window, self.last & self.ends_band, self.last)
        with m.If(self.advance):
            m.d.sync += inner.eq(Mux(last_inner, 0, inner + 1))
            with m.If(~last_inner):
                stride = Signal(24)
                m.d.comb += stride.eq(Mux(window, command.in_row_bytes, command.segment_bytes))
                m.d.sync += self.address.eq(self.address + stride)
                with m.If(~window):
                    m.d.sync += self.x.eq(self.x + command.segment_bytes)
            with m.Else():
                following = Signal(24)
                m.d.comb += following.eq(Mux(restarts, 0, start + across))
                m.d.sync += [outer.eq(Mux(last_outer, 0, outer + 1)), start.eq(following),
                             self.address.eq(following),
                             self.x.eq(Mux(window & ~restarts, self.x + command.segment_bytes, 0))]
        with m.If(self.begin):
            m.d.sync += [inner.eq(0), outer.eq(0), start.eq(0), self.address.eq(0), self.x.eq(0)]
        return m
