"""An element's sums of digits equal plain arithmetic for every row of steps, for ever: by k-induction.

The width of activations and accumulators is a parameter of the same circuit; the full width is simulated. Each digit's
products are formed and added beside the element, and everything but the accumulators is a delay.
"""

import pytest
from amaranth import Assert, Module, Mux, Signal, signed
from amaranth.hdl import Assume
from amaranth.lib import data

from hw.formal import ProofError, prove
from hw.gateware.digits import CODE
from hw.gateware.scalable import ScalableElement
from hw.spec.design import DesignPoint
from hw.spec.digits import DIGITS

pytestmark = pytest.mark.formal
NARROW = DesignPoint(rows=2, cols=4, lanes=2, act_bits=4, acc_bits=14, multiplier="scalable")
STAGES = 2      # in front of the accumulators
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


def against_sums(unit):
    """The element beside its sums."""
    m, design = Module(), unit.design
    m.submodules.unit = unit
    taken = Signal(data.StructLayout({"valid": 1, "last": 1, "acts": unit.acts.shape(),
                                      "weights": unit.weights.shape()}))
    m.d.comb += [taken.valid.eq(unit.token.valid), taken.last.eq(unit.token.last), taken.acts.eq(unit.acts),
                 taken.weights.eq(unit.weights)]
    for stage in range(STAGES):
        later = Signal.like(taken, name=f"taken{stage}")
        m.d.sync += later.eq(taken)
        taken = later
    for n in range(DIGITS):
        bits = design.digit_bits
        products = [taken.acts[lane] * data.View(CODE, taken.weights[0][lane])[f"digit{n}"]
                    for lane in range(design.lanes)]
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
        code = data.View(CODE, unit.weights[0][lane])
        m.d.comb += [Assume((code[f"digit{n}"] >= -2) & (code[f"digit{n}"] <= 2)) for n in range(1, DIGITS, 2)]
    inputs = [unit.token.as_value(), unit.acts.as_value(), unit.weights.as_value(), unit.modes.as_value()]
    return m, inputs


def test_sums_of_digits_are_those_of_plain_arithmetic(tmp_path):
    design, inputs = against_sums(ScalableElement(NARROW, FAR, FAR))
    assert prove(design, inputs, tmp_path, depth=4).assertions == 2 * DIGITS


@pytest.mark.slow
def test_a_sum_that_goes_on_is_found(tmp_path):
    design, inputs = against_sums(Uncleared(NARROW, FAR, FAR))
    with pytest.raises(ProofError, match="a finished sum differs"):
        prove(design, inputs, tmp_path, depth=4)
