import pytest
from amaranth.sim import Simulator

from hw.gateware.multipliers import BUILDERS, Multiplier
from hw.spec.multipliers import MULTIPLIERS, product


def test_registries_have_the_same_names():
    assert set(BUILDERS) == set(MULTIPLIERS)


@pytest.mark.parametrize("weight_bits", [8, 4, 2])
@pytest.mark.parametrize("name", MULTIPLIERS)
def test_matches_golden(name, weight_bits):
    """Corner activations with every weight; every pair is run by tests/cosim/test_multiplier.py."""
    dut = Multiplier(name, weight_bits=weight_bits)
    limit = 1 << weight_bits - 1

    async def bench(ctx):
        for act in (-128, -127, -64, -33, -2, -1, 0, 1, 2, 31, 85, 126, 127):
            for weight in range(-limit, limit):
                ctx.set(dut.act, act)
                ctx.set(dut.weight, weight)
                await ctx.delay(1e-9)
                want = product(MULTIPLIERS[name], act, weight, weight_bits=weight_bits)
                assert ctx.get(dut.product) == want, f"{act} * {weight}"

    sim = Simulator(dut)
    sim.add_testbench(bench)
    sim.run()
