"""Where a LAYER may read: the bytes of its input tensor."""

from collections.abc import Mapping

from amaranth import Assert, Const, Module, Mux, Signal, Value, signed
from amaranth.hdl import Assume
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In

from hw.gateware.command import COMMAND
from hw.gateware.sequencer import Sequencer
from hw.gateware.walker import Pixel, Taps, WindowWalker
from hw.spec.commands import COMMAND_BITS, COUNTS, encode

__all__ = ["FetchContract", "PixelContract", "RunContract", "TapContract"]

LARGEST_X = 1 << 16      # places in a row, and rows, that stay clear of their registers' ends
LARGEST_Y = 1 << 14


def _constant(m: Module, value: Value) -> Value:
    """Assume it; returns whether it was there in the cycle before."""
    before = Signal(len(value))
    started = Signal()
    m.d.sync += [before.eq(value), started.eq(1)]
    m.d.comb += Assume(~started | (before == value))
    return started


def _clear(value: Value, limit: int) -> Value:
    return (value < limit) & (value > -limit)


def _tensor(m: Module, command: View, tensor: Value, row_bytes: int) -> None:
    """Assume what the compiler guarantees of the input at ``tensor``."""
    start = Signal(24)
    m.d.comb += start.eq(tensor + command.first_y * row_bytes + command.first_x_bytes)
    m.d.comb += [Assume(fact) for fact in (
        command.in_row_bytes == row_bytes, command.step_y_bytes == command.stride_y * row_bytes,
        command.in_start == start,
        ~command.window | command.depthwise, ~command.broadcast | (~command.depthwise & (command.step_x_bytes <= 256)))]
    m.d.comb += [Assume(command[name] != 0) for name in COUNTS]


class PixelContract(wiring.Component):
    """A pixel's address, place in its row and row belong together: ``address == tensor + y * in_row_bytes + x``.

    The command keeps what the compiler guarantees: its distances are those of a tensor of ``in_height`` rows of
    ``in_row_bytes``, and places and rows stay clear of the ends of their registers. A block begins, anywhere in the
    row, before pixels are walked.

    Parameters
    ----------
    unit : WindowWalker
        Only observed, but for its command.
    row_bytes : int
        ``in_row_bytes``.

    Members
    -------
    command : In(COMMAND)
        Constant.
    tensor : In(24)
        Address of the input tensor; constant.
    """

    command: In(COMMAND)
    tensor: In(24)

    def __init__(self, unit: WindowWalker, *, row_bytes: int):
        self._unit, self._row_bytes = unit, row_bytes
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m, unit, command, pixel = Module(), self._unit, self.command, self._unit.pixel
        _constant(m, command.as_value())
        _constant(m, self.tensor)
        _tensor(m, command, self.tensor, self._row_bytes)
        begun = Signal()
        block_x = Signal.like(unit.block_x)
        place = Signal(24)
        with m.If(unit.begin):
            m.d.sync += [begun.eq(1), block_x.eq(unit.block_x)]
        down = Signal(24)
        m.d.comb += [unit.command.eq(command), down.eq(self.tensor + pixel.y * self._row_bytes),
                     place.eq(command.in_start + unit.block_x - command.first_x_bytes)]
        m.d.comb += [Assume(fact) for fact in (
            ~unit.advance | (begun & (unit.block_x == block_x)), unit.block_address == place,
            _clear(pixel.x, LARGEST_X), _clear(unit.block_x, LARGEST_X), _clear(pixel.y, LARGEST_Y))]
        with m.If(begun):
            m.d.comb += [Assert(pixel.address == (down + pixel.x)[:24], "a pixel's address is not that of its place"),
                         Assert(unit.row_address == (down + block_x)[:24], "a row's address is not that of its row")]
        return m


class TapContract(wiring.Component):
    """A tap's address, place and row belong together, as in :class:`PixelContract`, from the pixel's first tap.

    Parameters
    ----------
    unit : Taps
        Only observed, but for its command.
    row_bytes : int
        ``in_row_bytes``.

    Members
    -------
    command : In(COMMAND)
        Constant, from a cycle before the layer begins on.
    """

    command: In(COMMAND)

    def __init__(self, unit: Taps, *, row_bytes: int):
        self._unit, self._row_bytes = unit, row_bytes
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m, unit, command = Module(), self._unit, self.command
        m.d.comb += [unit.command.eq(command), Assume(_constant(m, command.as_value()) | ~unit.begin)]
        begun = Signal()
        along = Signal(24)
        down = Signal(24)
        with m.If(unit.begin):
            m.d.sync += begun.eq(1)
        m.d.comb += [along.eq(unit.x), down.eq(unit.y * self._row_bytes)]
        m.d.comb += [Assume(fact) for fact in (
            command.in_row_bytes == self._row_bytes, ~unit.advance | begun, _clear(unit.x, LARGEST_X),
            *(command[name] != 0 for name in COUNTS))]
        with m.If(begun):
            rows = Mux(command.window, unit.inner.left, unit.outer.left)
            m.d.comb += [
                Assert(unit.address == (down + along)[:24], "a tap's address is not that of its place"),
                Assert(unit.start == Mux(command.window, along, down), "where a loop began was lost"),
                Assert(unit.y + rows + 1 == command.kernel_rows, "lost count of kernel rows")]
            for loop, single in ((unit.inner, unit.inner_single), (unit.outer, unit.outer_single)):
                m.d.comb += [Assert(loop.last == (loop.left == 0), "a loop's end was missed"),
                             Assert(single == (loop.total == 1), "a loop of one pass was missed, or seen elsewhere")]
        return m


class FetchContract(wiring.Component):
    """What is fetched for a tap of a pixel, and not replaced, lies inside the input tensor.

    This follows, without any state, from what :class:`PixelContract` and :class:`TapContract` prove, and it is
    assumed here of pixel and tap: so the three are one proof. First, the address of the fetch is that of its place,
    ``tensor + y * in_row_bytes + x``, and so is each byte's behind it. Second, any place with
    ``0 <= y < in_height`` and ``0 <= x < in_row_bytes`` is the tensor's; the scratchpad replaces all others.

    Parameters
    ----------
    row_bytes : int
        ``in_row_bytes``.
    size : int
        Of the activation scratchpad, bytes.

    Members
    -------
    height, tensor : In
        ``in_height`` and the tensor's address.
    pixel, tap_address, tap_x, tap_y : In
        Of the fetch.
    place : In(16)
        Any place in a row.
    """

    def __init__(self, *, row_bytes: int, size: int):
        self._row_bytes, self._size = row_bytes, size
        super().__init__({"height": In(12), "tensor": In(24), "pixel": In(Pixel), "tap_address": In(24),
                          "tap_x": In(signed(18)), "tap_y": In(8), "place": In(16)})

    def elaborate(self, platform: object) -> Module:
        m, row, pixel = Module(), self._row_bytes, self.pixel
        pixel_address = Signal(24)
        tap_address = Signal(24)
        address = Signal(24)
        wanted = Signal(24)
        y, x = pixel.y + self.tap_y, pixel.x + self.tap_x
        m.d.comb += [pixel_address.eq(self.tensor + pixel.y * row + pixel.x),
                     tap_address.eq(self.tap_y * row + self.tap_x), address.eq(pixel.address + self.tap_address),
                     wanted.eq(self.tensor + y * row + x)]
        m.d.comb += [Assume(pixel.address == pixel_address), Assume(self.tap_address == tap_address),
                     Assume(self.tensor + self.height * row <= self._size),
                     Assert(address == wanted, "a fetch's address is not that of its place")]
        here = Signal(24)
        m.d.comb += here.eq(self.tensor + y * row + self.place)
        with m.If((y >= 0) & (y < self.height) & (self.place < row)):
            m.d.comb += Assert((here >= self.tensor) & (here < self.tensor + self.height * row),
                               "a fetch outside the input")
        return m


class RunContract(wiring.Component):
    """The sequencer reads nothing outside the regions of one given LAYER, however it is paused.

    - A fetch's bytes that are not replaced are the input's.
    - What outputs are added to lies where they go; array rows beyond the last pixel fetch what lies behind, and
      nothing becomes of it.
    - Words of table, parameters and weights are the layer's.

    Parameters
    ----------
    unit : Sequencer
        Only observed; one command fills a weight word, and every word that it reads is this one.
    command : Mapping[str, int]
        Its fields.
    source, output : range
        Bytes of the input; of the output, with those of array rows beyond the last pixel.
    words : int
        Weight words of the layer.
    """

    def __init__(self, unit: Sequencer, command: Mapping[str, int], *, source: range, output: range, words: int):
        self._unit, self._command, self._words = unit, command, words
        self._source, self._output = source, output
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        m, unit, command = Module(), self._unit, self._command
        m.d.comb += unit.weights.eq(Const(encode(command), COMMAND_BITS))
        fetch, token = unit.fetch, unit.step.token
        # At the clock edge: before it, the simulator has not yet settled what belongs together.
        for lane in range(unit.design.fetch_bytes):
            kept = fetch.row_valid & (fetch.x + lane >= 0) & (fetch.x + lane < command["in_row_bytes"])
            with m.If(unit.fetch_valid & ~fetch.raw & kept):
                m.d.sync += Assert(_within((fetch.address + lane)[:24], self._source), "a fetch outside the input")
        with m.If(unit.fetch_valid & fetch.raw):
            m.d.sync += Assert(_within(fetch.address, self._output), "an operand outside the output")
        reads = unit.table.valid | unit.param.valid | token.load | (token.valid & (not command["local"]))
        first = command["weight_base"]
        with m.If(reads):
            m.d.sync += Assert(_within(unit.weight_address, range(first, first + self._words)),
                               "a word outside the layer's weights")
        return m


def _within(value: Value, region: range) -> Value:
    return (value >= region.start) & (value < region.stop)
