import random

import pytest

from hw.gateware.requantizer import Requantizer
from hw.spec.requant import requantize
from hw.spec.timing import REQUANTIZE_LATENCY
from tests.support.simulate import simulate

CORNERS = [-2**31, -2**31 + 1, -2**30, -3, -2, -1, 0, 1, 2, 3, 2**30, 2**31 - 1]


def cases(seed):
    """Accumulator, bias, multiplier and shift, with ties in both roundings."""
    rng = random.Random(seed)
    for acc in CORNERS:
        for multiplier in (0, 1, 1 << 30, 2**31 - 1):
            for shift in (0, 1, 2, 7, 31):
                yield acc, rng.choice([0, 1, -1]), multiplier, shift
    for _ in range(300):
        shift = rng.randrange(12)
        yield rng.randint(-256, 256) << max(shift - 1, 0), 0, rng.choice([1 << 30, 2**31 - 1]), shift
    for _ in range(500):
        yield (rng.randint(-2**25, 2**25), rng.randint(-2**20, 2**20), rng.randrange(2**31), rng.randrange(20))


def run(unit, given, *, gaps, zero=0, low=-128, high=127):
    """Outputs in order, and the cycle of each relative to its input."""
    outputs, sent, arrived = [], [], []
    rng = random.Random(7)

    async def source(ctx):
        ctx.set(unit.zero, zero)
        ctx.set(unit.low, low)
        ctx.set(unit.high, high)
        cycle = 0
        for acc, bias, multiplier, shift in given:
            ctx.set(unit.acc.valid, 1)
            params = {"bias": bias, "multiplier": multiplier, "shift": shift}
            ctx.set(unit.acc.payload, {"value": acc, "params": params})
            sent.append(cycle)
            await ctx.tick()
            cycle += 1
            ctx.set(unit.acc.valid, 0)
            while rng.random() < gaps:
                await ctx.tick()
                cycle += 1

    async def sink(ctx):
        cycle = 0
        while len(outputs) < len(given):
            _, _, valid, value = await ctx.tick().sample(unit.out.valid, unit.out.payload)
            if valid:
                outputs.append(value)
                arrived.append(cycle)
            cycle += 1

    simulate(unit, source, sink)
    return outputs, {after - before for before, after in zip(sent, arrived, strict=True)}


@pytest.mark.sim
@pytest.mark.parametrize("gaps, zero, low, high", [(0.0, 0, -128, 127), (0.4, -17, -17, 90)])
def test_matches_golden(gaps, zero, low, high):
    given = list(cases(3))
    outputs, latencies = run(Requantizer(), given, gaps=gaps, zero=zero, low=low, high=high)
    want = [requantize(acc, bias=bias, multiplier=multiplier, shift=shift, zero=zero, low=low, high=high)
            for acc, bias, multiplier, shift in given]
    assert outputs == want
    assert latencies == {REQUANTIZE_LATENCY}
