"""Multiplier kinds in gateware; the names and the golden products are those of ``hw.spec.multipliers``."""

from collections.abc import Callable

from amaranth import Cat, Const, Module, Mux, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec.multipliers import MULTIPLIERS, MultiplierKind

__all__ = ["BUILDERS", "Multiplier", "multiply"]


def _exact(kind: MultiplierKind, act: Value, weight: Value) -> Value:
    """A multiplication that synthesis maps to the device's multiplier blocks."""
    return act * weight


def _partial_products(kind: MultiplierKind, act: Value, weight: Value) -> Value:
    """Sum of shifted rows in plain logic, without the columns that ``kind`` drops."""
    bits = len(weight)
    dropped = kind.dropped_columns(bits)
    rows = []
    for j in range(bits):
        cut = max(0, dropped - j)
        kept = Cat(Const(0, cut), act[cut:]).as_signed() if cut else act
        row = Mux(weight[j], kept, 0).as_signed() << j
        rows.append(-row if j == bits - 1 else row)
    return _tree(rows)


def _tree(terms: list[Value]) -> Value:
    """Balanced sum."""
    if len(terms) == 1:
        return terms[0]
    return _tree(terms[:len(terms) // 2]) + _tree(terms[len(terms) // 2:])


#: name -> function of (kind, act, weight) giving the product; a new kind is one entry here and one in hw.spec.
BUILDERS: dict[str, Callable[[MultiplierKind, Value, Value], Value]] = {
    "dsp": _exact,
    "lut": _partial_products,
    "trunc": _partial_products,
}


def multiply(name: str, act: Value, weight: Value) -> Value:
    """Combinational product of two signed values by the multiplier called ``name``."""
    return BUILDERS[name](MULTIPLIERS[name], act, weight)


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
        m.d.comb += self.product.eq(multiply(self.name, self.act, self.weight))
        return m
