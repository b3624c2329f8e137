import random

import pytest

from hw.gateware.params import ChannelMemory
from hw.spec.design import DesignPoint
from tests.support.simulate import simulate

SCALABLE = {"rows": 4, "cols": 4, "lanes": 4, "multiplier": "scalable"}
DESIGNS = {
    "pieces": DesignPoint(requantizers=2, **SCALABLE),
    "pieces side by side": DesignPoint(requantizers=8, **SCALABLE),
    "pieces, record per word": DesignPoint(requantizers=1, **SCALABLE),
    "slices": DesignPoint(rows=2, cols=4, lanes=4, requantizers=2),
    "record per word": DesignPoint(rows=2, cols=4, lanes=4, requantizers=1),
    "one bit": DesignPoint(rows=4, cols=8, lanes=4, weight_bits=1, multiplier="lut", requantizers=8),
    "spram": DesignPoint(engine="compact", rows=1, cols=4, lanes=4, memory="spram", requantizer_cycles=2,
                         requantizer_dsps=0, act_bytes=131072, weight_bytes=4096),
}


def words_of(design, records):
    """Weight words that carry ``cols`` records of bias, multiplier and shift."""
    values = [bias & 0xFFFFFFFF | multiplier << 32 | shift << 64 for bias, multiplier, shift in records]
    if design.record_per_word:
        return values
    part = design.lanes * design.weight_bits
    return [sum((value >> word * part & (1 << part) - 1) << column * part for column, value in enumerate(values))
            for word in range(design.param_words)]


def record(rng):
    return rng.randint(-(1 << 29), (1 << 29) - 1), rng.randrange(1 << 31), rng.randrange(32)


async def write(ctx, unit, records, **place):
    words = words_of(unit.design, records)
    for index, word in enumerate(words):
        ctx.set(unit.param, {"valid": 1, "index": index, "last": index == len(words) - 1, **place})
        ctx.set(unit.weights, word)
        await ctx.tick()
    ctx.set(unit.param, {"valid": 0})
    await ctx.tick().repeat(2)


def read(ctx, channels):
    """Bias, multiplier and shift, as far as the requantizer has them."""
    value = ctx.get(channels.as_value())
    return value & 0x3FFFFFFF, value >> 32 & 0x7FFFFFFF, value >> 64 & 31


def shown(records):
    return [(bias & 0x3FFFFFFF, multiplier, shift) for bias, multiplier, shift in records]


@pytest.mark.sim
@pytest.mark.parametrize("name", DESIGNS)
def test_channels_of_four_blocks_are_kept(name):
    design = DESIGNS[name]
    unit, rng = ChannelMemory(design), random.Random(name)
    per_row = max(1, design.cols // design.requantizers)

    async def bench(ctx):
        kept = {}
        for block in range(7):
            for row in range(design.depthwise_rows):
                kept[row, block % 4] = [record(rng) for _ in range(design.cols)]
                await write(ctx, unit, kept[row, block % 4], row=row, odd=block % 4, piled=1)
        for (row, odd), records in kept.items():
            for turn in range(per_row):
                await look(ctx, unit, row=row, turn=turn, odd=odd)
                got = [read(ctx, unit.channels[q]) for q in range(min(design.requantizers, design.cols))]
                assert got == shown(records[turn * design.requantizers:(turn + 1) * design.requantizers]), (row, odd)

    simulate(unit, bench)


async def look(ctx, unit, **place):
    for q in range(unit.design.requantizers):
        for name, value in place.items():
            ctx.set(getattr(unit, name)[q], value)
    await ctx.tick()


@pytest.mark.sim
@pytest.mark.parametrize("added", [0, 1])
@pytest.mark.parametrize("name", [name for name, design in DESIGNS.items() if design.splits])
def test_every_piece_of_a_column_has_its_channel(name, added):
    design = DESIGNS[name]
    unit, rng = ChannelMemory(design), random.Random(name)
    own = design.param_slots // design.requantizers

    async def bench(ctx):
        kept = {}
        for block in range(5):
            kept[block % 4] = [record(rng) for _ in range(design.most_tile_cols)]
            for piece in range(1 << design.splits):
                await write(ctx, unit, kept[block % 4][piece * design.cols:(piece + 1) * design.cols], row=piece,
                            odd=block % 4, piled=added)
        ctx.set(unit.add, added)
        for odd, records in kept.items():
            for turn in range(design.most_tile_cols // design.requantizers if not added else 0):
                await look(ctx, unit, row=turn // own, turn=turn % own, odd=odd)
                got = [read(ctx, unit.channels[q]) for q in range(design.requantizers)]
                assert got == shown(records[turn * design.requantizers:(turn + 1) * design.requantizers]), (turn, odd)
            for column in range(design.most_tile_cols if added else 0):
                await look(ctx, unit, row=column // design.cols, turn=column % design.cols, odd=odd)
                assert read(ctx, unit.channels[0]) == shown(records)[column]

    simulate(unit, bench)


@pytest.mark.sim
@pytest.mark.parametrize("name", DESIGNS)
def test_a_residual_add_has_its_own_records_and_one_column_a_turn(name):
    design = DESIGNS[name]
    unit, rng = ChannelMemory(design), random.Random(name)

    async def bench(ctx):
        own, add = ([record(rng) for _ in range(design.cols)] for _ in range(2))
        await write(ctx, unit, add, add=1)
        await write(ctx, unit, own)
        ctx.set(unit.add, 1)
        for column in range(design.cols):
            ctx.set(unit.turn[0], column)
            await ctx.tick()
            assert read(ctx, unit.channels[0]) == shown(own)[column]
        for number, wanted in enumerate(("add_residual", "add_operand", "add_final")):
            ctx.set(getattr(unit, wanted), 1)
            await ctx.tick()
            assert read(ctx, unit.add_channels[number]) == shown(add)[number]
            ctx.set(getattr(unit, wanted), 0)

    simulate(unit, bench)
