"""Requantizers of narrowed operands equal the definition for every value, for ever: by k-induction.

The width is a parameter of the same circuit; the full width is simulated. What goes in is delayed by the latency and
requantized there in plain arithmetic. As nothing is fed back beyond one value, induction closes at the latency.
"""

import pytest
from amaranth import Assert, Cat, Const, Module, Mux, Signal, signed
from amaranth.hdl import Assume

from hw.formal import ProofError, prove
from hw.gateware.requantizer import Requantizer
from hw.gateware.scaling import Widths
from hw.spec.requant import VARIANTS
from hw.spec.timing import requantizer_latency

pytestmark = pytest.mark.formal
NARROW = Widths(total=7, multiplier=5, shift=2, block=3)
SERIAL = Widths(total=6, multiplier=6, shift=2, block=3)    # its digits are shared out among 2 or 4 cycles
CONSTANTS = ("zero", "low", "high", "add_zero", "add_low", "add_high")


def definition(m, total, multiplier, shift, widths):
    """``hw.spec.requant`` before zero point and limits, in its own order of steps."""
    high = Signal(signed(widths.total + 1))
    m.d.comb += high.eq((total * multiplier + (1 << widths.multiplier - 1)) >> widths.multiplier)
    mask, remainder = Signal(widths.total), Signal(widths.total)
    m.d.comb += [mask.eq((Const(1, 1) << shift) - 1), remainder.eq(high & mask)]
    return (high >> shift) + (remainder > (mask >> 1) + (high < 0))


def against_definition(dut, *, cycles, dsps, widths=NARROW):
    """The requantizer beside its definition; values come no faster than it takes them, limits are constant."""
    m = Module()
    m.submodules.dut = dut
    latency = requantizer_latency(cycles=cycles, dsps=dsps)
    total = Signal(signed(widths.total))
    m.d.comb += total.eq(dut.acc.p.value + dut.acc.p.params.bias)
    taken = Cat(dut.acc.valid, dut.acc.p.add, total, dut.acc.p.params.multiplier[:widths.multiplier],
                dut.acc.p.params.shift[:widths.shift])
    stages = [taken]
    for stage in range(latency):
        stages.append(Signal(len(taken), name=f"stage{stage + 1}"))
        m.d.sync += stages[-1].eq(stages[-2])
    for stage in range(1, cycles):
        m.d.comb += Assume(~(stages[0][0] & stages[stage][0]))

    started = Signal()
    m.d.sync += started.eq(1)
    for name in CONSTANTS:
        constant = getattr(dut, name)
        before = Signal(signed(8), name=f"{name}_before", reset_less=True)
        m.d.sync += before.eq(constant)
        m.d.comb += Assume(~started | (before == constant))
    m.d.comb += [Assume(dut.low <= dut.high), Assume(dut.add_low <= dut.add_high)]

    last = stages[-1]
    add, rest = last[1], last[2:]
    scaled = Signal(signed(widths.total + 1))
    m.d.comb += scaled.eq(definition(
        m, rest[:widths.total].as_signed(), rest[widths.total:][:widths.multiplier], rest[-widths.shift:], widths))
    zero, low, high = (Mux(add, getattr(dut, f"add_{name}"), getattr(dut, name)) for name in ("zero", "low", "high"))
    placed = Signal(signed(widths.total + 9))
    m.d.comb += placed.eq(dut.scaled + zero)
    m.d.comb += Assert(dut.out.valid == last[0], "an output without its input, or the reverse")
    with m.If(last[0]):
        m.d.comb += Assert(dut.scaled == scaled, "scaled differs from its definition")
        m.d.comb += Assert(dut.out.payload == Mux(placed < low, low, Mux(placed > high, high, placed)),
                           "the output differs from its definition")
    inputs = [dut.acc.payload.as_value(), dut.acc.valid, *(getattr(dut, name) for name in CONSTANTS)]
    return m, inputs, latency + 2


@pytest.mark.parametrize("cycles, dsps", [
    variant if variant in ((1, 4), (2, 0)) else pytest.param(*variant, marks=pytest.mark.slow) for variant in VARIANTS])
def test_a_narrowed_requantizer_equals_its_definition(cycles, dsps, tmp_path):
    widths = SERIAL if cycles > 1 else NARROW
    dut = Requantizer(acc_bits=widths.total, cycles=cycles, dsps=dsps, widths=widths)
    design, inputs, depth = against_definition(dut, cycles=cycles, dsps=dsps, widths=widths)
    assert prove(design, inputs, tmp_path, depth=depth).assertions == 3


class TiesUp(Requantizer):
    """The planted fault: ties of negative values go towards +inf, as one rounding too few would have it."""

    @staticmethod
    def _shifted(m, value, sticky, shift, steps, cycle):
        kept, _ = Requantizer._shifted(m, value, sticky, shift, steps, cycle)
        return kept, Const(1)


def test_a_wrong_rounding_is_found(tmp_path):
    dut = TiesUp(acc_bits=NARROW.total, widths=NARROW)
    design, inputs, depth = against_definition(dut, cycles=1, dsps=4)
    with pytest.raises(ProofError, match="top: (scaled|the output) differs from its definition; trace in"):
        prove(design, inputs, tmp_path, depth=depth)
