import random

import pytest

from hw.gateware.stream import WeightStream
from hw.spec.design import DesignPoint
from hw.spec.stream import CHUNK_BYTES, word_bytes
from sw.compiler.stream import stream_length
from tests.support.simulate import simulate
from tests.support.streams import Block, StreamBench

NARROW = DesignPoint(rows=4, cols=4, lanes=4, weight_bytes=4096, stream_bytes=2)
DESIGNS = {
    "2 bytes": NARROW,
    "4 bytes": DesignPoint(rows=2, cols=4, lanes=4, weight_bytes=3072, stream_bytes=4),
    "binary": DesignPoint(rows=4, cols=8, lanes=4, weight_bits=1, multiplier="lut", weight_bytes=1024,
                          stream_bytes=2),
}


def bench(design, *, ring_words, blocks, stalls=None, ring_base=512):
    words = sum(block.words for block in blocks)
    return StreamBench(design=design, ring_base=ring_base, ring_bytes=ring_words * word_bytes(design),
                       stream_bytes=stream_length(design, words), blocks=blocks, stalls=stalls)


@pytest.mark.sim
@pytest.mark.parametrize("name", DESIGNS)
def test_every_word_arrives_under_stalls(name):
    design, rng = DESIGNS[name], random.Random(name)
    for ring_words in (16, 40, 100):
        blocks = [Block(words=rng.randint(1, ring_words - 1), pause=rng.randint(0, 50), hold=rng.randint(0, 50))
                  for _ in range(12)]
        run = bench(design, ring_words=ring_words, blocks=blocks, stalls=rng)
        run.run()
        assert run.address == sum(block.words for block in blocks) * word_bytes(design)
        assert sum(size for _, size in run.requests) == run.stream_bytes


@pytest.mark.sim
def test_a_ring_may_end_with_the_scratchpad():
    run = bench(NARROW, ring_words=32, blocks=[Block(words=20)] * 5, ring_base=4096 - 512)
    assert len(run.run()) == 5


@pytest.mark.sim
def test_requests_are_chunks_while_there_is_room():
    run = bench(NARROW, ring_words=100, blocks=[Block(words=85)])
    run.run()
    assert run.requests == [(0x1230, CHUNK_BYTES), (0x1230 + CHUNK_BYTES, CHUNK_BYTES),
                            (0x1230 + 2 * CHUNK_BYTES, 85 * 16 - 2 * CHUNK_BYTES)]


async def begin(ctx, dut, **inputs):
    for name, value in inputs.items():
        ctx.set(getattr(dut, name), value)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)


async def answer(ctx, dut, value, beats):
    """Beats of one value; returns what was written, and where."""
    seen = []
    for beat in range(beats + 1):
        ctx.set(dut.data.valid, beat < beats)
        ctx.set(dut.data.payload, value)
        if ctx.get(dut.write.valid):
            seen.append((ctx.get(dut.write.p.address), ctx.get(dut.write.p.data)))
        await ctx.tick()
    if ctx.get(dut.write.valid):
        seen.append((ctx.get(dut.write.p.address), ctx.get(dut.write.p.data)))
    return seen


@pytest.mark.sim
@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("came", [0, 1, 7])
def test_a_new_start_drops_what_is_under_way(accepted, came):
    dut = WeightStream(NARROW)

    async def bench(ctx):
        await begin(ctx, dut, base=64, ring_base=256, ring_bytes=32, stream_bytes=32)
        await ctx.tick()
        assert ctx.get(dut.request.valid) and ctx.get(dut.request.p.address) == 64
        ctx.set(dut.request.ready, accepted)
        await ctx.tick()
        await answer(ctx, dut, 0x1111, came if accepted else 0)
        await begin(ctx, dut, base=128, ring_base=512, ring_bytes=32, stream_bytes=16)
        if not accepted:       # the offer has to stay
            assert ctx.get(dut.request.valid) and ctx.get(dut.request.p.address) == 64
            ctx.set(dut.request.ready, 1)
            await ctx.tick()
        assert await answer(ctx, dut, 0x2222, 16 - (came if accepted else 0)) == []
        await ctx.tick()
        assert ctx.get(dut.request.p.address) == 128 and ctx.get(dut.request.p.beats) == 8
        ctx.set(dut.need, 1)
        assert not ctx.get(dut.ready)
        assert await answer(ctx, dut, 0x3333, 8) == [(512 + n, 0x33333333) for n in (0, 4, 8, 12)]
        await ctx.tick()
        assert ctx.get(dut.ready)

    simulate(dut, bench)


@pytest.mark.sim
def test_nothing_is_written_after_a_stop():
    dut = WeightStream(NARROW)

    async def bench(ctx):
        await begin(ctx, dut, base=64, ring_base=256, ring_bytes=64, stream_bytes=640)
        ctx.set(dut.request.ready, 1)
        await ctx.tick().repeat(2)
        assert len(await answer(ctx, dut, 0x1111, 9)) == 4
        ctx.set(dut.need, 1)
        assert ctx.get(dut.ready)
        ctx.set(dut.stop, 1)
        await ctx.tick()
        assert not ctx.get(dut.ready)
        assert await answer(ctx, dut, 0x2222, 32 - 9) == []
        for _ in range(20):
            assert not ctx.get(dut.request.valid)
            await ctx.tick()

    simulate(dut, bench)


@pytest.mark.sim
def test_the_ring_in_weight_words():
    dut = WeightStream(NARROW)

    async def bench(ctx):
        ctx.set(dut.ring_base, 512)
        ctx.set(dut.ring_bytes, 1024)
        assert (ctx.get(dut.first_word), ctx.get(dut.end_word)) == (32, 96)
        await ctx.tick()

    simulate(dut, bench)
