"""The products of elements of scalable precision: of the digits of a weight, each in its place.

Elements add up the digits' products over lanes and steps first.
"""

from amaranth import Cat, Const, Module, Value

from hw.gateware import nibbles
from hw.gateware.digits import DIGIT_PLACE_BITS, coded, digit_term
from hw.gateware.multipliers._builder import Builder, each, named
from hw.spec.digits import split_for
from hw.spec.multipliers import MultiplierKind

__all__ = ["BUILDERS"]


def _by_digits(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    """Each digit in plain logic. The weight is the first piece of its byte."""
    width = len(weight)
    byte = Cat(weight, Const(0, 8 - width))
    code = coded(m, byte, Const(split_for(width, kind.splits), 2), f"{name}code")
    total: Value = Const(0)
    for n in range(width // DIGIT_PLACE_BITS):
        value, owed = digit_term(act, code[f"digit{n}"])
        total = named(m, total + ((value + owed) << DIGIT_PLACE_BITS * n), f"{name}total{n}")
    return total


def _by_nibbles(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    """Both digits in a multiplier block. The weight is the first piece of its byte."""
    width = len(weight)
    byte = Cat(weight, Const(0, 8 - width))
    code = nibbles.coded(m, byte, Const(split_for(width, kind.splits), 2), f"{name}code")
    low, (high, owed) = nibbles.nibble_sums(m, [nibbles.nibble_product(act, code)], len(act), name)
    return low if width <= nibbles.PLACE_BITS else low + ((high + owed) << nibbles.PLACE_BITS)


BUILDERS: dict[str, Builder] = {"scalable": each(_by_digits), "scalable-dsp": each(_by_nibbles)}
