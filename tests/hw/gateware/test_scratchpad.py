import random

import pytest

from hw.gateware.scratchpad import ActivationScratchpad, WeightScratchpad
from hw.spec.design import DesignPoint
from hw.spec.timing import READ_LATENCY, WEIGHT_BUS_LATENCY, WRITE_LATENCY
from tests.support.simulate import simulate

DESIGN = DesignPoint(rows=2, cols=4, lanes=4, requantizers=2, act_bytes=1024, weight_bytes=1024)


@pytest.mark.sim
def test_word_starts_at_any_byte_and_its_outside_is_replaced():
    unit = ActivationScratchpad(DESIGN)
    rng = random.Random(1)
    content = [rng.randint(-128, 127) for _ in range(1024)]
    zero, row_bytes = -9, 24

    async def bench(ctx):
        for address in range(0, 1024, 4):
            ctx.set(unit.bus_write.valid, 1)
            ctx.set(unit.bus_write.payload, {"address": address, "select": 15, "data": sum(
                (content[address + n] & 255) << 8 * n for n in range(4))})
            await ctx.tick()
        ctx.set(unit.bus_write.valid, 0)
        ctx.set(unit.zero, zero)
        ctx.set(unit.row_bytes, row_bytes)
        for _ in range(300):
            address, x = rng.randrange(1000), rng.randint(-12, 30)
            row_valid = rng.random() < 0.8
            ctx.set(unit.fetch, {"address": address, "x": x, "row_valid": row_valid})
            await ctx.tick().repeat(READ_LATENCY)
            got = [ctx.get(unit.word[j]) for j in range(8)]
            want = [content[address + j] if row_valid and 0 <= x + j < row_bytes else zero for j in range(8)]
            assert got == want, f"address {address}, x {x}"

    simulate(unit, bench)


@pytest.mark.sim
def test_engine_writes_any_byte_before_the_bus():
    unit = ActivationScratchpad(DESIGN)
    rng = random.Random(2)

    async def bench(ctx):
        content = [0] * 1024
        for _ in range(200):
            address, mask = rng.randrange(1020), rng.randrange(1, 4)
            values = [rng.randrange(256) for _ in range(2)]
            ctx.set(unit.write.valid, 1)
            ctx.set(unit.write.payload, {"address": address, "data": values, "mask": mask})
            ctx.set(unit.bus_write.valid, 1)      # has to wait, and must not disturb
            ctx.set(unit.bus_write.payload, {"address": 0, "data": 0xDEADBEEF, "select": 15})
            assert not ctx.get(unit.bus_write.ready)
            await ctx.tick()
            ctx.set(unit.write.valid, 0)
            ctx.set(unit.bus_write.valid, 0)
            for n in range(2):
                if mask >> n & 1:
                    content[address + n] = values[n]
            await ctx.tick().repeat(WRITE_LATENCY - 1)
            ctx.set(unit.bus_read, 1)
            ctx.set(unit.bus_address, address & ~3)
            await ctx.tick().repeat(READ_LATENCY)
            base = address & ~3
            assert ctx.get(unit.bus_data) == sum(content[base + n] << 8 * n for n in range(4))
            ctx.set(unit.bus_read, 0)

    simulate(unit, bench)


@pytest.mark.sim
@pytest.mark.parametrize("cols, weight_bits, size", [(4, 8, 1024), (2, 2, 1024), (2, 2, 20480)])
def test_weight_words_are_slices_of_the_image(cols, weight_bits, size):
    """The largest has three regions."""
    design = DesignPoint(rows=2, cols=cols, lanes=4, weight_bits=weight_bits, requantizers=1, weight_bytes=size,
                         act_bytes=1024)
    image = random.Random(3).randbytes(size)
    unit = WeightScratchpad(design, image)
    bits, whole = design.weight_word_bits, int.from_bytes(image, "little")

    async def bench(ctx):
        for address in [0, 1, 2, 3, 7, size * 4 // bits, size * 32 // 5 // bits - 1, size * 8 // bits - 1]:
            ctx.set(unit.address, address)
            await ctx.tick().repeat(READ_LATENCY)
            assert ctx.get(unit.weights) == whole >> address * bits & (1 << bits) - 1
        ctx.set(unit.bus_write.valid, 1)
        ctx.set(unit.bus_write.payload, {"address": 20, "data": 0x12345678, "select": 15})
        await ctx.tick()
        ctx.set(unit.bus_write.valid, 0)
        last = size - 4
        for address, value in ((20, 0x12345678), (24, int.from_bytes(image[24:28], "little")),
                               (last, int.from_bytes(image[last:], "little"))):
            ctx.set(unit.bus_read, 1)
            ctx.set(unit.bus_address, address)
            await ctx.tick().repeat(WEIGHT_BUS_LATENCY)
            assert ctx.get(unit.bus_data) == value

    simulate(unit, bench)
