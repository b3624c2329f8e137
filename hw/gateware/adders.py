"""Sums of many terms, shaped for the carry chains of an FPGA."""

from amaranth import Cat, Const, Module, Signal, Value, signed

__all__ = ["balanced_sum", "carried_sum"]


def balanced_sum(m: Module, terms: list[Value], name: str) -> Value:
    """Exact signed sum as a balanced tree of two-operand adders.

    Every partial sum is kept as a signal: Yosys would otherwise merge the adders into one multi-operand sum of
    carry-save logic, which takes twice the LUTs of carry chains.
    """
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    left, right = balanced_sum(m, terms[:half], f"{name}l"), balanced_sum(m, terms[half:], f"{name}r")
    total = left + right
    kept = Signal(signed(total.shape().width), name=name, attrs={"keep": 1})
    m.d.comb += kept.eq(total)
    return kept


def carried_sum(m: Module, left: Value, right: Value, carry: Value, name: str, *, width: int = 0) -> Value:
    """``left + right + carry`` of signed values and a bit on one carry chain, whose first cell takes the bit.

    The low ``width`` bits (0: one more than the operands have), kept as a signal as in :func:`balanced_sum`.
    """
    width = width or max(len(left), len(right)) + 1
    total = Cat(Const(1, 1), left).as_signed() + Cat(carry, right).as_signed()
    kept = Signal(signed(width + 1), name=name, attrs={"keep": 1})
    m.d.comb += kept.eq(total)
    return kept[1:].as_signed()
