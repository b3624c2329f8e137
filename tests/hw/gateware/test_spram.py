"""The single-port scratchpad against a plain byte array in which every access happens at once."""

import random
from collections import deque

import pytest

from hw.gateware.spram import SpramScratchpad
from hw.spec.design import DesignPoint
from hw.spec.timing import READ_LATENCY
from tests.support.simulate import simulate

DESIGN = DesignPoint(rows=1, cols=4, lanes=4, requantizers=1, requantizer_cycles=2, requantizer_dsps=0, memory="spram",
                     act_bytes=131072, weight_bytes=4096)
SPAN = 64                 # bytes that the accesses of a test are spread over, so that they meet
ZERO, ROW_BYTES = -9, 24


class Model:
    """The bytes as reads see them, and what reads that are on their way will give."""

    def __init__(self):
        self.content = {}
        self.due = deque([None] * READ_LATENCY)

    def read(self, address, count):
        return [self.content.get((address + n) % 131072, 0) for n in range(count)]

    def write(self, address, values):
        self.content |= {(address + n) % 131072: value for n, value in enumerate(values) if value is not None}


def signed(byte):
    return byte - 256 if byte > 127 else byte


def rows(rng, per_turn, *, gap, limit=SPAN):
    """Writes, one a cycle, None where there is none: (address, values, mask, last)."""
    while True:
        cols = rng.randint(1, 4)
        address = rng.randrange(limit - 4)
        mask = [rng.random() < 0.9 for _ in range(cols)]
        values = [rng.randrange(256) for _ in range(cols)]
        for start in range(0, 4, per_turn):
            part = range(start, start + per_turn)
            yield (address + start, [values[n] if n < cols else rng.randrange(256) for n in part],
                   [n < cols and mask[n] for n in part], start + per_turn == 4)
            for _ in range(rng.randint(*gap)):
                yield None


async def traffic(ctx, unit, rng, *, cycles, gap, per_turn=1, fetch_share=1.0, free_every=3, high=False):
    """Random requests of every kind; a cycle without a fetch comes at least every ``free_every`` cycles."""
    model, writes = Model(), rows(rng, per_turn, gap=gap)
    base = 131072 - SPAN if high else 0
    pending, row, since_free = deque(), [], 0
    stored, served = 0, -2
    ctx.set(unit.zero, ZERO)
    ctx.set(unit.row_bytes, ROW_BYTES)
    for cycle in range(cycles):
        expected = model.due.popleft()
        if expected is not None:
            kind, want, about = expected
            got = {"fetch": lambda: [ctx.get(unit.word[j]) for j in range(8)],
                   "load": lambda: list(ctx.get(unit.load_data).to_bytes(8, "little")),
                   "bus": lambda: list(ctx.get(unit.bus_data).to_bytes(4, "little"))}[kind]()
            assert got == want, f"cycle {cycle}: {kind} {about}"

        fetch = since_free < free_every - 1 and rng.random() < fetch_share
        since_free = since_free + 1 if fetch else 0
        address, x = base + 2 * rng.randrange(SPAN // 2 - 4), rng.randint(-12, 30)
        row_valid = rng.random() < 0.8
        load, load_address = rng.random() < 0.3, base + 8 * rng.randrange(SPAN // 8)
        bus, bus_address = rng.random() < 0.3, base + 4 * rng.randrange(SPAN // 4)
        write_address = base + 4 * rng.randrange(SPAN // 4)
        bus_write, select, bus_data = rng.random() < 0.3, rng.randrange(16), rng.randrange(1 << 32)
        ctx.set(unit.fetch, {"address": address, "x": x, "row_valid": row_valid})
        ctx.set(unit.fetch_valid, fetch)
        ctx.set(unit.load_read, load)
        ctx.set(unit.load_address, load_address)
        ctx.set(unit.bus_read, bus)
        ctx.set(unit.bus_address, bus_address)
        ctx.set(unit.bus_write.valid, bus_write)
        ctx.set(unit.bus_write.payload, {"address": write_address, "data": bus_data, "select": select})

        assert ctx.get(unit.idle) == (not row and not pending), f"cycle {cycle}: idle"
        took = None
        if pending and not fetch and cycle >= max(pending[0][0], served + 2):
            model.write(*pending.popleft()[1:])
            served, stored = cycle, stored + 1
        elif fetch:
            values = [signed(byte) for byte in model.read(address, 8)]
            took = ("fetch", [value if row_valid and 0 <= x + j < ROW_BYTES else ZERO
                              for j, value in enumerate(values)], f"address {address}, x {x}")
        elif load:
            assert ctx.get(unit.load_ready)
            took = ("load", model.read(load_address, 8), load_address)
        elif bus:
            assert ctx.get(unit.bus_ready)
            took = ("bus", model.read(bus_address, 4), bus_address)
        elif bus_write and ctx.get(unit.bus_write.ready):
            model.write(write_address, [bus_data >> 8 * n & 255 if select >> n & 1 else None for n in range(4)])
        if fetch:
            assert not ctx.get(unit.load_ready) and not ctx.get(unit.bus_ready) and not ctx.get(unit.bus_write.ready)
        model.due.append(took)

        write = next(writes)
        ctx.set(unit.write.valid, write is not None)
        if write is not None:
            start, values, mask, last = write
            ctx.set(unit.write.payload, {"address": base + start, "data": values,
                                         "mask": sum(bit << n for n, bit in enumerate(mask))})
            ctx.set(unit.write_last, last)
            row.append((start, values, mask))
            if last:
                whole = [value if kept else None for _, values, mask in row
                         for value, kept in zip(values, mask, strict=True)]
                # the port serves it from the second cycle on, and not in the cycle after it served the row before
                pending.append((cycle + 2, base + row[0][0], whole))
                row = []
        else:
            ctx.set(unit.write.payload, {"address": rng.randrange(SPAN), "data": [85] * per_turn, "mask": 1})
            ctx.set(unit.write_last, rng.random() < 0.5)
        await ctx.tick()
    return stored


@pytest.mark.sim
@pytest.mark.parametrize("per_turn, gap, free_every", [(1, (1, 1), 7), (1, (0, 0), 3), (1, (0, 3), 3), (2, (1, 1), 3),
                                                       (4, (2, 4), 2), (1, (6, 20), 30)])
def test_every_access_sees_what_had_the_port_before(per_turn, gap, free_every):
    design = DesignPoint(rows=1, cols=4, lanes=4, requantizers=per_turn, memory="spram", act_bytes=131072,
                         weight_bytes=4096)
    unit = SpramScratchpad(design)
    rng = random.Random(free_every * 10 + per_turn)

    async def bench(ctx):
        stored = await traffic(ctx, unit, rng, cycles=1500, gap=gap, per_turn=per_turn, free_every=free_every)
        assert stored > 20

    simulate(unit, bench)


@pytest.mark.sim
def test_the_last_bytes_of_the_memory():
    unit = SpramScratchpad(DESIGN)

    async def bench(ctx):
        await traffic(ctx, unit, random.Random(5), cycles=300, gap=(1, 1), free_every=7, high=True)

    simulate(unit, bench)


@pytest.mark.sim
def test_without_free_cycles_rows_are_lost():
    unit = SpramScratchpad(DESIGN)

    async def bench(ctx):
        await traffic(ctx, unit, random.Random(6), cycles=2000, gap=(0, 0), free_every=12)

    with pytest.raises(AssertionError, match="cycle"):
        simulate(unit, bench)
