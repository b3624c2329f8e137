"""Processing elements of scalable precision: sums of digits, which the drain puts together as a layer says."""

from amaranth import Const, Module, Mux, ShapeLike, Signal, Value, signed
from amaranth.lib import data

from hw.gateware import digits, nibbles
from hw.gateware.adders import carried_sum
from hw.gateware.element import ProcessingElement, Token
from hw.spec.design import DesignPoint
from hw.spec.digits import POOL_WEIGHT

__all__ = ["BlockElement", "ScalableElement"]

#: From the product with the digit of pools to the activation.
POOL_PLACE_BITS = (POOL_WEIGHT >> nibbles.PLACE_BITS).bit_length() - 1


class ScalableElement(ProcessingElement):
    """The same for weights in digits (``code``), whose sums stay apart: which of them belong together is nothing to the
    element, and one design serves weights of several widths. Products are formed by plain logic.

    ``totals`` has the ``digits``' sums and, ``hw.spec.timing.select_latency`` less 1 cycles later, ``largest``: in a
    pool, where all weights are ``hw.spec.digits.POOL_WEIGHT``, the largest activation.
    """

    code: data.Layout = digits.CODE     # of a byte of weights in front of the array

    def __init__(self, design: DesignPoint, row: int, col: int):
        super().__init__(design, row, col)
        #: The running sum of each digit.
        self.accumulators = [Signal(signed(design.digit_bits), name=f"acc{n}") for n in range(design.digits)]

    @classmethod
    def weight_shape(cls, design: DesignPoint) -> ShapeLike:
        return signed(cls.code.size)

    @staticmethod
    def total_shape(design: DesignPoint) -> ShapeLike:
        return data.StructLayout({"digits": data.ArrayLayout(signed(design.digit_bits), design.digits),
                                  "largest": signed(design.act_bits)})

    @staticmethod
    def coded(m: Module, weights: Value, split: Value, name: str) -> data.View:
        """The ``code`` of a byte of weights that is split so many times, in the same cycle."""
        return digits.coded(m, weights, split, name)

    def _compute(self, m, token, acts, weights):
        design = self.design
        summed = Signal(Token)
        m.d.sync += summed.eq(token)
        codes = [data.View(self.code, weight) for weight in weights[0]]
        for n in range(design.digits):
            total, owed = digits.digit_sum(m, [digits.digit_term(act, code[f"digit{n}"]) for act, code in
                                               zip(acts, codes, strict=True)], f"sum{n}_")
            dot = Signal(signed(design.act_bits + 1 + (design.lanes - 1).bit_length()), name=f"dot{n}")
            carry = Signal(name=f"carry{n}")
            m.d.sync += [dot.eq(total), carry.eq(owed)]
            self._accumulate_digit(m, n, summed, dot, carry)
        if self._depthwise:
            self._compare(m, summed, dot[:design.act_bits].as_signed())

    def _accumulate_digit(self, m, n, summed, dot, carry):
        """Cleared behind the last step, so that nothing lies in front of the adder."""
        acc = self.accumulators[n]
        following = carried_sum(m, acc, dot, carry, f"following{n}", width=len(acc))
        with m.If(summed.valid):
            m.d.sync += acc.eq(following)
            with m.If(summed.last):
                m.d.sync += [self.totals[0].digits[n].eq(following), acc.eq(0)]

    def _compare(self, m, summed, product):
        """Keep the largest product of the last digit, which is the activation where that is 1."""
        largest = Signal.like(product)
        finished = Signal()
        m.d.sync += finished.eq(summed.valid & summed.last)
        with m.If(summed.valid):
            m.d.sync += largest.eq(Mux(summed.first | (product > largest), product, largest))
        with m.If(finished):
            m.d.sync += self.totals[0].largest.eq(largest)


class BlockElement(ScalableElement):
    """The same with a multiplier block for each lane, which multiplies by both digits of a byte."""

    code = nibbles.CODE

    @staticmethod
    def coded(m: Module, weights: Value, split: Value, name: str) -> data.View:
        return nibbles.coded(m, weights, split, name)

    @staticmethod
    def _product(act: Value, code: data.View) -> Value:
        return nibbles.nibble_product(act, code)

    def _compute(self, m, token, acts, weights):
        multiplied, summed = Signal(Token), Signal(Token)
        m.d.sync += [multiplied.eq(token), summed.eq(multiplied)]
        held = []
        for lane, (act, weight) in enumerate(zip(acts, weights[0], strict=True)):
            product = self._product(act, data.View(self.code, weight))
            held.append(Signal(product.shape(), name=f"held{lane}"))
            m.d.sync += held[lane].eq(product)
        low, (high, owed) = nibbles.nibble_sums(m, held, self.design.act_bits, "sum")
        dots = [Signal(value.shape(), name=f"dot{n}") for n, value in enumerate((low, high))]
        carry = Signal()
        m.d.sync += [dots[0].eq(low), dots[1].eq(high), carry.eq(owed)]
        for n, taken in enumerate((Const(0, 1), carry)):
            self._accumulate_digit(m, n, summed, dots[n], taken)
        if self._depthwise:
            self._compare(m, summed, dots[1][POOL_PLACE_BITS:][:self.design.act_bits].as_signed())

    def _compare(self, m, summed, product):
        """As above, as soon as the sums; the digit of pools is 4."""
        largest, following = Signal.like(product), Signal.like(product)
        m.d.comb += following.eq(Mux(summed.first | (product > largest), product, largest))
        with m.If(summed.valid):
            m.d.sync += largest.eq(following)
            with m.If(summed.last):
                m.d.sync += self.totals[0].largest.eq(following)
