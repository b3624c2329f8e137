"""Multiplier kinds in gateware; the names and the golden products are those of ``hw.spec.multipliers``."""

from collections.abc import Callable

from amaranth import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.adders import balanced_sum
from hw.spec.multipliers import MULTIPLIERS, MultiplierKind

__all__ = ["BUILDERS", "Multiplier", "multiply"]


def _exact(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    """A multiplication that synthesis maps to the device's multiplier blocks."""
    return act * weight


def _partial_products(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    """Sum of shifted rows in plain logic, without the columns that ``kind`` drops."""
    bits = len(weight)
    dropped = kind.dropped_columns(bits)
    rows = []
    for j in range(bits):
        cut = max(0, dropped - j)
        kept = Cat(Const(0, cut), act[cut:])
        rows.append((kept & weight[j].replicate(len(kept))).as_signed() << j)
    # the sign row is subtracted, in one adder with its neighbour
    top = rows[-2] - rows[-1]
    kept = Signal(signed(top.shape().width), name=f"{name}top", attrs={"keep": 1})
    m.d.comb += kept.eq(top)
    return balanced_sum(m, [*rows[:-2], kept], name)


#: name -> function of (module, kind, act, weight, name) giving the product; a new kind is one entry here and one in
#: hw.spec.
BUILDERS: dict[str, Callable[[Module, MultiplierKind, Value, Value, str], Value]] = {
    "dsp": _exact,
    "lut": _partial_products,
    "trunc": _partial_products,
}


def multiply(m: Module, kind: str, act: Value, weight: Value, name: str = "product") -> Value:
    """Combinational product of two signed values by the multiplier ``kind``; ``name`` is for its signals in ``m``."""
    return BUILDERS[kind](m, MULTIPLIERS[kind], act, weight, name)


class Multiplier(wiring.Component):
    """One combinational multiplier alone, for conformance tests and noise measurements.

    Members
    -------
    act : In(signed(8))
    weight : In(signed(weight_bits))
    product : Out(signed(8 + weight_bits))
        Equal to ``hw.spec.multipliers.product`` for every pair of operands.
    """

    def __init__(self, name: str, *, weight_bits: int = 8):
        self.name = name
        super().__init__({"act": In(signed(8)), "weight": In(signed(weight_bits)),
                          "product": Out(signed(8 + weight_bits))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.product.eq(multiply(m, self.name, self.act, self.weight))
        return m
