"""Kinds that multiply as integers do: blocks of the device, shared or not, and plain logic."""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Mux, Value

from hw.gateware.adders import balanced_sum
from hw.gateware.ice40 import Mac16
from hw.gateware.multipliers._builder import (
    Builder,
    DotProduct,
    each,
    kept,
    partial_products,
    registered,
    signed_weight,
)
from hw.spec.multipliers import MultiplierKind

__all__ = ["BUILDERS", "DOT_PRODUCTS", "plain_product"]

LEAST_CARRY_BITS = 4    # up to here plain logic takes fewer LUTs than a carry chain


def _exact(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    """A multiplication that synthesis maps to the device's multiplier blocks."""
    return act * signed_weight(weight)


def plain_product(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    """A multiplication in plain logic."""
    if len(weight) == 2:
        return _selected(act, weight)
    if len(weight) == 1 and len(act) <= LEAST_CARRY_BITS:
        return _negated(act, weight)
    return partial_products(m, act, signed_weight(weight), name)


def _selected(act: Value, weight: Value) -> Value:
    """Times -2, -1, 0 or 1: one LUT per bit selects and inverts, one carry chain adds the 1 that negation needs."""
    double = Cat(Const(0, 1), act, act[-1])
    single = Cat(act, act[-1].replicate(2))
    size = Mux(weight[0], single, double & weight[1].replicate(len(double)))
    return ((size ^ weight[1].replicate(len(size))) + weight[1])[:len(size)].as_signed()


def _negated(act: Value, weight: Value) -> Value:
    """Times -1 where ``weight`` is set: each bit above the lowest one that is set turns over. Without a carry chain."""
    wide = Cat(act, act[-1])
    return Cat(bit ^ (weight[0] & wide[:place].any()) for place, bit in enumerate(wide)).as_signed()


def _ternary(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    taken = (act.as_unsigned() & weight[0].replicate(len(act))).as_signed()
    return (taken ^ weight[1].replicate(len(act) + 1).as_signed()) + weight[1]


def _packed(m: Module, kind: MultiplierKind, acts: Sequence[Value], weights: Sequence[Sequence[Value]],
            name: str) -> list[list[Value]]:
    """``act * (low + (high << place))``: the low product borrows from the high one where it is negative."""
    low, high = [], []
    for lane, act in enumerate(acts):
        first, second = (signed_weight(row[lane]) for row in weights)
        place = len(act) + len(weights[0][lane])
        both = first + (second << place)
        total = act * kept(m, both, both.shape().width, f"{name}_{lane}both")
        low.append(total[:place].as_signed())
        high.append(kept(m, total[place:].as_signed() + total[place - 1], place, f"{name}_{lane}high"))
    return [low, high]


def _mac16(m: Module, kind: MultiplierKind, acts: Sequence[Value], weights: Sequence[Sequence[Value]],
           name: str) -> list[list[Value]]:
    """Neighbouring lanes in the two halves of a block; the last of an odd number has a block alone."""
    found = []
    for way, row in enumerate(weights):
        answers: list[Value] = []
        for lane in range(0, len(acts), 2):
            block = Mac16()
            _placed(m, block, acts, row, lane, f"{name}_{way}")
            answers += (result[:len(acts[0]) + len(row[0])].as_signed() for result in block.results)
        found.append(answers[:len(acts)])
    return found


def _placed(m: Module, block: Mac16, acts: Sequence[Value], weights: Sequence[Value], lane: int, name: str) -> None:
    """Let ``block`` multiply ``lane`` and the next one, if there is one."""
    m.submodules[f"{name}_{lane}mac16"] = block
    for half, (act, weight) in enumerate(zip(acts[lane:lane + 2], weights[lane:lane + 2], strict=True)):
        m.d.comb += [block.acts[half].eq(act), block.weights[half].eq(signed_weight(weight))]


def _mac16_sum(m: Module, acts: Sequence[Value], weights: Sequence[Value], name: str) -> Value:
    """Every other block adds what the one before has multiplied: with ``magnitude``, two products fit its 16 bits."""
    sums: list[Value] = []
    above: Mac16 | None = None
    for lane in range(0, len(acts), 2):
        block = Mac16(registers=True, adds=above is not None)
        _placed(m, block, acts, weights, lane, name)
        if above is None:
            above = block
            continue
        m.d.comb += [mine.eq(theirs) for mine, theirs in zip(block.plus, above.results, strict=True)]
        sums += block.results
        above = None
    if above is not None:
        sums += [registered(m, value) for value in above.results]
    return balanced_sum(m, sums, f"{name}sum")


BUILDERS: dict[str, Builder] = {"dsp": each(_exact), "lut": each(plain_product), "packed": _packed, "mac16": _mac16,
                                 "ternary": each(_ternary)}
#: Of kinds whose blocks have registers and adders of their own.
DOT_PRODUCTS: dict[str, DotProduct] = {"mac16": _mac16_sum}
