"""An element's sums of digits equal plain arithmetic for every row of steps, for ever: by k-induction.

The width of activations and accumulators is a parameter of the same circuit; the full width is simulated. Each digit's
products are formed and added beside the element, and everything but the accumulators is a delay. Of multiplier blocks,
which ``tests/hw/gateware/test_nibbles.py`` compares with every product of both digits, any are given; sums over lanes
are proved by ``tests/hw/formal/test_nibbles.py``.
"""

from dataclasses import replace

import pytest
from amaranth import Assert, Module, Mux, Signal, signed
from amaranth.hdl import Assume
from amaranth.lib import data

from hw.formal import ProofError, prove
from hw.gateware.digits import DIGITS
from hw.gateware.scalable import BlockElement, ScalableElement
from hw.spec.design import DesignPoint

pytestmark = pytest.mark.formal
NARROW = DesignPoint(rows=2, cols=4, lanes=2, act_bits=4, acc_bits=14, multiplier="scalable")
BLOCKS = replace(NARROW, rows=4, lanes=1, multiplier="scalable-dsp")
FAR = 7         # row and column of an element that takes no part in depthwise layers


class Uncleared(ScalableElement):
    """Starts from what was left where two tiles follow each other at once."""

    def _accumulate_digit(self, m, n, summed, dot, carry):
        super()._accumulate_digit(m, n, summed, dot, carry)
        if n == 2:
            kept = Signal(signed(self.design.digit_bits))
            with m.If(summed.valid):
                m.d.sync += kept.eq(Mux(summed.last & ~summed.first, 0, kept + dot + carry))
                with m.If(summed.last):
                    m.d.sync += self.totals[0].digits[n].eq(kept + dot + carry)


class Given(BlockElement):
    """Multiplier blocks give whatever the two products of an activation with digits can be, side by side."""

    code = data.StructLayout({"low": signed(8), "high": signed(8)})

    @staticmethod
    def _product(act, code):
        return (code.low + (code.high << 9))[:17].as_signed()


class Unpaid(Given):
    """What the lower digits' products take from the upper ones' is not given back."""

    def _accumulate_digit(self, m, n, summed, dot, carry):
        super()._accumulate_digit(m, n, summed, dot, 0 * carry)


def within(value, most):
    return (value >= -most) & (value <= most)


def products_of(unit, act, weight):
    """Of an activation with each digit of a weight as the element gets it, and what limits that."""
    code = data.View(unit.code, weight)
    if isinstance(unit, Given):
        return [code.low, code.high], [within(value, 8 * 8) for value in (code.low, code.high)]
    return ([act * code[f"digit{n}"] for n in range(DIGITS)],
            [within(code[f"digit{n}"], 2) for n in range(1, DIGITS, 2)])


def against_sums(unit):
    """The element beside its sums."""
    m, design = Module(), unit.design
    m.submodules.unit = unit
    taken = Signal(data.StructLayout({"valid": 1, "last": 1, "acts": unit.acts.shape(),
                                      "weights": unit.weights.shape()}))
    m.d.comb += [taken.valid.eq(unit.token.valid), taken.last.eq(unit.token.last), taken.acts.eq(unit.acts),
                 taken.weights.eq(unit.weights)]
    for stage in range(design.element_stages - 1):
        later = Signal.like(taken, name=f"taken{stage}")
        m.d.sync += later.eq(taken)
        taken = later
    bits = design.digit_bits
    for n in range(design.digits):
        products = [products_of(unit, taken.acts[lane], taken.weights[0][lane])[0][n] for lane in range(design.lanes)]
        running = Signal(signed(bits), name=f"running{n}")
        finished = Signal(signed(bits), name=f"finished{n}")
        following = Signal(signed(bits), name=f"following{n}")
        m.d.comb += following.eq(running + sum(products))
        with m.If(taken.valid):
            m.d.sync += running.eq(Mux(taken.last, 0, following))
            with m.If(taken.last):
                m.d.sync += finished.eq(following)
        m.d.comb += [Assert(unit.totals[0].digits[n] == finished, "a finished sum differs"),
                     Assert(unit.accumulators[n] == running, "a sum differs")]
    for lane in range(design.lanes):
        m.d.comb += [Assume(limit) for limit in products_of(unit, unit.acts[lane], unit.weights[0][lane])[1]]
    inputs = [unit.token.as_value(), unit.acts.as_value(), unit.weights.as_value(), unit.modes.as_value()]
    return m, inputs


@pytest.mark.parametrize("point, element", [(NARROW, ScalableElement), (BLOCKS, Given)],
                         ids=["scalable", "scalable-dsp"])
def test_sums_of_digits_are_those_of_plain_arithmetic(point, element, tmp_path):
    design, inputs = against_sums(element(point, FAR, FAR))
    assert prove(design, inputs, tmp_path, depth=4).assertions == 2 * point.digits


@pytest.mark.parametrize("point, element, text", [
    pytest.param(NARROW, Uncleared, "a finished sum differs", marks=pytest.mark.slow),
    (BLOCKS, Unpaid, "a sum differs")], ids=["goes on", "is not paid"])
def test_a_sum_that_is_wrong_is_found(point, element, text, tmp_path):
    design, inputs = against_sums(element(point, FAR, FAR))
    with pytest.raises(ProofError, match=text):
        prove(design, inputs, tmp_path, depth=4)
