"""Products of activations with signed digits of base 4 (``hw.spec.digits``), and their sums over lanes."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from hw.gateware.adders import carried_sum

__all__ = ["CODE", "DIGITS", "DIGIT_PLACE_BITS", "Term", "coded", "digit_sum", "digit_term"]

DIGITS = 4               # of a byte
DIGIT_PLACE_BITS = 2     # from a digit to the next

#: The digits of a byte, lowest first. One whose piece may end behind it has 2 as well, and a bit more for that.
CODE = data.StructLayout({f"digit{n}": signed(2 + n % 2) for n in range(DIGITS)})

#: A value, and a bit that is still to be added to it.
Term = tuple[Value, Value]


def coded(m: Module, weights: Value, split: Value, name: str) -> data.View:
    """The digits of a byte of weights that is split so many times: ``CODE``, in the same cycle.

    Two bits that are 2 or 3, taken for -2 or -1, leave one to the next digit; so does a 2 that comes of that, as -2.
    """
    whole = Signal(name=f"{name}whole")      # one weight
    pair = Signal(name=f"{name}pair")        # digits 0 and 1, 2 and 3 belong together
    m.d.comb += [whole.eq(split == 0), pair.eq(~split[1])]
    code = Signal(CODE, name=name)
    carry: Value = Const(0, 1)
    for n, goes_on in enumerate((pair, whole, pair, Const(0, 1))):
        digit = Signal(signed(3), name=f"{name}digit{n}")
        m.d.comb += digit.eq(weights[2 * n:2 * n + 2].as_signed() + carry)
        overflows = digit == 2
        following = Signal(name=f"{name}carry{n + 1}")
        m.d.comb += [following.eq(goes_on & (weights[2 * n + 1] | overflows)),
                     code[f"digit{n}"].eq(Mux(goes_on & overflows, -2, digit))]
        carry = following
    return code


def digit_term(act: Value, digit: Value) -> Term:
    """An activation times a digit: a LUT for each bit, and the 1 that negation needs."""
    negative = digit[-1]
    single, double = Cat(act, act[-1]), Cat(Const(0, 1), act)
    size = Mux(digit[0], single, double & digit[1].replicate(len(double)))
    return (size ^ negative.replicate(len(size))).as_signed(), negative


def digit_sum(m: Module, terms: list[Term], name: str) -> Term:
    """Of at least one term; each adder takes one of the bits along, so that one is left."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    (left, carry), (right, owed) = (digit_sum(m, part, f"{name}{side}")
                                    for side, part in (("l", terms[:half]), ("r", terms[half:])))
    return carried_sum(m, left, right, carry, name), owed
