import random

import pytest

from hw.gateware.residual import ResidualBuffer
from hw.spec.design import DesignPoint
from tests.support.simulate import simulate

DESIGNS = {
    "block RAM": DesignPoint(rows=4, cols=4, lanes=4),
    "one row": DesignPoint(rows=1, cols=8, lanes=8),
    "four bits": DesignPoint(rows=2, cols=4, lanes=4, act_bits=4),
    "spram": DesignPoint(rows=1, cols=4, lanes=4, memory="spram", act_bytes=131072, weight_bytes=4096),
}


@pytest.mark.sim
@pytest.mark.parametrize("smaller", [0, 1])
@pytest.mark.parametrize("name", DESIGNS)
def test_operands_come_back_row_by_row(name, smaller):
    """Up to three tiles wait."""
    design = DESIGNS[name]
    unit, rng = ResidualBuffer(design), random.Random(name)
    rows, cols = max(1, design.rows - smaller), design.cols - smaller
    low, high = -1 << design.act_bits - 1, (1 << design.act_bits - 1) - 1

    async def arrive(ctx):
        tile = []
        for row in range(rows):
            word = [rng.randint(low, high) for _ in range(design.fetch_bytes)]
            ctx.set(unit.arrives, 1)
            ctx.set(unit.row, row)
            ctx.set(unit.word, word)
            await ctx.tick()
            ctx.set(unit.arrives, 0)
            await ctx.tick().repeat(rng.randint(1, 3))
            tile.append(word[:cols])
        return tile

    async def take(ctx, tile):
        for row, word in enumerate(tile):
            for column, value in enumerate(word):
                ctx.set(unit.take, 1)
                await ctx.tick()
                ctx.set(unit.take, 0)
                assert ctx.get(unit.value) == value, (row, column)
                await ctx.tick().repeat(rng.randint(1, 3))

    async def bench(ctx):
        for _ in range(2):
            ctx.set(unit.last_row, rows - 1)
            ctx.set(unit.last_column, cols - 1)
            ctx.set(unit.begin, 1)
            await ctx.tick()
            ctx.set(unit.begin, 0)
            waiting = []
            for _ in range(8):
                waiting.append(await arrive(ctx))
                while len(waiting) > rng.randint(0, 2):
                    await take(ctx, waiting.pop(0))

    simulate(unit, bench)
