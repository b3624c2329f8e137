"""Every requantizer against the definition: values, limits, latency."""

import random
from dataclasses import dataclass

import pytest
from amaranth import Signal

from hw.gateware.requantizer import Requantizer
from hw.spec.design import DesignPoint
from hw.spec.requant import TOTAL_BITS, VARIANTS, doubling_high_multiply, requantize, rounding_shift
from hw.spec.timing import requantize_latency, requantizer_latency
from tests.support.simulate import simulate

MOST = 2**(TOTAL_BITS - 1)
CORNERS = [-MOST, -MOST + 1, -MOST // 2, -3, -2, -1, 0, 1, 2, 3, MOST // 2, MOST - 1]
MULTIPLIERS = [0, 1, 2**17 - 1, 2**17, 0x2AAAAAAA, 0x55555555, 1 << 30, 2**31 - 1]


@dataclass(frozen=True, kw_only=True)
class Case:
    acc: int
    bias: int = 0
    multiplier: int
    shift: int
    add: int = 0


@dataclass(frozen=True, kw_only=True)
class Limits:
    zero: int = 0
    low: int = -128
    high: int = 127


WIDE = Limits()
LIMITS = {"wide": (WIDE, WIDE), "two": (Limits(zero=-17, low=-17, high=90), Limits(zero=44, low=-128, high=44)),
          "int4": (Limits(zero=-3, low=-8, high=7), Limits(zero=5, low=5, high=7))}


def cases(seed, count):
    """Corners, then ties of both roundings and random values; ``add`` changes from one to the next."""
    rng = random.Random(seed)
    for acc in CORNERS:
        for multiplier in rng.sample(MULTIPLIERS, 3):
            yield Case(acc=acc, bias=rng.choice([0, 1, -1]) if abs(acc) < MOST - 1 else 0, multiplier=multiplier,
                       shift=rng.choice([0, 1, 2, 7, 29, 30, 31]))
    for _ in range(count):
        shift = rng.randrange(12)
        yield Case(acc=rng.randint(-256, 256) << max(shift - 1, 0), multiplier=rng.choice([1 << 30, 2**31 - 1]),
                   shift=shift, add=rng.randrange(2))
        yield Case(acc=rng.randint(-2**25, 2**25), bias=rng.randint(-2**28, 2**28), multiplier=rng.randrange(2**31),
                   shift=rng.randrange(24), add=rng.randrange(2))
        yield Case(acc=rng.randint(-2**15, 2**15), bias=rng.randint(-2**12, 2**12),
                   multiplier=rng.randrange(2**30, 2**31), shift=rng.randrange(12), add=rng.randrange(2))


def wanted(case, limits):
    chosen = limits[case.add]
    scaled = rounding_shift(doubling_high_multiply(case.acc + case.bias, case.multiplier), case.shift)
    return scaled, requantize(case.acc, bias=case.bias, multiplier=case.multiplier, shift=case.shift,
                              zero=chosen.zero, low=chosen.low, high=chosen.high)


def run(unit, given, *, gaps, cycles=1, limits=LIMITS["wide"]):
    """Pairs of ``scaled`` and output in order, and the cycles from input to output that occurred."""
    outputs, sent, arrived = [], [], []
    rng = random.Random(7)

    async def source(ctx):
        for prefix, chosen in zip(("", "add_"), limits, strict=True):
            for name in ("zero", "low", "high"):
                ctx.set(getattr(unit, prefix + name), getattr(chosen, name))
        cycle = 0
        for case in given:
            ctx.set(unit.acc.valid, 1)
            params = {"bias": case.bias, "multiplier": case.multiplier, "shift": case.shift}
            ctx.set(unit.acc.payload, {"value": case.acc, "params": params, "add": case.add})
            sent.append(cycle)
            await ctx.tick()
            ctx.set(unit.acc.valid, 0)
            # nothing but the cycle of a value counts
            garbage = {"bias": -1, "multiplier": rng.randrange(2**31), "shift": rng.randrange(32)}
            ctx.set(unit.acc.payload, {"value": rng.randint(-99, 99), "params": garbage, "add": rng.randrange(2)})
            wait = cycles - 1
            while rng.random() < gaps:
                wait += 1
            for _ in range(wait):
                await ctx.tick()
            cycle += 1 + wait

    async def sink(ctx):
        cycle = 0
        while len(outputs) < len(given):
            _, _, valid, scaled, value = await ctx.tick().sample(unit.out.valid, unit.scaled, unit.out.payload)
            if valid:
                outputs.append((scaled, value))
                arrived.append(cycle)
            cycle += 1

    simulate(unit, source, sink)
    return outputs, {after - before for before, after in zip(sent, arrived, strict=True)}


@pytest.mark.sim
@pytest.mark.parametrize("cycles, dsps", VARIANTS)
@pytest.mark.parametrize("gaps, limits", [(0.0, "two"), (0.4, "wide"), (0.2, "int4")])
def test_matches_golden(cycles, dsps, gaps, limits):
    given = list(cases(f"{cycles} {dsps} {gaps}", 120))
    outputs, latencies = run(Requantizer(cycles=cycles, dsps=dsps), given, gaps=gaps, cycles=cycles,
                             limits=LIMITS[limits])
    assert outputs == [wanted(case, LIMITS[limits]) for case in given]
    assert latencies == {requantizer_latency(cycles=cycles, dsps=dsps)}


@pytest.mark.sim
@pytest.mark.parametrize("cycles, dsps", [(1, 4), (2, 0)])
def test_a_narrow_accumulator_meets_a_wide_bias(cycles, dsps):
    given = [Case(acc=acc, bias=bias, multiplier=2**31 - 1, shift=20) for acc in (-2**15, -1, 2**15 - 1)
             for bias in (-2**28, 0, 2**28)]
    outputs, _ = run(Requantizer(acc_bits=16, cycles=cycles, dsps=dsps), given, gaps=0, cycles=cycles)
    assert outputs == [wanted(case, LIMITS["wide"]) for case in given]


class TiesUp(Requantizer):
    """The planted fault: ties of negative values go towards +inf, as one rounding too few would have it."""

    @staticmethod
    def _shifted(m, value, sticky, shift, steps, cycle):
        kept, _ = Requantizer._shifted(m, value, sticky, shift, steps, cycle)
        always = Signal(init=1)
        return kept, always


@pytest.mark.sim
def test_a_wrong_rounding_is_caught():
    given = list(cases(3, 60))
    outputs, _ = run(TiesUp(), given, gaps=0)
    wrong = [case for case, got in zip(given, outputs, strict=True) if got != wanted(case, LIMITS["wide"])]
    assert wrong
    assert all(case.acc + case.bias < 0 for case in wrong)


def test_latency_of_a_design():
    assert requantize_latency(DesignPoint()) == 7
    assert requantize_latency(DesignPoint(requantizer_cycles=2, requantizer_dsps=0)) == 7
    assert max(requantizer_latency(cycles=cycles, dsps=dsps) for cycles, dsps in VARIANTS) == 9
