import random

import pytest

from hw.gateware.counters import CounterMemory, CounterRegisters
from hw.spec.commands import COUNTERS
from hw.spec.registers import LOG_WORDS
from tests.support.simulate import simulate

LATE = 2      # cycles that a log may come later


@pytest.mark.sim
@pytest.mark.parametrize("kind", [CounterMemory, CounterRegisters])
def test_every_cycle_is_counted_once_and_a_log_begins_anew(kind):
    unit, rng, seen = kind(), random.Random(1), []

    async def tick(ctx, **inputs):
        for name in ("which", "clear", "log", "layer"):
            ctx.set(getattr(unit, name), inputs.get(name, 0))
        if ctx.get(unit.write):
            seen.append((ctx.get(unit.address), ctx.get(unit.data)))
        await ctx.tick()

    async def bench(ctx):
        counts = [0] * len(COUNTERS)
        for layer in range(20):
            for _ in range(rng.choice((1, 5, 40))):
                which = rng.randrange(len(COUNTERS))
                counts[which] += 1
                await tick(ctx, which=which)
            if rng.random() < 0.3:
                await tick(ctx, clear=1)
                counts = [0] * len(COUNTERS)
            for _ in COUNTERS:
                await tick(ctx, log=1, layer=layer)
            wanted, counts = list(enumerate(counts, layer * LOG_WORDS)), [LATE, *[0] * (len(COUNTERS) - 1)]
            for _ in range(LATE):
                await tick(ctx)
            assert seen == wanted
            seen.clear()

    simulate(unit, bench)
