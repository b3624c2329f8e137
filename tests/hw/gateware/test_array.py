import random

import pytest

from hw.gateware.array import SystolicArray
from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, product, weight_code, weight_value
from hw.spec.timing import element_latency
from tests.support.simulate import simulate


class Bench:
    """An array, random operands for it, and what their products are."""

    def __init__(self, seed, **design):
        self.design = DesignPoint(**design)
        self.unit, self.rng = SystolicArray(self.design), random.Random(seed)
        bits = self.design.weight_bits
        self.weight_choices = [weight_value(code, bits) for code in range(1 << bits)]

    def times(self, act, weight):
        return product(MULTIPLIERS[self.design.multiplier], act, weight, weight_bits=self.design.weight_bits)

    def words(self, count):
        low, high = -1 << self.design.act_bits - 1, (1 << self.design.act_bits - 1) - 1
        return [[self.rng.choice([low, high, self.rng.randint(low, high)]) for _ in range(self.design.fetch_bytes)]
                for _ in range(count)]

    def weights(self, count):
        """``(count, cols, lanes)``."""
        low, high = min(self.weight_choices), max(self.weight_choices)
        return [[[self.rng.choice([low, high, self.rng.choice(self.weight_choices)]) for _ in range(self.design.lanes)]
                 for _ in range(self.design.cols)] for _ in range(count)]

    async def mode(self, ctx, **fields):
        """Set what is constant while a layer runs; it moves through the array as operands do."""
        for name, value in fields.items():
            ctx.set(getattr(self.unit, name), value)
        await ctx.tick().repeat(self.design.rows + self.design.cols)

    async def play(self, ctx, steps, words, weights):
        """Drive one step, word and set of weights a cycle, then let the skew run out."""
        unit, bits = self.unit, self.design.weight_bits
        for step, word, weight in zip(steps, words, weights, strict=True):
            ctx.set(unit.step, step)
            ctx.set(unit.word, word)
            ctx.set(unit.weights, [[-weight_code(lane, 1) if bits == 1 else lane for lane in column]
                                   for column in weight])
            await ctx.tick()
        ctx.set(unit.step, {"token": {"valid": 0, "push": 0, "load": 0}})
        last = self.design.rows - 1 + (self.design.cols - 1) // MULTIPLIERS[self.design.multiplier].ways
        await ctx.tick().repeat(last + element_latency(self.design) - 1)

    def check(self, ctx, wanted, rows=None, cols=None):
        """``wanted(r, c)`` of every element."""
        for r in range(rows or self.design.rows):
            for c in range(cols or self.design.cols):
                assert ctx.get(self.unit.totals[r * self.design.cols + c]) == wanted(r, c), f"element {r}, {c}"


def token(**fields):
    return {"token": {"valid": 1, **fields}, "fresh": 1}


@pytest.mark.sim
@pytest.mark.parametrize("rows, cols, lanes, weight_bits, multiplier", [
    (2, 4, 4, 8, "lut"), (4, 2, 2, 4, "trunc"), (1, 4, 4, 8, "dsp"), (4, 4, 1, 8, "dsp"), (2, 4, 2, 4, "packed"),
    (2, 4, 4, 1, "lut"), (2, 2, 4, 2, "ternary")])
def test_convolution_tile(rows, cols, lanes, weight_bits, multiplier):
    bench, segments = Bench(1, rows=rows, cols=cols, lanes=lanes, weight_bits=weight_bits, multiplier=multiplier), 3
    if multiplier == "ternary":
        bench.weight_choices.remove(-2)
    words, weights = bench.words(segments * rows), bench.weights(segments * rows)

    def wanted(r, c):
        return sum(bench.times(words[base + r][lanes * s + lane], weights[base + s][c][lane])
                   for base in range(0, segments * rows, rows) for s in range(rows) for lane in range(lanes))

    async def run(ctx):
        # the word of array row r comes in phase r of its segment: row 0's with the fresh step
        steps = [{**token(first=n == 0, last=n == segments * rows - 1), "fresh": n % rows == 0}
                 for n in range(segments * rows)]
        await bench.mode(ctx, tail_lanes=15)
        await bench.play(ctx, steps, words, weights)
        bench.check(ctx, wanted)

    simulate(bench.unit, run)


@pytest.mark.sim
@pytest.mark.parametrize("distance", [1, 2, 3])
def test_one_word_serves_neighbouring_pixels(distance):
    bench = Bench(4, rows=4, cols=2, lanes=4)
    words, weights = bench.words(6), bench.weights(6)

    def wanted(r, c):
        return sum(bench.times(words[n][r * distance + lane], weights[n][c][lane])
                   for n in range(6) for lane in range(4))

    async def run(ctx):
        await bench.mode(ctx, single=1, distance=distance)
        await bench.play(ctx, [token(first=n == 0, last=n == 5) for n in range(6)], words, weights)
        bench.check(ctx, wanted)

    simulate(bench.unit, run)


@pytest.mark.sim
@pytest.mark.parametrize("tail_lanes", [0, 2, 3])
def test_binary_lanes_beyond_the_kernel_row_count_nothing(tail_lanes):
    bench = Bench(5, rows=2, cols=4, lanes=4, weight_bits=1, multiplier="lut")
    words, weights = bench.words(2), bench.weights(2)

    def wanted(r, c):
        lanes = [(n, lane) for n in range(2) for lane in range(4) if n == 0 or lane <= tail_lanes]
        return sum(words[r][4 * n + lane] * weights[n][c][lane] for n, lane in lanes)

    async def run(ctx):
        await bench.mode(ctx, tail_lanes=tail_lanes)
        steps = [{**token(first=n == 0, last=n == 1), "fresh": n == 0, "tail": n == 1} for n in range(2)]
        await bench.play(ctx, steps, words, weights)
        bench.check(ctx, wanted)

    simulate(bench.unit, run)


@pytest.mark.sim
@pytest.mark.parametrize("maximum", [False, True])
@pytest.mark.parametrize("rows, cols, lanes, multiplier", [(2, 4, 4, "trunc"), (4, 2, 2, "trunc"), (4, 4, 4, "dsp"),
                                                           (2, 4, 4, "packed")])
def test_depthwise_tile(rows, cols, lanes, multiplier, maximum):
    bench = Bench(2, rows=rows, cols=cols, lanes=lanes, multiplier=multiplier,
                  weight_bits=4 if multiplier == "packed" else 8)
    design, taps = bench.design, 9
    words, weights = bench.words(taps), bench.weights(taps)

    def wanted(r, c):
        lane = r * design.depthwise_cols + c
        return (max if maximum else sum)(bench.times(words[n][lane], weights[n][c][r]) for n in range(taps))

    async def run(ctx):
        await bench.mode(ctx, modes={"depthwise": 1, "maximum": maximum}, single=1, distance=design.depthwise_cols)
        await bench.play(ctx, [token(first=n == 0, last=n == taps - 1) for n in range(taps)], words, weights)
        bench.check(ctx, wanted, design.depthwise_rows, design.depthwise_cols)

    simulate(bench.unit, run)


@pytest.mark.sim
@pytest.mark.parametrize("taps, kernel_rows", [(4, 3), (2, 5)])
def test_elements_keep_columns_and_weights(taps, kernel_rows):
    """Two pixels of a depthwise row, the second one column further: only its newest column is pushed."""
    bench = Bench(3, rows=2, cols=4, lanes=4, depthwise_taps=taps)
    design = bench.design
    columns = taps + 1
    kept = bench.weights(design.depthwise_rows * kernel_rows)
    words = bench.words(columns * kernel_rows)

    def wanted(newest):
        return lambda r, c: sum(
            words[(newest - back) * kernel_rows + ky][r * 4 + c] * kept[r * kernel_rows + ky][c][back]
            for ky in range(kernel_rows) for back in range(taps))

    def column(number, multiplies):
        return [{"token": {"valid": multiplies, "push": 1, "first": ky == 0, "tap": ky,
                           "last": multiplies and ky == kernel_rows - 1}, "fresh": 1} for ky in range(kernel_rows)]

    async def run(ctx):
        await bench.mode(ctx, modes={"depthwise": 1, "window": 1, "local": 1}, single=1,
                         distance=design.depthwise_cols)
        rubbish = bench.weights(kernel_rows)
        loads = [{"token": {"load": 1, "row": n // kernel_rows, "tap": n % kernel_rows}} for n in range(len(kept))]
        await bench.play(ctx, loads, bench.words(len(kept)), kept)
        for number in range(columns):
            part = words[number * kernel_rows:(number + 1) * kernel_rows]
            await bench.play(ctx, column(number, number >= taps - 1), part, rubbish)
            if number >= taps - 1:
                bench.check(ctx, wanted(number), design.depthwise_rows, design.depthwise_cols)

    simulate(bench.unit, run)


@pytest.mark.sim
def test_weights_stay_in_the_elements():
    bench = Bench(6, rows=2, cols=2, lanes=4, dataflow="weight")
    kept = bench.weights(4)

    async def run(ctx):
        await bench.mode(ctx, modes={"local": 1})
        await bench.play(ctx, [{"token": {"load": 1, "tap": n}} for n in range(4)], bench.words(4), kept)
        for _ in range(3):
            words = bench.words(4)
            steps = [{**token(first=n == 0, last=n == 3, tap=n), "fresh": n % 2 == 0} for n in range(4)]
            await bench.play(ctx, steps, words, bench.weights(4))
            bench.check(ctx, lambda r, c, words=words: sum(
                words[base + r][4 * s + lane] * kept[base + s][c][lane]
                for base in (0, 2) for s in range(2) for lane in range(4)))

    simulate(bench.unit, run)
