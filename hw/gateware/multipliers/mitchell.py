"""Mitchell's logarithmic multiplier: two normalizing shifters, an adder, a shifter."""

from amaranth import Cat, Const, Module, Mux, Value

from hw.gateware.multipliers._builder import Builder, each, magnitude, named, with_sign
from hw.spec.multipliers import MultiplierKind
from hw.spec.multipliers.mitchell import FRACTION_BITS

__all__ = ["BUILDERS"]

STEPS = (4, 2, 1)       # of a normalizing shifter over FRACTION_BITS + 1 bits


def _logarithm(m: Module, value: Value, name: str) -> tuple[Value, Value]:
    """The logarithm of a value's magnitude, and whether there is one: zero has none."""
    size = magnitude(m, value, f"{name}size")
    shifted, whole = Cat(size, Const(0, FRACTION_BITS + 1 - len(size))), []
    for step in STEPS:
        high = named(m, shifted[-step:].any(), f"{name}high{step}")
        shifted = named(m, Mux(high, shifted, shifted << step)[:FRACTION_BITS + 1], f"{name}shifted{step}")
        whole.append(high)
    return Cat(shifted[:FRACTION_BITS], *reversed(whole)), shifted[-1]


def _logarithmic(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    first, one = _logarithm(m, act, f"{name}act")
    second, other = _logarithm(m, weight, f"{name}weight")
    total = named(m, first + second, f"{name}log")
    mantissa, whole = Cat(total[:FRACTION_BITS], Const(1, 1)), total[FRACTION_BITS:]
    width = len(act) + len(weight)
    size = named(m, (mantissa << whole)[FRACTION_BITS:][:width], f"{name}total")
    return with_sign(size & (one & other).replicate(width), act, weight)


BUILDERS: dict[str, Builder] = {"mitchell": each(_logarithmic)}
