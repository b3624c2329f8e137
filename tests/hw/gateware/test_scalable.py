"""Arrays of elements of scalable precision: every kind of tile, however weights are split."""

import pytest

from hw.gateware.scalable import BlockElement, ScalableElement
from hw.spec.digits import POOL_WEIGHT, piece_bits
from hw.spec.multipliers import weight_code, weight_value
from tests.hw.gateware.test_array import Bench, token
from tests.support.simulate import simulate

SHAPES = [(2, 4, 4), (4, 2, 2), (1, 4, 4), (4, 4, 1), (2, 2, 8)]
KINDS = {"scalable": ScalableElement, "scalable-dsp": BlockElement}
SPLIT = [(kind, split) for kind, most in (("scalable", 2), ("scalable-dsp", 1)) for split in range(most + 1)]


class Digits(Bench):
    """With weights that are split: ``(count, cols, lanes, pieces)``; lanes are bytes."""

    def __init__(self, seed, kind, split, **design):
        super().__init__(seed, multiplier=kind, **design)
        self.split, self.bits = split, piece_bits(split)

    def bytes_of(self, weights):
        return [[[sum(weight_code(piece, self.bits) << self.bits * n for n, piece in enumerate(lane))
                  for lane in column] for column in word] for word in weights]

    def weights(self, count):
        low, high = -1 << self.bits - 1, (1 << self.bits - 1) - 1
        return [[[[self.rng.choice([low, high, self.rng.randint(low, high)]) for _ in range(1 << self.split)]
                  for _ in range(self.design.lanes)] for _ in range(self.design.cols)] for _ in range(count)]

    async def play(self, ctx, steps, words, weights):
        signed = [[[weight_value(lane, 8) for lane in column] for column in word] for word in self.bytes_of(weights)]
        await super().play(ctx, steps, words, signed)

    def pieces(self, ctx, r, c):
        """The sums of an element."""
        digits = [ctx.get(digit) for digit in self.unit.totals[r * self.design.cols + c].digits]
        count, bits = self.design.digits >> self.split, self.design.place_bits
        return [sum(digit << bits * place for place, digit in enumerate(digits[count * n:count * (n + 1)]))
                for n in range(1 << self.split)]


async def convolve(ctx, bench, segments=3):
    """Whether every sum of one random tile is right."""
    rows, cols, lanes = bench.design.rows, bench.design.cols, bench.design.lanes
    words, weights = bench.words(segments * rows), bench.weights(segments * rows)
    steps = [{**token(first=n == 0, last=n == segments * rows - 1), "fresh": n % rows == 0}
             for n in range(segments * rows)]
    await bench.mode(ctx, tail_lanes=15, split=bench.split)
    await bench.play(ctx, steps, words, weights)

    def wanted(r, c, piece):
        return sum(words[base + r][lanes * s + lane] * weights[base + s][c][lane][piece]
                   for base in range(0, segments * rows, rows) for s in range(rows) for lane in range(lanes))

    return all(bench.pieces(ctx, r, c) == [wanted(r, c, piece) for piece in range(1 << bench.split)]
               for r in range(rows) for c in range(cols))


@pytest.mark.sim
@pytest.mark.parametrize("rows, cols, lanes", SHAPES)
@pytest.mark.parametrize("kind, split", SPLIT)
def test_tiles_follow_each_other(rows, cols, lanes, kind, split):
    bench = Digits(1, kind, split, rows=rows, cols=cols, lanes=lanes)

    async def run(ctx):
        for _ in range(3):
            assert await convolve(ctx, bench)

    simulate(bench.unit, run)


def uncleared(element):
    """Its lowest digit goes on adding up."""
    class Uncleared(element):
        def _accumulate_digit(self, m, n, summed, dot, carry):
            if n:
                super()._accumulate_digit(m, n, summed, dot, carry)
                return
            total = self.totals[0].digits[0]
            with m.If(summed.valid):
                m.d.sync += total.eq(total + dot + carry)
    return Uncleared


@pytest.mark.sim
@pytest.mark.parametrize("kind", KINDS)
def test_a_sum_that_is_not_cleared_is_seen(kind, monkeypatch):
    monkeypatch.setattr(f"hw.gateware.parts.{KINDS[kind].__name__}", uncleared(KINDS[kind]))
    bench = Digits(1, kind, 0, rows=2, cols=4, lanes=4)
    found = []

    async def run(ctx):
        for _ in range(2):
            found.append(await convolve(ctx, bench))

    simulate(bench.unit, run)
    assert found == [True, False]


@pytest.mark.sim
@pytest.mark.parametrize("maximum", [False, True])
@pytest.mark.parametrize("rows, cols, lanes", [(2, 4, 4), (4, 2, 2), (4, 4, 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_depthwise_tile(kind, rows, cols, lanes, maximum):
    bench, taps = Digits(2, kind, 0, rows=rows, cols=cols, lanes=lanes), 9
    design = bench.design
    words, weights = bench.words(taps), bench.weights(taps)
    if maximum:
        weights = [[[[POOL_WEIGHT] for _ in range(lanes)] for _ in range(cols)]] * taps

    def wanted(r, c):
        lane = r * design.depthwise_cols + c
        return (max if maximum else sum)(words[n][lane] * weights[n][c][r][0] for n in range(taps))

    async def run(ctx):
        await bench.mode(ctx, modes={"depthwise": 1, "maximum": maximum}, single=1, distance=design.depthwise_cols)
        await bench.play(ctx, [token(first=n == 0, last=n == taps - 1) for n in range(taps)], words, weights)
        for _ in range(design.select_stages - 1):
            await ctx.tick()      # what is largest comes later
        for r in range(design.depthwise_rows):
            for c in range(design.depthwise_cols):
                largest = ctx.get(bench.unit.totals[r * cols + c].largest)
                got = largest * POOL_WEIGHT if maximum else bench.pieces(ctx, r, c)[0]
                assert got == wanted(r, c), f"element {r}, {c}"

    simulate(bench.unit, run)


@pytest.mark.sim
@pytest.mark.parametrize("kind, split", SPLIT)
def test_weights_stay_in_the_elements(kind, split):
    bench = Digits(6, kind, split, rows=2, cols=2, lanes=4, dataflow="weight")
    kept = bench.weights(4)

    async def run(ctx):
        await bench.mode(ctx, modes={"local": 1}, split=split)
        await bench.play(ctx, [{"token": {"load": 1, "tap": n}} for n in range(4)], bench.words(4), kept)
        for _ in range(3):
            words = bench.words(4)
            steps = [{**token(first=n == 0, last=n == 3, tap=n), "fresh": n % 2 == 0} for n in range(4)]
            await bench.play(ctx, steps, words, bench.weights(4))
            for r, c in ((0, 0), (1, 1), (0, 1)):
                assert bench.pieces(ctx, r, c) == [sum(
                    words[base + r][4 * s + lane] * kept[base + s][c][lane][piece]
                    for base in (0, 2) for s in range(2) for lane in range(4)) for piece in range(1 << split)]

    simulate(bench.unit, run)
