import random

import pytest
from amaranth import Module, Signal

from hw.gateware.loop import LoopCounter, SmallLoopCounter
from tests.support.simulate import simulate


@pytest.mark.sim
@pytest.mark.parametrize("kind", [LoopCounter, SmallLoopCounter])
def test_a_loop_tells_its_first_and_last_pass(kind):
    unit, rng, small = kind(4), random.Random(1), kind is not LoopCounter

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


def run_nest(kind, ends_of):
    """Loops in loops, whose ends are looked at in every pass."""
    m, loops, rng = Module(), [kind(3) for _ in range(3)], random.Random(2)
    restart, advance, found = Signal(), Signal(), Signal(3)
    for number, loop in enumerate(loops):
        m.submodules[f"loop{number}"] = loop
        m.d.comb += loop.restart.eq(restart)
    ends = ends_of(m, loops)
    m.d.comb += [loop.advance.eq(advance & inner) for loop, inner in zip(loops, [1, *ends[:-1]], strict=True)]
    m.d.comb += [found[number].eq(end) for number, end in enumerate(ends)]

    async def bench(ctx):
        for _ in range(60):
            totals = [rng.choice([1, 1, 2, 3, 7]) for _ in loops]
            for loop, total in zip(loops, totals, strict=True):
                ctx.set(loop.total, total)
            for restarts in (1, 0, 0):
                ctx.set(restart, restarts)
                await ctx.tick()
            often = rng.choice([0.3, 1])
            for passed in range(totals[0] * totals[1] * totals[2]):
                while rng.random() > often:
                    await ctx.tick()
                inner, middle = (passed + 1) % totals[0] == 0, (passed + 1) % (totals[0] * totals[1]) == 0
                outer = passed + 1 == totals[0] * totals[1] * totals[2]
                assert ctx.get(found) == inner | middle << 1 | outer << 2, (totals, passed)
                ctx.set(advance, 1)
                await ctx.tick()
                ctx.set(advance, 0)

    simulate(m, bench)


@pytest.mark.sim
@pytest.mark.parametrize("kind", [LoopCounter, SmallLoopCounter])
def test_nested_loops_end_together(kind):
    run_nest(kind, kind.ends)


@pytest.mark.sim
def test_ends_that_come_a_cycle_late_are_found():
    def late(m, loops):
        found = []
        for end in SmallLoopCounter.ends(m, loops)[1:]:
            found.append(Signal())
            m.d.sync += found[-1].eq(end)
        return [loops[0].last, *found]

    with pytest.raises(AssertionError, match="assert 1 == "):
        run_nest(LoopCounter, late)
