"""The underdesigned multiplier: blocks of 2 x 2 bits with three bits each, of the operands' magnitudes."""

from amaranth import Cat, Const, Module, Value

from hw.gateware.adders import balanced_sum
from hw.gateware.multipliers._builder import Builder, each, magnitude, with_sign
from hw.spec.multipliers import MultiplierKind

__all__ = ["BUILDERS"]


def _block(a: Value, b: Value) -> Value:
    """Two bits times two bits in three: 3 times 3 is 7. A LUT of four inputs for each bit."""
    return Cat(a[0] & b[0], a[1] & b[0] | a[0] & b[1], a[1] & b[1])


def _underdesigned(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    a, b = magnitude(m, act, f"{name}act"), magnitude(m, weight, f"{name}weight")
    words = []
    for i in range(0, len(b), 2):
        blocks = [_block(a[j:j + 2], b[i:i + 2]) for j in range(0, len(a), 2)]
        for first in (0, 1):        # every other block: neighbours overlap by a bit
            word = Cat(Const(0, i + 2 * first), *(Cat(block, Const(0, 1)) for block in blocks[first::2]))
            words.append(Cat(word, Const(0, 1)).as_signed())
    size = balanced_sum(m, words, f"{name}sum")
    return with_sign(size[:len(act) + len(weight)], act, weight)


BUILDERS: dict[str, Builder] = {"underdesigned": each(_underdesigned)}
