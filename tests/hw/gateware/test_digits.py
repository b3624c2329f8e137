"""Every byte however it is split, every activation with every digit, and sums of extremes."""

from itertools import product

import pytest
from amaranth import Module, Signal, signed
from amaranth.lib import data
from amaranth.sim import Simulator

from hw.gateware.digits import CODE, DIGITS, coded, digit_sum, digit_term
from hw.spec.digits import digits, piece_bits
from hw.spec.multipliers import weight_value


def codes(spoiled=lambda weights: weights):
    """Bytes, splits and the digits that become of them."""
    m, weights, split = Module(), Signal(8), Signal(2)
    code = Signal(CODE)
    m.d.comb += code.eq(coded(m, spoiled(weights), split, "code"))
    found = {}

    async def bench(ctx):
        for byte, times in product(range(256), range(3)):
            ctx.set(weights, byte)
            ctx.set(split, times)
            await ctx.delay(1e-9)
            found[byte, times] = [ctx.get(code[f"digit{n}"]) for n in range(DIGITS)]

    sim = Simulator(m)
    sim.add_testbench(bench)
    sim.run()
    return found


def wanted(byte, times):
    bits = piece_bits(times)
    pieces = [weight_value(byte >> bits * n & (1 << bits) - 1, bits) for n in range(1 << times)]
    return [digit for piece in pieces for digit in digits(piece, bits, DIGITS)]


def test_every_byte_has_the_digits_of_its_pieces():
    assert {key: wanted(*key) for key in product(range(256), range(3))} == codes()


def test_a_byte_with_a_bit_that_is_lost_is_seen():
    assert codes(lambda weights: weights & 0xF7)[8, 0] != wanted(8, 0)


@pytest.mark.parametrize("act_bits", [8, 4])
def test_every_activation_times_every_digit(act_bits):
    m, act, digit = Module(), Signal(signed(act_bits)), Signal(signed(3))
    value, owed = digit_term(act, digit)
    assert len(value) == act_bits + 1

    async def bench(ctx):
        for one, times in product(range(-1 << act_bits - 1, 1 << act_bits - 1), range(-2, 3)):
            ctx.set(act, one)
            ctx.set(digit, times)
            await ctx.delay(1e-9)
            assert ctx.get(value) + ctx.get(owed) == one * times

    sim = Simulator(m)
    sim.add_testbench(bench)
    sim.run()


def sums(lanes, plant=lambda terms: terms):
    """Pairs of right and found sums over lanes: extremes, and all digits alike."""
    m = Module()
    acts, factors = (Signal(data.ArrayLayout(signed(bits), lanes)) for bits in (8, 3))
    value, owed = digit_sum(m, plant([digit_term(acts[n], factors[n]) for n in range(lanes)]), "sum")
    assert len(value) == 8 + 1 + (lanes - 1).bit_length()
    found = []

    async def bench(ctx):
        for number, (act, digit, other) in enumerate(product((-128, -1, 0, 127), range(-2, 3), range(-2, 3))):
            pairs = [(act if (number + n) % 3 else ~act, digit if n % 2 else other) for n in range(lanes)]
            for n, (one, times) in enumerate(pairs):
                ctx.set(acts[n], one)
                ctx.set(factors[n], times)
            await ctx.delay(1e-9)
            found.append((sum(one * times for one, times in pairs), ctx.get(value) + ctx.get(owed)))

    sim = Simulator(m)
    sim.add_testbench(bench)
    sim.run()
    return found


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
def test_sums_over_lanes(lanes):
    assert all(right == found for right, found in sums(lanes))


def test_a_one_that_negation_is_owed_and_does_not_get_is_seen():
    assert any(right != found for right, found in sums(4, lambda terms: [(terms[0][0], 0 * terms[0][1]), *terms[1:]]))
