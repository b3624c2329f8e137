import random

import pytest

from hw.gateware.loop import LoopCounter, SmallLoopCounter
from tests.support.simulate import simulate


@pytest.mark.sim
@pytest.mark.parametrize("kind", [LoopCounter, SmallLoopCounter])
def test_a_loop_tells_its_first_and_last_pass(kind):
    unit, rng, small = kind(4), random.Random(1), kind is SmallLoopCounter

    async def bench(ctx):
        total = 3
        ctx.set(unit.total, total)
        ctx.set(unit.restart, 1)
        await ctx.tick()
        ctx.set(unit.restart, 0)
        at = 0
        for _ in range(300):
            assert (ctx.get(unit.first), ctx.get(unit.last)) == (at == 0, at == total - 1)
            following = total if small else rng.choice([1, 2, 3, 15])
            if at == total - 1:
                ctx.set(unit.total, following)
            if not small:
                assert ctx.get(unit.left) == total - 1 - at
                assert ctx.get(unit.next_last) == (following == 1 if at == total - 1 else at == total - 2)
            if rng.random() < 0.7:
                ctx.set(unit.advance, 1)
                at, total = (0, following) if at == total - 1 else (at + 1, total)
            await ctx.tick()
            ctx.set(unit.advance, 0)

    simulate(unit, bench)
