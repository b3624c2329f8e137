import random

import pytest

from hw.gateware.store import TILES, Store
from hw.spec.design import DesignPoint
from hw.spec.timing import DRAIN_MODES, WRITE_LATENCY, drain_cycles, drain_turns, last_output_cycles
from tests.support.simulate import simulate

DESIGNS = {
    "two requantizers": DesignPoint(rows=2, cols=4, lanes=4, requantizers=2),
    "all columns": DesignPoint(rows=4, cols=4, lanes=2, requantizers=4),
    "more than columns": DesignPoint(rows=4, cols=4, lanes=4, multiplier="scalable", requantizers=8),
    "one": DesignPoint(rows=1, cols=2, lanes=4, requantizers=1),
}


def turns(design, command):
    """Of each turn: address, which of its outputs are stored, whether it ends an array row."""
    depthwise, add = command["depthwise"], command["add"]
    width = command["tile_cols"]
    mode = drain_turns(design, depthwise=bool(depthwise), add=bool(add), rows=command["tile_rows"], cols=width)
    for block in range(command["blocks"]):
        tile = command["out_base"] + block * command["out_block_bytes"]
        for _ in range(command["bands"]):
            for group in range(command["groups"]):
                for row in range(mode.rows):
                    last = (block == command["blocks"] - 1) if depthwise else (group == command["groups"] - 1)
                    exists = not last or row < command["tail_rows"]
                    short = block == command["blocks"] - 1 and (not depthwise or row == command["tail_rows"] - 1)
                    for column in range(0, width, mode.columns):
                        limit = command["tail_cols"] if short else width
                        stored = [exists and column + n < limit and (n == 0 or not add)
                                  for n in range(design.requantizers)]
                        yield (tile + row * command["out_row_bytes"] + column, stored,
                               column + mode.columns >= width)
                tile += command["out_band_bytes" if group == command["groups"] - 1 else "out_group_bytes"]


async def begin(ctx, unit, command):
    ctx.set(unit.command, command)
    for begins in (0, 1, 0):
        ctx.set(unit.begin, begins)
        await ctx.tick()


async def cycle(ctx, unit, turn, rng, *, coming):
    """A cycle in which the outputs of a ``turn`` are there, or none."""
    outputs = [rng.randrange(256) for _ in range(len(unit.write.p.mask))]
    ctx.set(unit.coming, coming)
    ctx.set(unit.valid, turn is not None)
    ctx.set(unit.outputs, outputs)
    assert ctx.get(unit.write.valid) == (turn is not None) and not ctx.get(unit.done)
    if turn:
        address, stored, ends = turn
        assert ctx.get(unit.write.p.mask) == sum(keep << n for n, keep in enumerate(stored))
        assert not any(stored) or ctx.get(unit.write.p.address) == address
        assert [ctx.get(unit.write.p.data[n]) for n in range(len(outputs))] == outputs
        assert ctx.get(unit.write_last) == ends
    await ctx.tick()


@pytest.mark.sim
@pytest.mark.parametrize("depthwise", [0, 1])
@pytest.mark.parametrize("add", [0, 1])
@pytest.mark.parametrize("name", DESIGNS)
def test_every_output_goes_to_its_place(name, add, depthwise):
    design = DESIGNS[name]
    unit, rng = Store(design), random.Random(f"{name}{add}{depthwise}")

    async def bench(ctx):
        ctx.set(unit.stored, 1)
        for _ in range(6):
            rows = rng.randint(1, design.depthwise_rows if depthwise else design.rows)
            cols = rng.randint(1, design.depthwise_cols if depthwise else design.most_tile_cols)
            command = {"tile_rows": rows, "tile_cols": cols, "depthwise": depthwise, "add": add,
                       "groups": rng.randint(1, 4), "bands": rng.randint(1, 3), "blocks": rng.randint(1, 3),
                       "tail_rows": rng.randint(1, rows),
                       "tail_cols": rng.randint(1, cols), "out_base": rng.randrange(1000),
                       "out_row_bytes": rng.randint(1, 99),
                       "out_group_bytes": rng.randint(1, 999), "out_band_bytes": rng.randint(1, 9999),
                       "out_block_bytes": rng.randint(1, 99)}
            await begin(ctx, unit, command)
            before = None
            for turn in [*turns(design, command), None]:
                for _ in range(rng.randint(0, 2) if turn else 0):
                    await cycle(ctx, unit, before, rng, coming=False)
                    before = None
                await cycle(ctx, unit, before, rng, coming=turn is not None)
                before = turn
            for _ in range(WRITE_LATENCY - 2):
                assert not ctx.get(unit.done)
                await ctx.tick()
            assert ctx.get(unit.done)
            await ctx.tick()
            assert not ctx.get(unit.done)

    simulate(unit, bench)


@pytest.mark.parametrize("cycles", [2, 4])
@pytest.mark.parametrize("cols, lanes", [(2, 8), (4, 4), (4, 8)])
def test_no_more_tiles_are_on_their_way_than_the_store_keeps(cols, lanes, cycles):
    design = DesignPoint(engine="compact", rows=1, cols=cols, lanes=lanes, memory="spram", act_bytes=131072,
                         requantizer_cycles=cycles, requantizer_dsps=0, table_unit=True)
    for depthwise, add in DRAIN_MODES:
        apart = drain_cycles(design, depthwise=depthwise, add=add)
        assert last_output_cycles(design, depthwise=depthwise, add=add) + apart <= TILES * apart


@pytest.mark.sim
def test_the_end_waits_for_the_last_write():
    design = DESIGNS["one"]
    unit = Store(design)

    async def bench(ctx):
        await begin(ctx, unit, {"groups": 1, "bands": 1, "blocks": 1, "tail_rows": 1, "tail_cols": 2, "tile_rows": 1,
                                "tile_cols": 2})
        ctx.set(unit.coming, 1)
        await ctx.tick().repeat(2)
        ctx.set(unit.coming, 0)
        await ctx.tick()
        for _ in range(9):
            assert not ctx.get(unit.done)
            await ctx.tick()
        ctx.set(unit.stored, 1)
        assert ctx.get(unit.done)
        await ctx.tick()
        assert not ctx.get(unit.done)

    simulate(unit, bench)
