"""Where things lie in the input: the taps of one output pixel after the other."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.command import COMMAND
from hw.gateware.loop import LoopCounter

__all__ = ["Pixel", "Taps", "WindowWalker"]


class Pixel(data.Struct):
    """Where the first tap of an output pixel lies in the input."""

    address: 24        # bytes; wraps
    x: signed(18)      # in its row, bytes
    y: signed(16)      # row


class WindowWalker(wiring.Component):
    """Visits output pixels in raster order, and gives each one's first tap.

    ``begin`` goes to the first pixel, ``advance`` to the next one (``broadcast``: the next group's first);
    ``pixel`` is valid in the cycle after.

    Parameters
    ----------
    counter
        The kind of its loop over the pixels of a row.
    """

    def __init__(self, counter: type[LoopCounter] = LoopCounter):
        super().__init__({"command": In(COMMAND), "block_address": In(24), "block_x": In(signed(18)),
                          "begin": In(1), "advance": In(1), "pixel": Out(Pixel)})
        self.row_address = Signal(24)      # of the first pixel of the row
        self.columns = counter(12)

    def elaborate(self, platform):
        m = Module()
        command, pixel = self.command, self.pixel
        m.submodules.columns = columns = self.columns
        m.d.comb += [columns.total.eq(command.out_width), columns.restart.eq(self.begin),
                     columns.advance.eq(self.advance)]
        row_address = self.row_address
        step = command.step_x_bytes
        with m.If(self.advance):
            with m.If(columns.last):
                following = row_address + command.step_y_bytes
                m.d.sync += [row_address.eq(following), pixel.address.eq(following), pixel.x.eq(self.block_x),
                             pixel.y.eq(pixel.y + command.stride_y)]
            with m.Else():
                m.d.sync += [pixel.address.eq(pixel.address + step), pixel.x.eq(pixel.x + step)]
        with m.If(self.begin):
            m.d.sync += [row_address.eq(self.block_address), pixel.address.eq(self.block_address),
                         pixel.x.eq(self.block_x), pixel.y.eq(command.first_y)]
        return m


class Taps(wiring.Component):
    """Counts through the taps of a tile: segments of a kernel row, kernel rows; with ``window`` the other way round.

    Parameters
    ----------
    counter
        The kind of its two loops.

    Members
    -------
    command : In
        Constant in a layer, and in the cycle before ``begin``.
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
    row_ends, next_row_ends : Out(1)
        The segment is the last of its kernel row; the one that ``advance`` goes to is (not with ``SmallLoopCounter``).
    multiplies : Out(1)
        The segment completes pixels (``window``: it is of the last column).
    begins_sum : Out(1)
        The sum starts here.
    spacing : Out(1)
        From here on the rest is as long as a tile that is not its band's first.
    """

    def __init__(self, counter: type[LoopCounter] = LoopCounter):
        super().__init__({
            "command": In(COMMAND), "begin": In(1), "advance": In(1), "ends_band": In(1), "first_tile": In(1),
            "address": Out(24), "x": Out(signed(18)), "y": Out(8), "first": Out(1), "last": Out(1),
            "row_ends": Out(1), "next_row_ends": Out(1), "multiplies": Out(1), "begins_sum": Out(1),
            "spacing": Out(1)})
        #: Loops over segments and kernel rows, the other way round with ``window``, whether they have one pass, and
        #: where the outer one's pass began.
        self.inner_single = Signal()
        self.outer_single = Signal()
        self.inner, self.outer = (counter(8, single=single) for single in (self.inner_single, self.outer_single))
        self.start = Signal(24)

    def elaborate(self, platform):
        m = Module()
        command = self.command
        window = command.window
        m.submodules.inner = inner = self.inner
        m.submodules.outer = outer = self.outer
        anew = self.begin | self.ends_band
        columns = Mux(anew, command.first_segments, command.segments)
        first_single, columns_single, rows_single = (Signal(name=f"{name}_single")
                                                     for name in ("first", "columns", "rows"))
        m.d.sync += [self.inner_single.eq(inner.total == 1), first_single.eq(command.first_segments == 1),
                     columns_single.eq(command.segments == 1), rows_single.eq(command.kernel_rows == 1)]
        m.d.comb += [
            inner.total.eq(Mux(window, command.kernel_rows, command.segments)),
            outer.total.eq(Mux(window, columns, command.kernel_rows)),
            self.outer_single.eq(Mux(window, Mux(anew, first_single, columns_single), rows_single)),
            inner.restart.eq(self.begin), outer.restart.eq(self.begin),
            inner.advance.eq(self.advance), outer.advance.eq(self.advance & inner.last),
            self.first.eq(inner.first & outer.first), self.last.eq(inner.last & outer.last),
            self.row_ends.eq(window | inner.last),
            self.next_row_ends.eq(window | Mux(self.begin, self.inner_single, inner.next_last)),
            self.multiplies.eq(~window | outer.last), self.begins_sum.eq(inner.first & (window | outer.first)),
            self.spacing.eq(~window | ~self.first_tile | (outer.left < command.segments)),
        ]
        stride = Signal(24)
        across = Signal(24)
        start = self.start
        m.d.comb += [stride.eq(Mux(window, command.in_row_bytes, command.segment_bytes)),
                     across.eq(start + Mux(window, command.segment_bytes, command.in_row_bytes))]
        restarts = outer.last & (~window | self.ends_band)
        moves = Signal()
        m.d.comb += moves.eq(window ^ ~inner.last)      # along the row
        with m.If(self.advance):
            m.d.sync += self.y.eq(Mux(window, Mux(inner.last, 0, self.y + 1),
                                      Mux(inner.last, Mux(outer.last, 0, self.y + 1), self.y)))
            with m.If(~inner.last):
                m.d.sync += self.address.eq(self.address + stride)
            with m.Else():
                following = Signal(24)
                m.d.comb += following.eq(Mux(restarts, 0, across))
                m.d.sync += [start.eq(following), self.address.eq(following)]
            with m.If(moves):
                m.d.sync += self.x.eq(Mux(window & restarts, 0, self.x + command.segment_bytes))
            with m.Elif(~window):
                m.d.sync += self.x.eq(0)
        with m.If(self.begin):
            m.d.sync += [start.eq(0), self.address.eq(0), self.x.eq(0), self.y.eq(0)]
        return m
