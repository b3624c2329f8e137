import random

import pytest

from hw.gateware.parts import parts
from hw.gateware.pieces import HIGH_PLACE_BITS
from hw.spec.design import DesignPoint
from tests.support.simulate import simulate

DESIGNS = {kind: DesignPoint(rows=2, cols=4, lanes=4, multiplier=kind, requantizers=2)
           for kind in ("scalable", "scalable-dsp")}


def differing(kind, pieces, *, told=True, seed=1):
    """What was wanted and what came, in a row of turns of any element and piece without a pause; ``told`` says whether
    the unit knows of a maximum.
    """
    design, rng = DESIGNS[kind], random.Random(seed)
    unit = parts(design).pieces(design, elements=4, pieces=pieces)
    half, late, wrong = 1 << design.digit_bits - 1, design.select_stages, []

    async def bench(ctx):
        for number in range(60):
            split = number % (design.splits + 1)
            maximum = split == 0 and number % 2 == 1 if design.splits == 2 else number % 4 == 2
            digits, count = design.digits >> split, 1 << split      # of a piece, and pieces of a weight
            sums = [[rng.choice([-half, half - 1, rng.randrange(-half, half)]) for _ in range(design.digits)]
                    for _ in range(4)]
            largest = [rng.choice([-128, 127, rng.randrange(-128, 128)]) for _ in range(4)]
            if maximum:      # weights of pools have one digit, which is the last one
                sums = [[*([0] * len(lower)), last] for *lower, last in sums]
            ctx.set(unit.split, split)
            ctx.set(unit.maximum, maximum and told)
            for n in range(4):
                ctx.set(unit.totals[n].digits, sums[n])
                ctx.set(unit.totals[n].largest, largest[n])
            turns = [(rng.randrange(4), pieces * rng.randrange(max(1, count // pieces))) for _ in range(5)]
            for turn in range(len(turns) + late):
                if turn >= late:
                    element, piece = turns[turn - late]
                    for n in range(min(pieces, count)):
                        right = sum(value << design.place_bits * place for place, value in enumerate(
                            sums[element][digits * (piece + n):digits * (piece + n + 1)]))
                        if maximum:
                            right = largest[element] << 6
                        got = ctx.get(unit.low[n]) + (0 if n else ctx.get(unit.high) << HIGH_PLACE_BITS)
                        if got != right:
                            wrong.append((split, maximum, element, piece + n, right, got))
                element, piece = turns[min(turn, len(turns) - 1)]
                ctx.set(unit.element, element)
                ctx.set(unit.piece, piece)
                await ctx.tick()

    simulate(unit, bench)
    return wrong


@pytest.mark.sim
@pytest.mark.parametrize("kind, pieces", [
    ("scalable", 1), ("scalable", 2), ("scalable", 4), ("scalable-dsp", 1), ("scalable-dsp", 2)])
def test_sums_of_pieces(kind, pieces):
    assert differing(kind, pieces) == []


@pytest.mark.sim
@pytest.mark.parametrize("kind", DESIGNS)
def test_a_sum_in_place_of_a_maximum_is_seen(kind):
    assert {one[:2] for one in differing(kind, 1, told=False)} == {(0, True)}
