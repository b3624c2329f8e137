"""Products of an activation with both nibbles of a byte of weights, signed digits of base 16 (``hw.spec.digits``), in
one multiplier block; and their sums over lanes.

The block multiplies by ``low + (high << place)``. What comes out is ``act * low`` in the low ``place`` bits and
``act * high`` above them, one too small where the low one is negative. Both stay exact in the sum over a pair of
neighbouring lanes, for every activation and every weight: -8 twice against the lowest activation is 8 times the
activations' range, ``2 ** (place - 2)``. Four lanes would have room for weights of a magnitude up to 7 only, or need a
bit more than the 18 of an ECP5's block.
"""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal, Value, signed
from amaranth.lib import data

from hw.gateware.adders import balanced_sum
from hw.gateware.digits import Term, digit_sum

__all__ = ["CODE", "PLACE_BITS", "coded", "nibble_product", "nibble_sums"]

PLACE_BITS = 4      # from a digit to the next
TOGETHER = 2        # lanes whose products are added before digits are told apart

#: The digits of a byte. ``high`` lacks the 1 that a negative ``low`` owes it, as a block's operand has it.
CODE = data.StructLayout({"low": signed(PLACE_BITS), "high": signed(PLACE_BITS + 1)})


def coded(m: Module, weights: Value, split: Value, name: str) -> data.View:
    """The digits of a byte of weights that is split so many times: ``CODE``, in the same cycle.

    Of one weight they are its bits: what ``low`` owes as a signed digit, the digit above it gets.
    """
    code = Signal(CODE, name=name)
    low = weights[:PLACE_BITS].as_signed()
    m.d.comb += [code.low.eq(low), code.high.eq(weights[PLACE_BITS:8].as_signed() - (low[-1] & split[0]))]
    return code


def _place(act_bits: int) -> int:
    """Of the product of ``high``: the sum of two lanes' others is below it, with its sign."""
    return act_bits + PLACE_BITS + 1


def nibble_product(act: Value, code: data.View) -> Value:
    """Of one lane, for :func:`nibble_sums`: a multiplier block."""
    place = _place(len(act))
    operand = Cat(code.low, code.low[-1].replicate(place - PLACE_BITS), code.high).as_signed()
    width = len(act) + place + PLACE_BITS
    return (act * operand)[:width].as_signed()


def nibble_sums(m: Module, products: Sequence[Value], act_bits: int, name: str) -> tuple[Value, Term]:
    """Of ``low``, and of ``high`` with a bit that is still to be added to it, over all lanes."""
    place = _place(act_bits)
    lows: list[Value] = []
    highs: list[Term] = []
    for first in range(0, len(products), TOGETHER):
        both = balanced_sum(m, list(products[first:first + TOGETHER]), f"{name}both{first}")
        lows.append(both[:place].as_signed())
        highs.append((both[place:].as_signed(), both[place - 1]))
    return balanced_sum(m, lows, f"{name}low"), digit_sum(m, highs, f"{name}high")
