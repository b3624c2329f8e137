"""Every byte however it is split, products of both digits in one block, and sums of extremes."""

from itertools import product

import numpy as np
import pytest
from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data
from amaranth.sim import Simulator

from hw.gateware import nibbles
from hw.gateware.nibbles import coded, nibble_product, nibble_sums
from hw.spec.digits import digits, piece_bits
from hw.spec.multipliers import weight_value

BYTES = range(256)


def wanted(byte, split):
    """The digits of the pieces of a byte."""
    bits = piece_bits(split)
    pieces = [weight_value(byte >> bits * n & (1 << bits) - 1, bits) for n in range(1 << split)]
    return [digit for piece in pieces for digit in digits(piece, bits, 2)]


class Sums:
    """The digits' sums of some lanes, of bytes."""

    def __init__(self, lanes, act_bits, plant=lambda code: code):
        self.m, self.split = Module(), Signal(2)
        self.acts, self.bytes = (Signal(data.ArrayLayout(shape, lanes)) for shape in (signed(act_bits), 8))
        codes = [plant(coded(self.m, self.bytes[n], self.split, f"code{n}")) for n in range(lanes)]
        low, (high, owed) = nibble_sums(
            self.m, [nibble_product(self.acts[n], code) for n, code in enumerate(codes)], act_bits, "sum")
        self.found = Signal(data.ArrayLayout(signed(32), 2))
        self.m.d.comb += [self.found[0].eq(low), self.found[1].eq(high + owed)]

    def wrong(self, rows):
        """Of rows ``(split, acts, bytes)`` those whose sums differ."""
        found = []

        async def bench(ctx):
            for split, acts, weights in rows:
                ctx.set(self.split, split)
                ctx.set(self.acts, acts)
                ctx.set(self.bytes, weights)
                await ctx.delay(1e-9)
                right = [sum(act * digit for act, digit in zip(acts, column, strict=True))
                         for column in zip(*(wanted(byte, split) for byte in weights), strict=True)]
                if [ctx.get(self.found[n]) for n in range(2)] != right:
                    found.append((split, acts, weights))

        sim = Simulator(self.m)
        sim.add_testbench(bench)
        sim.run()
        return found


@pytest.mark.parametrize("act_bits, apart", [
    (8, 15), (4, 5), pytest.param(8, 1, marks=pytest.mark.slow), pytest.param(4, 1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("split", [0, 1])
def test_every_byte_with_activations(split, act_bits, apart):
    """One lane has each pair, its neighbour what pulls the digit below furthest."""
    low, high = -1 << act_bits - 1, (1 << act_bits - 1) - 1
    rows = ((split, [act, (low, high)[byte & 1]], [byte, (0x88, 0x77, 0x78)[act % 3]])
            for act, byte in product(range(low, high + 1, apart), BYTES))
    assert Sums(2, act_bits).wrong(rows) == []


def extremes(lanes):
    """All lanes alike, in pairs alike, and any."""
    rng = np.random.default_rng(1)
    for split, act, byte, other in product((0, 1), (-128, -127, 127), (0x88, 0x77, 0x80, 0x08, 0xF8), (0x88, 0x77)):
        yield split, [act] * lanes, [byte if n % 2 else other for n in range(lanes)]
        yield split, [act] * lanes, [byte if n // 2 % 2 else other for n in range(lanes)]
    for split in rng.integers(0, 2, 100).tolist():
        yield split, rng.integers(-128, 128, lanes).tolist(), rng.integers(0, 256, lanes).tolist()


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
def test_sums_over_lanes(lanes):
    assert Sums(lanes, 8).wrong(extremes(lanes)) == []


def test_more_lanes_together_overflow_with_the_lowest_weight_only(monkeypatch):
    monkeypatch.setattr(nibbles, "TOGETHER", 4)
    found = Sums(4, 8).wrong(extremes(4))
    assert found and all(acts == [-128] * 4 and {byte & 15 for byte in weights} == {8} for _, acts, weights in found)


def test_a_digit_that_does_not_pay_what_it_owes_is_seen():
    """Nor a byte that owes nothing and pays."""
    unit = Sums(1, 8, lambda code: data.View(nibbles.CODE, Cat(code.low, (code.high + 1)[:5])))
    assert {weights[0] for _, _, weights in unit.wrong((1, [1], [byte]) for byte in BYTES)} == set(BYTES)
