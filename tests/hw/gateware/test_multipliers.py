"""Corner operands in Amaranth's simulator; every pair is run, as Verilog, by tests/cosim/test_conformance.py."""

import numpy as np
import pytest
from amaranth import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.gateware.multipliers import BUILDERS, Multiplier, Products, dot_product, products
from hw.spec.multipliers import MULTIPLIERS, product, weight_code
from tests.support.simulate import simulate

LANES = 3
CASES = [(kind.name, weight_bits, act_bits) for kind in MULTIPLIERS.values()
         for weight_bits in kind.product_bits for act_bits in kind.act_bits]


def test_registries_have_the_same_names():
    assert set(BUILDERS) == set(MULTIPLIERS)


def run(dut, bench):
    sim = Simulator(dut)
    sim.add_testbench(bench)
    sim.run()


@pytest.mark.parametrize("name, weight_bits, act_bits", CASES)
def test_products_match_golden(name, weight_bits, act_bits):
    kind = MULTIPLIERS[name]
    dut = Products(name, weight_bits=weight_bits, act_bits=act_bits, lanes=LANES)
    low, high = -1 << act_bits - 1, (1 << act_bits - 1) - 1
    acts = [low, low + 1, -3, -1, 0, 1, 2, 5, high - 1, high]
    weights = kind.weights(weight_bits)[::max(1, 1 << weight_bits >> 4)]

    async def bench(ctx):
        for step, first in enumerate(weights * len(acts)):
            pairs = [(acts[(step // len(weights) + 3 * lane) % len(acts)],
                      [first, *(weights[(step + 5 * lane) % len(weights)] for _ in range(1, kind.ways))])
                     for lane in range(LANES)]
            for lane, (act, ways) in enumerate(pairs):
                ctx.set(dut.acts[lane], act)
                for way, weight in enumerate(ways):
                    ctx.set(dut.weights[way][lane], weight_code(weight, weight_bits))
            await ctx.delay(1e-9)
            for lane, (act, ways) in enumerate(pairs):
                for way, weight in enumerate(ways):
                    want = product(kind, act, weight, weight_bits=weight_bits)
                    assert ctx.get(dut.products[way][lane]) == want, f"way {way}, lane {lane}: {act} * {weight}"

    run(dut, bench)


@pytest.mark.parametrize("name", MULTIPLIERS)
def test_one_pair(name):
    kind = MULTIPLIERS[name]
    bits = kind.weight_bits[0]
    dut = Multiplier(name, weight_bits=bits)

    async def bench(ctx):
        for act in (-128, -1, 0, 1, 127):
            for weight in kind.weights(bits):
                ctx.set(dut.act, act)
                ctx.set(dut.weight, weight)
                await ctx.delay(1e-9)
                assert ctx.get(dut.product) == product(kind, act, weight, weight_bits=bits), f"{act} * {weight}"

    run(dut, bench)


class DotProduct(wiring.Component):
    def __init__(self, kind, weight_bits, act_bits, lanes):
        self.kind = kind
        super().__init__({"acts": In(signed(act_bits)).array(lanes), "weights": In(weight_bits).array(lanes),
                          "total": Out(signed(32))})

    def elaborate(self, platform):
        m = Module()
        weights = [weight.as_signed() if len(weight) > 1 else weight for weight in self.weights]
        m.d.comb += self.total.eq(dot_product(m, self.kind, list(self.acts), weights, "dot"))
        return m


@pytest.mark.parametrize("name, weight_bits, act_bits, lanes", [
    (*case, lanes) for case in CASES if MULTIPLIERS[case[0]].ways == 1
    for lanes in ((1, 2, 4, 6, 8) if MULTIPLIERS[case[0]].exact(case[1]) else (3,))])     # what sums is the same
def test_dot_products_come_three_cycles_later(name, weight_bits, act_bits, lanes):
    kind = MULTIPLIERS[name]
    dut, weights = DotProduct(name, weight_bits, act_bits, lanes), kind.weights(weight_bits)
    low, high = -1 << act_bits - 1, (1 << act_bits - 1) - 1
    rng = np.random.default_rng(1)
    rows = [([low] * lanes, [weights[0]] * lanes), ([low] * lanes, [weights[-1]] * lanes),
            ([high] * lanes, [weights[0]] * lanes),
            *((rng.integers(low, high + 1, lanes).tolist(), rng.choice(weights, lanes).tolist()) for _ in range(20))]

    async def bench(ctx):
        for number in range(len(rows) + 3):
            if number >= 3:
                want = sum(product(kind, act, weight, weight_bits=weight_bits)
                           for act, weight in zip(*rows[number - 3], strict=True))
                assert ctx.get(dut.total) == want, rows[number - 3]
            for lane, (act, weight) in enumerate(zip(*rows[min(number, len(rows) - 1)], strict=True)):
                ctx.set(dut.acts[lane], act)
                ctx.set(dut.weights[lane], weight_code(weight, weight_bits))
            await ctx.tick()

    simulate(dut, bench)


def test_wrong_number_of_weights_is_refused():
    act, weight = Signal(signed(8)), Signal(signed(4))
    with pytest.raises(ValueError, match=r"packed: takes 2 rows of 1 weights, got \[1\]"):
        products(None, "packed", [act], [[weight]])
