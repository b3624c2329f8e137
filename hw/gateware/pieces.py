"""Sums of digits on their way to the requantizers: which belong together, and in what place."""

from amaranth import Array, Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware import nibbles
from hw.gateware.digits import DIGIT_PLACE_BITS, DIGITS
from hw.gateware.scalable import POOL_PLACE_BITS, ScalableElement
from hw.spec.design import DesignPoint

__all__ = ["HIGH_PLACE_BITS", "NibbleSums", "PieceSums"]

HIGH_PLACE_BITS = nibbles.PLACE_BITS     # of the sum of the upper digit, or of the upper two


class PieceSums(wiring.Component):
    """Takes the sums of one of some elements, and gives those of neighbouring pieces of its weights.

    ``hw.spec.timing.select_latency`` after ``element`` and ``piece``, that of piece ``piece + n`` is ``low[n] +
    (high << HIGH_PLACE_BITS)`` for the first one and ``low[n]`` for the others. Bytes have four digits.

    Parameters
    ----------
    elements : int
        That it chooses from.
    pieces : int
        That it gives; a power of two.

    Members
    -------
    split, maximum : In
        Of the layer; constant while sums are taken. With a ``maximum`` the largest products are given in their place.
    totals : In
    element, piece : In
        ``piece`` counts where weights are split.
    low, high : Out
    """

    def __init__(self, design: DesignPoint, *, elements: int, pieces: int):
        self.design, self.elements, self.pieces = design, elements, pieces
        addend = self.addend_shape(design)
        super().__init__({
            "split": In(2), "maximum": In(1),
            "totals": In(data.ArrayLayout(ScalableElement.total_shape(design), elements)),
            "element": In(range(max(2, elements))), "piece": In(2),
            "low": Out(data.ArrayLayout(addend, pieces)), "high": Out(addend),
        })

    @staticmethod
    def addend_shape(design: DesignPoint) -> Shape:
        """Of two digits' sum."""
        return signed(design.digit_bits + DIGIT_PLACE_BITS + 1)

    def elaborate(self, platform):
        m = Module()
        chosen = Array(self.totals[n].digits.as_value() for n in range(self.elements))[self.element]
        held = Signal(data.ArrayLayout(signed(self.design.digit_bits), DIGITS))
        element = Signal.like(self.element, name="held_element")
        m.d.sync += [held.as_value().eq(chosen), element.eq(self.element)]
        # what elements found largest comes a cycle later than their sums
        largest = Array(self.totals[n].largest for n in range(self.elements))[element].as_signed()
        top = Mux(self.maximum, largest, held[3]).as_signed()
        upper = Signal(self.high.shape(), attrs={"keep": 1})
        m.d.comb += upper.eq(held[2] + (top << DIGIT_PLACE_BITS))
        self._high(m, upper)
        self._lows(m, held, upper)
        return m

    def _high(self, m: Module, upper: Value) -> None:
        """Where it belongs to the first piece."""
        with m.If(self.split == 0):
            m.d.sync += self.high.eq(upper)
        with m.Else():
            m.d.sync += self.high.eq(0)

    def _lows(self, m: Module, held: data.View, upper: Signal) -> None:
        """The lowest two digits' sum of each piece, as far as it has two; the second of two pieces has ``upper``."""
        alone, place = self.split[1], (self.pieces - 1).bit_length()
        lowest = Signal(range(DIGITS))       # digit of the first piece
        further = Signal(2 - place)          # upper bits of the number of a digit, where each is a piece
        m.d.sync += [lowest.eq(Mux(alone, self.piece, Cat(0, self.split[0] & self.piece[0]))),
                     further.eq(self.piece[place:])]
        second = Mux(alone, 0, Mux(lowest[1], held[3], held[1])).as_signed()
        m.d.sync += self.low[0].eq(Array(held)[lowest].as_signed() + (second << DIGIT_PLACE_BITS))
        for n in range(1, self.pieces):
            digit = Array(held)[Cat(Const(n, place), further)].as_signed()
            m.d.sync += self.low[n].eq(Mux(alone, digit, upper))


class NibbleSums(PieceSums):
    """The same of bytes with two digits, of which none are to be added here."""

    @staticmethod
    def addend_shape(design: DesignPoint) -> Shape:
        return signed(design.digit_bits)

    def elaborate(self, platform):
        m = Module()
        chosen = Signal(ScalableElement.total_shape(self.design))
        m.d.comb += chosen.as_value().eq(
            Array(self.totals[n].as_value() for n in range(self.elements))[self.element])
        low, high = chosen.digits
        self._high(m, Mux(self.maximum, chosen.largest << POOL_PLACE_BITS, high))
        second = self.split[0] & self.piece[0]
        m.d.sync += [self.low[0].eq(Mux(second, high, low)), *(one.eq(high) for one in list(self.low)[1:])]
        return m
