import random

import pytest

from hw.gateware.pieces import HIGH_PLACE_BITS, PieceSums
from hw.spec.design import DesignPoint
from tests.support.simulate import simulate

DESIGN = DesignPoint(rows=2, cols=4, lanes=4, multiplier="scalable", requantizers=2)
DIGITS_OF = {0: (4, 1), 1: (2, 2), 2: (1, 4)}      # of a piece, and pieces of a weight


def differing(pieces, *, told=True, seed=1):
    """What was wanted and what came, in a row of turns of any element and piece without a pause; ``told`` says whether
    the unit knows of a maximum.
    """
    unit, rng = PieceSums(DESIGN, elements=4, pieces=pieces), random.Random(seed)
    half, wrong = 1 << DESIGN.digit_bits - 1, []

    async def bench(ctx):
        for number in range(60):
            split, maximum = number % 3, number % 6 == 3
            sums = [[rng.choice([-half, half - 1, rng.randrange(-half, half)]) for _ in range(4)] for _ in range(4)]
            largest = [rng.choice([-128, 127, rng.randrange(-128, 128)]) for _ in range(4)]
            if maximum:      # weights of pools have one digit, which is the last one
                sums = [[0, 0, 0, last] for *_, last in sums]
            ctx.set(unit.split, split)
            ctx.set(unit.maximum, maximum and told)
            for n in range(4):
                ctx.set(unit.totals[n].digits, sums[n])
                ctx.set(unit.totals[n].largest, largest[n])
            turns = [(rng.randrange(4), pieces * rng.randrange(max(1, DIGITS_OF[split][1] // pieces)))
                     for _ in range(5)]
            for turn in range(len(turns) + 2):
                if turn >= 2:
                    element, piece = turns[turn - 2]
                    digits, count = DIGITS_OF[split]
                    for n in range(min(pieces, count)):
                        right = sum(value << 2 * place for place, value in enumerate(
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
@pytest.mark.parametrize("pieces", [1, 2, 4])
def test_sums_of_pieces(pieces):
    assert differing(pieces) == []


@pytest.mark.sim
def test_a_sum_in_place_of_a_maximum_is_seen():
    assert {one[:2] for one in differing(1, told=False)} == {(0, True)}
