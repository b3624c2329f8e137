"""Sums over a pair of lanes, told apart, are those of any two products of an activation of 8 bits with nibbles."""

import pytest
from amaranth import Assert, Module, Signal, signed
from amaranth.hdl import Assume

from hw.formal import ProofError, prove
from hw.gateware import nibbles

pytestmark = pytest.mark.formal
ACT_BITS, PLACE = 8, 13
MOST = 8 << ACT_BITS - 1     # of a product's magnitude


def against_sums(lanes):
    """What multiplier blocks give, for any products of low and high digits, and its sums beside plain ones."""
    m = Module()
    lows, highs = ([Signal(signed(12), name=f"{name}{lane}") for lane in range(lanes)] for name in ("low", "high"))
    m.d.comb += [Assume((value >= -MOST) & (value <= MOST)) for value in (*lows, *highs)]
    products = [(low + (high << PLACE))[:25].as_signed() for low, high in zip(lows, highs, strict=True)]
    low, (high, owed) = nibbles.nibble_sums(m, products, ACT_BITS, "sum")
    m.d.comb += [Assert(low == sum(lows), "the lower sum differs"),
                 Assert(high + owed == sum(highs), "the upper sum differs")]
    return m, [*lows, *highs]


def test_sums_of_a_pair_are_told_apart(tmp_path):
    assert prove(*against_sums(2), tmp_path, depth=1).assertions == 2


def test_more_lanes_together_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(nibbles, "TOGETHER", 4)
    with pytest.raises(ProofError, match="sum differs"):
        prove(*against_sums(4), tmp_path, depth=1)
