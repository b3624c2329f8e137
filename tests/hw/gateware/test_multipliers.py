"""Corner operands in Amaranth's simulator; every pair is run, as Verilog, by tests/cosim/test_conformance.py."""

import pytest
from amaranth import Signal, signed
from amaranth.sim import Simulator

from hw.gateware.multipliers import BUILDERS, Multiplier, Products, products
from hw.spec.multipliers import MULTIPLIERS, product, weight_code

LANES = 3
CASES = [(kind.name, weight_bits, act_bits) for kind in MULTIPLIERS.values()
         for weight_bits in kind.weight_bits for act_bits in kind.act_bits]


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


def test_wrong_number_of_weights_is_refused():
    act, weight = Signal(signed(8)), Signal(signed(4))
    with pytest.raises(ValueError, match=r"packed: takes 2 rows of 1 weights, got \[1\]"):
        products(None, "packed", [act], [[weight]])
