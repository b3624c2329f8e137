"""Sums of many terms, shaped for the carry chains of an FPGA."""

from amaranth import Module, Signal, Value, signed

__all__ = ["balanced_sum"]


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
