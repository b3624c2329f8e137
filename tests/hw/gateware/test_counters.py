import random

import pytest

from hw.gateware.counters import CounterMemory
from hw.spec.commands import COUNTERS
from tests.support.simulate import simulate


@pytest.mark.sim
def test_every_cycle_is_counted_once_and_a_log_begins_anew():
    unit, rng, seen = CounterMemory(), random.Random(1), []

    async def tick(ctx, **inputs):
        for name in ("which", "clear", "log"):
            ctx.set(getattr(unit, name), inputs.get(name, 0))
        await ctx.tick()
        if ctx.get(unit.write):
            seen.append((ctx.get(unit.place), ctx.get(unit.data)))

    async def bench(ctx):
        for _ in range(20):
            counts = [0] * len(COUNTERS)
            for _ in range(rng.choice((1, 5, 40))):
                which = rng.randrange(len(COUNTERS))
                counts[which] += 1
                await tick(ctx, which=which)
            seen.clear()
            if rng.random() < 0.3:
                await tick(ctx, clear=1)
                counts = [0] * len(COUNTERS)
            for _ in COUNTERS:
                await tick(ctx, log=1)
            assert seen == list(enumerate(counts))

    simulate(unit, bench)
