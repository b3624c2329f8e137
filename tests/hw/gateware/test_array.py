import random

import pytest

from hw.gateware.array import SystolicArray
from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, product
from hw.spec.timing import ELEMENT_LATENCY
from tests.support.simulate import simulate


def times(design, act, weight):
    return product(MULTIPLIERS[design.multiplier], act, weight, weight_bits=design.weight_bits)


def random_words(rng, design, words, count):
    limit = 1 << design.weight_bits - 1
    acts = [[rng.choice([-128, 127, rng.randint(-128, 127)]) for _ in range(design.fetch_bytes)] for _ in range(words)]
    weights = [[[rng.choice([-limit, limit - 1, rng.randint(-limit, limit - 1)]) for _ in range(design.lanes)]
                for _ in range(design.cols)] for _ in range(count)]
    return acts, weights


async def play(ctx, unit, steps, words, weights):
    """Drive one step, word and set of weights a cycle, then let the skew run out."""
    design = unit.design
    for step, word, weight in zip(steps, words, weights, strict=True):
        ctx.set(unit.step, step)
        ctx.set(unit.word, word)
        ctx.set(unit.weights, weight)
        await ctx.tick()
    ctx.set(unit.step, {"token": {"valid": 0}})
    await ctx.tick().repeat(design.rows + design.cols + ELEMENT_LATENCY)


@pytest.mark.sim
@pytest.mark.parametrize("rows, cols, lanes, weight_bits, multiplier", [
    (2, 4, 4, 8, "lut"), (4, 2, 2, 4, "trunc"), (1, 4, 4, 8, "dsp"), (4, 4, 1, 8, "dsp")])
def test_convolution_tile(rows, cols, lanes, weight_bits, multiplier):
    design = DesignPoint(rows=rows, cols=cols, lanes=lanes, weight_bits=weight_bits, multiplier=multiplier)
    unit, rng, segments = SystolicArray(design), random.Random(1), 3
    words, weights = random_words(rng, design, segments * rows, segments * rows)

    async def bench(ctx):
        ctx.set(unit.depthwise, 0)
        # the word of array row r comes in phase r of its segment: row 0's with the fresh step
        steps = [{"token": {"valid": 1, "first": n == 0, "last": n == segments * rows - 1}, "fresh": n % rows == 0}
                 for n in range(segments * rows)]
        await play(ctx, unit, steps, words, weights)
        for r in range(rows):
            for c in range(cols):
                want = sum(times(design, words[base + r][lanes * s + lane], weights[base + s][c][lane])
                           for base in range(0, segments * rows, rows) for s in range(rows) for lane in range(lanes))
                assert ctx.get(unit.totals[r * cols + c]) == want, f"element {r}, {c}"

    simulate(unit, bench)


@pytest.mark.sim
@pytest.mark.parametrize("rows, cols, lanes", [(2, 4, 4), (4, 2, 2), (4, 4, 4)])
def test_depthwise_tile(rows, cols, lanes):
    design = DesignPoint(rows=rows, cols=cols, lanes=lanes, multiplier="trunc")
    unit, rng, taps = SystolicArray(design), random.Random(2), 9
    words, weights = random_words(rng, design, taps, taps)

    async def bench(ctx):
        ctx.set(unit.depthwise, 1)
        steps = [{"token": {"valid": 1, "first": n == 0, "last": n == taps - 1}, "fresh": 1} for n in range(taps)]
        await play(ctx, unit, steps, words, weights)
        for r in range(design.depthwise_rows):
            for c in range(design.depthwise_cols):
                lane = r * design.depthwise_cols + c
                want = sum(times(design, words[n][lane], weights[n][c][r]) for n in range(taps))
                assert ctx.get(unit.totals[r * cols + c]) == want, f"element {r}, {c}"

    simulate(unit, bench)
