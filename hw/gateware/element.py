"""Processing element: a dot product that accumulates one output in place (output-stationary)."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.adders import balanced_sum
from hw.gateware.multipliers import multiply
from hw.spec.design import DesignPoint

__all__ = ["ProcessingElement", "Token", "operands"]


class Token(data.Struct):
    """What travels with the operands of one step."""

    valid: 1   # operands are to be accumulated
    first: 1   # the accumulator starts from zero
    last: 1    # the accumulator is complete afterwards


def operands(design: DesignPoint, bits: int) -> data.ArrayLayout:
    """``lanes`` signed values, lane 0 lowest."""
    return data.ArrayLayout(signed(bits), design.lanes)


class ProcessingElement(wiring.Component):
    """One element of the array, at ``row`` and ``col``.

    Operands and token move to the right and downwards after one cycle. ``total`` holds the finished sum from
    ``ELEMENT_LATENCY`` cycles (``hw.spec.timing``) after the last token was at the inputs until the next finished
    sum replaces it.

    In depthwise mode only activation lane ``col`` and weight lane ``row`` are multiplied; an element beyond the
    design's depthwise rows or columns then gives nothing of use.
    """

    def __init__(self, design: DesignPoint, row: int, col: int):
        self.design, self.row, self.col = design, row, col
        acts, weights = operands(design, design.act_bits), operands(design, design.weight_bits)
        super().__init__({
            "depthwise": In(1),
            "token": In(Token), "acts": In(acts), "weights": In(weights),
            "token_right": Out(Token), "acts_right": Out(acts), "weights_down": Out(weights),
            "total": Out(signed(design.acc_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        design = self.design
        m.d.sync += [self.token_right.eq(self.token), self.acts_right.eq(self.acts),
                     self.weights_down.eq(self.weights)]

        multiplied, summed = Signal(Token), Signal(Token)
        m.d.sync += [multiplied.eq(self.token_right), summed.eq(multiplied)]

        takes_part = self.row < design.depthwise_rows and self.col < design.depthwise_cols
        products = [Signal(signed(design.act_bits + design.weight_bits), name=f"product{lane}")
                    for lane in range(design.lanes)]
        for lane, product in enumerate(products):
            weight = self.weights_down[lane]
            if takes_part and lane == self.col and lane != self.row:
                weight = Mux(self.depthwise, self.weights_down[self.row], weight).as_signed()
            m.d.sync += product.eq(multiply(m, design.multiplier, self.acts_right[lane], weight, f"row{lane}"))

        dot = Signal(signed(design.product_bits))
        everything = balanced_sum(m, products, "sum")
        m.d.sync += dot.eq(Mux(self.depthwise, products[self.col], everything) if takes_part and design.lanes > 1
                           else everything)

        acc = Signal(signed(design.acc_bits))
        following = Signal(signed(design.acc_bits))
        m.d.comb += following.eq(Mux(summed.first, 0, acc) + dot)
        with m.If(summed.valid):
            m.d.sync += acc.eq(following)
            with m.If(summed.last):
                m.d.sync += self.total.eq(following)
        return m
