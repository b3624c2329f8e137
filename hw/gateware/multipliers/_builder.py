"""What the builders of multiplier kinds share."""

from collections.abc import Callable, Sequence

from amaranth import Cat, Const, Module, Signal, Value, signed

from hw.gateware.adders import balanced_sum
from hw.spec.multipliers import MultiplierKind

__all__ = ["Builder", "DotProduct", "each", "kept", "magnitude", "named", "partial_products", "registered",
           "signed_weight", "with_sign"]

#: (module, kind, activations by lane, weights by way and lane, name) -> products by way and lane
Builder = Callable[[Module, MultiplierKind, Sequence[Value], Sequence[Sequence[Value]], str], list[list[Value]]]
#: (module, activations by lane, weights by lane, name) -> their dot product, three cycles later
DotProduct = Callable[[Module, Sequence[Value], Sequence[Value], str], Value]


def signed_weight(weight: Value) -> Value:
    """A weight as a signed value: a single bit is -1 where it is set, else 1."""
    return Cat(Const(1, 1), weight).as_signed() if len(weight) == 1 else weight


def kept(m: Module, value: Value, width: int, name: str) -> Signal:
    """``value`` as a signal that Yosys leaves alone: it would merge the adders on both sides of it into one."""
    kept = Signal(signed(width), name=name, attrs={"keep": 1})
    m.d.comb += kept.eq(value)
    return kept


def each(single: Callable[[Module, MultiplierKind, Value, Value, str], Value]) -> Builder:
    """The builder of a kind that shares nothing between products."""
    def build(m, kind, acts, weights, name):
        return [[single(m, kind, act, weight, f"{name}_{way}_{lane}")
                 for lane, (act, weight) in enumerate(zip(acts, row, strict=True))] for way, row in enumerate(weights)]
    return build


def partial_products(m: Module, act: Value, weight: Value, name: str, *, columns: int = 0, rows: int = 0) -> Value:
    """Sum of shifted rows in plain logic, without the lowest ``columns`` of the matrix and its first ``rows``; two rows
    at least are left.
    """
    bits = len(weight)
    found = []
    for j in range(rows, bits):
        cut = max(0, columns - j)
        part = Cat(Const(0, cut), act[min(cut, len(act) - 1):])   # the sign stays
        found.append((part & weight[j].replicate(len(part))).as_signed() << j)
    # the sign row is subtracted, in one adder with its neighbour
    top = found[-2] - found[-1]
    return balanced_sum(m, [*found[:-2], kept(m, top, top.shape().width, f"{name}top")], f"{name}sum")


def registered(m: Module, value: Value) -> Value:
    """``value`` a cycle later."""
    later = Signal(value.shape(), reset_less=True)
    m.d.sync += later.eq(value)
    return later


def named(m: Module, value: Value, name: str) -> Signal:
    """``value`` as a signal, so that what uses it several times does not repeat it."""
    found = Signal(value.shape(), name=name)
    m.d.comb += found.eq(value)
    return found


def magnitude(m: Module, value: Value, name: str) -> Signal:
    """Of a signed value, without a sign and in as many bits: that of the lowest number fits too."""
    turned = value.as_unsigned() ^ value[-1].replicate(len(value))
    return named(m, (turned + value[-1])[:len(value)], name)


def with_sign(size: Value, act: Value, weight: Value) -> Value:
    """A magnitude with the sign that the product of the operands has."""
    negative = act[-1] ^ weight[-1]
    return (Cat(size, Const(0, 1)) ^ negative.replicate(len(size) + 1)).as_signed() + negative
