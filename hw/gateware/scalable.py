"""Processing element of scalable precision: sums of digits, which the drain puts together as a layer splits weights."""

from amaranth import Mux, ShapeLike, Signal, signed
from amaranth.lib import data

from hw.gateware.adders import carried_sum
from hw.gateware.digits import CODE, digit_sum, digit_term
from hw.gateware.element import ProcessingElement, Token
from hw.spec.design import DesignPoint
from hw.spec.digits import DIGITS

__all__ = ["ScalableElement"]


class ScalableElement(ProcessingElement):
    """The same for weights in digits (``hw.gateware.digits.CODE``), whose sums stay apart: which of them belong
    together is nothing to the element, and one design serves weights of several widths.

    ``totals`` has the ``digits``' sums and, a cycle later, ``largest``: in a pool, where all weights are 4 to the power
    of 3, the largest activation.
    """

    def __init__(self, design: DesignPoint, row: int, col: int):
        super().__init__(design, row, col)
        #: The running sum of each digit.
        self.accumulators = [Signal(signed(design.digit_bits), name=f"acc{n}") for n in range(DIGITS)]

    @staticmethod
    def weight_shape(design: DesignPoint) -> ShapeLike:
        return signed(CODE.size)

    @staticmethod
    def total_shape(design: DesignPoint) -> ShapeLike:
        return data.StructLayout({"digits": data.ArrayLayout(signed(design.digit_bits), DIGITS),
                                  "largest": signed(design.act_bits)})

    def _compute(self, m, token, acts, weights):
        design = self.design
        summed = Signal(Token)
        m.d.sync += summed.eq(token)
        codes = [data.View(CODE, weight) for weight in weights[0]]
        for n in range(DIGITS):
            total, owed = digit_sum(m, [digit_term(act, code[f"digit{n}"]) for act, code in
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
