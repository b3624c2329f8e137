"""Where the taps lie, compared with the loops that ``hw.spec.commands`` describes."""

import random

import pytest

from hw.gateware.walker import Taps, WindowWalker
from tests.support.simulate import simulate

WRAP = 1 << 24


@pytest.mark.sim
def test_pixels_in_raster_order():
    unit, rng = WindowWalker(), random.Random(1)

    async def bench(ctx):
        for _ in range(5):
            width, address, x = rng.randint(1, 6), rng.choice([0, WRAP - 5]), rng.randint(-40, 40)
            command = {"out_width": width, "step_x_bytes": rng.randint(1, 99), "step_y_bytes": rng.randint(1, 1 << 19),
                       "stride_y": rng.randint(1, 31), "first_y": rng.randint(-256, 0)}
            ctx.set(unit.command, command)
            ctx.set(unit.block_address, address)
            ctx.set(unit.block_x, x)
            ctx.set(unit.begin, 1)
            await ctx.tick()
            ctx.set(unit.begin, 0)
            for number in range(4 * width):
                oy, ox = divmod(number, width)
                across = ox * command["step_x_bytes"]
                assert ctx.get(unit.pixel.address) == (address + oy * command["step_y_bytes"] + across) % WRAP
                assert ctx.get(unit.pixel.x) == x + across
                assert ctx.get(unit.pixel.y) == command["first_y"] + oy * command["stride_y"]
                for pause in range(rng.randint(0, 2), -1, -1):
                    ctx.set(unit.advance, pause == 0)
                    await ctx.tick()
                ctx.set(unit.advance, 0)

    simulate(unit, bench)


def tiles(command, groups, bands):
    """Of each segment: first_tile, ends_band, and what the unit has to give."""
    far, row = command["segment_bytes"], command["in_row_bytes"]
    for _ in range(bands):
        column = 0
        for group in range(groups):
            tile = []
            if command["window"]:
                count = command["segments" if group else "first_segments"]
                for place in range(count):
                    for ky in range(command["kernel_rows"]):
                        tile.append({"address": column * far + ky * row, "x": column * far, "y": ky, "row_ends": 1,
                                     "multiplies": place == count - 1, "begins_sum": ky == 0,
                                     "spacing": not group == 0 or place + command["segments"] >= count})
                    column += 1
            else:
                for ky in range(command["kernel_rows"]):
                    for segment in range(command["segments"]):
                        tile.append({"address": ky * row + segment * far, "x": segment * far, "y": ky,
                                     "row_ends": segment == command["segments"] - 1, "multiplies": 1,
                                     "begins_sum": ky == segment == 0, "spacing": 1})
            for number, wanted in enumerate(tile):
                yield group == 0, group == groups - 1, wanted | {"first": number == 0, "last": number == len(tile) - 1}


@pytest.mark.sim
@pytest.mark.parametrize("window", [0, 1])
def test_taps_of_one_tile_after_the_other(window):
    unit, rng = Taps(), random.Random(window)

    async def bench(ctx):
        for _ in range(12):
            command = {"window": window, "kernel_rows": rng.randint(1, 4), "segments": rng.randint(1, 3),
                       "first_segments": rng.randint(1, 4) if window else 1, "segment_bytes": rng.randint(1, 50),
                       "in_row_bytes": rng.randint(1, 65535)}
            ctx.set(unit.command, command)
            for begins in (0, 1, 0):
                ctx.set(unit.begin, begins)
                await ctx.tick()
            for first_tile, ends_band, wanted in tiles(command, rng.randint(1, 3), 3):
                ctx.set(unit.first_tile, first_tile)
                ctx.set(unit.ends_band, ends_band)
                got = {name: ctx.get(getattr(unit, name)) for name in wanted}
                assert got == wanted, command
                for pause in range(rng.randint(0, 2), -1, -1):
                    ctx.set(unit.advance, pause == 0)
                    await ctx.tick()
                ctx.set(unit.advance, 0)

    simulate(unit, bench)
