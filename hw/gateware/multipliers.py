"""Multiplier kinds in gateware; the names and the golden products are those of ``hw.spec.multipliers``."""

from collections.abc import Callable, Sequence

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.adders import balanced_sum
from hw.gateware.ice40 import Mac16
from hw.spec.multipliers import MULTIPLIERS, MultiplierKind

__all__ = ["BUILDERS", "Multiplier", "Products", "dot_product", "multiply", "products"]

LEAST_CARRY_BITS = 4    # up to here plain logic takes fewer LUTs than a carry chain
#: (module, kind, activations by lane, weights by way and lane, name) -> products by way and lane
Builder = Callable[[Module, MultiplierKind, Sequence[Value], Sequence[Sequence[Value]], str], list[list[Value]]]


def _signed(weight: Value) -> Value:
    """A weight as a signed value: a single bit is -1 where it is set, else 1."""
    return Cat(Const(1, 1), weight).as_signed() if len(weight) == 1 else weight


def _kept(m: Module, value: Value, width: int, name: str) -> Signal:
    """``value`` as a signal that Yosys leaves alone: it would merge the adders on both sides of it into one."""
    kept = Signal(signed(width), name=name, attrs={"keep": 1})
    m.d.comb += kept.eq(value)
    return kept


def _each(single: Callable[[Module, MultiplierKind, Value, Value, str], Value]) -> Builder:
    """The builder of a kind that shares nothing between products."""
    def build(m, kind, acts, weights, name):
        return [[single(m, kind, act, weight, f"{name}_{way}_{lane}")
                 for lane, (act, weight) in enumerate(zip(acts, row, strict=True))] for way, row in enumerate(weights)]
    return build


def _exact(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    """A multiplication that synthesis maps to the device's multiplier blocks."""
    return act * _signed(weight)


def _partial_products(m: Module, kind: MultiplierKind, act: Value, weight: Value, name: str) -> Value:
    """Sum of shifted rows in plain logic, without the columns that ``kind`` drops."""
    dropped = kind.dropped_columns(len(weight))
    if len(weight) == 2 and not dropped:
        return _selected(act, weight)
    if len(weight) == 1 and len(act) <= LEAST_CARRY_BITS:
        return _negated(act, weight)
    weight = _signed(weight)
    bits = len(weight)
    rows = []
    for j in range(bits):
        cut = max(0, dropped - j)
        kept = Cat(Const(0, cut), act[min(cut, len(act) - 1):])   # the sign stays
        rows.append((kept & weight[j].replicate(len(kept))).as_signed() << j)
    # the sign row is subtracted, in one adder with its neighbour
    top = rows[-2] - rows[-1]
    return balanced_sum(m, [*rows[:-2], _kept(m, top, top.shape().width, f"{name}top")], f"{name}sum")


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
        first, second = (_signed(row[lane]) for row in weights)
        place = len(act) + len(weights[0][lane])
        both = first + (second << place)
        total = act * _kept(m, both, both.shape().width, f"{name}_{lane}both")
        low.append(total[:place].as_signed())
        high.append(_kept(m, total[place:].as_signed() + total[place - 1], place, f"{name}_{lane}high"))
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
        m.d.comb += [block.acts[half].eq(act), block.weights[half].eq(_signed(weight))]


#: A new kind is one entry here and one in hw.spec.
BUILDERS: dict[str, Builder] = {
    "dsp": _each(_exact),
    "lut": _each(_partial_products),
    "trunc": _each(_partial_products),
    "packed": _packed,
    "mac16": _mac16,
    "ternary": _each(_ternary),
}


def products(m: Module, kind: str, acts: Sequence[Value], weights: Sequence[Sequence[Value]],
             name: str = "product") -> list[list[Value]]:
    """Combinational products of every way's weights with the same activations, by the multiplier ``kind``.

    Parameters
    ----------
    acts
        One signed value per lane, all of one width. Any number of lanes; blocks that lanes share stay half empty
        where it is odd.
    weights
        For each of the kind's ``ways``, one value per lane: signed, or a single bit that is -1 where it is set and 1
        where it is clear. A weight that ``MultiplierKind.weights`` does not list may give anything.
    name
        Start of the names of signals and submodules in ``m``; unique within it.

    Returns
    -------
    ``[way][lane]``, signed, each as wide as both operands together, equal to ``hw.spec.multipliers.product``.

    Raises
    ------
    ValueError
        If there are not ``ways`` rows of as many weights as activations.
    """
    spec = MULTIPLIERS[kind]
    if len(weights) != spec.ways or any(len(row) != len(acts) for row in weights):
        raise ValueError(f"{kind}: takes {spec.ways} rows of {len(acts)} weights, got {[len(row) for row in weights]}")
    width = len(acts[0]) + len(weights[0][0])
    answers = BUILDERS[kind](m, spec, acts, weights, name)
    result = [[Signal(signed(width), name=f"{name}_{way}_{lane}") for lane in range(len(acts))]
              for way in range(spec.ways)]
    m.d.comb += [ours.eq(theirs) for row, answer in zip(result, answers, strict=True)
                 for ours, theirs in zip(row, answer, strict=True)]
    return [list(row) for row in result]


def dot_product(m: Module, kind: str, acts: Sequence[Value], weights: Sequence[Value], name: str) -> Value:
    """The sum of the products of all lanes, three cycles later; for kinds of one way.

    Parameters and errors are those of :func:`products`, with one weight per lane. Operands, products and sums are
    registered, inside of the multiplier blocks where these can.
    """
    if kind in SUMS:
        return SUMS[kind](m, acts, weights, name)
    acts, weights = ([_registered(m, value) for value in values] for values in (acts, weights))
    row = [_registered(m, value) for value in products(m, kind, acts, [weights], name)[0]]
    return _registered(m, balanced_sum(m, row, f"{name}sum"))


def _registered(m: Module, value: Value) -> Value:
    later = Signal(value.shape(), reset_less=True)
    m.d.sync += later.eq(value)
    return later


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
        sums += [_registered(m, value) for value in above.results]
    return balanced_sum(m, sums, f"{name}sum")


#: Kinds whose blocks have registers and adders of their own: ``dot_product`` of each.
SUMS: dict[str, Callable[[Module, Sequence[Value], Sequence[Value], str], Value]] = {"mac16": _mac16_sum}


def multiply(m: Module, kind: str, act: Value, weight: Value, name: str = "product") -> Value:
    """:func:`products` of one pair; where ways share a multiplier, the others are idle."""
    idle = [[Const(0, weight.shape())]] * (MULTIPLIERS[kind].ways - 1)
    return products(m, kind, [act], [[weight], *idle], name)[0][0]


class Multiplier(wiring.Component):
    """One combinational multiplier alone, for noise measurements.

    Members
    -------
    act : In(signed(act_bits))
    weight : In(signed(weight_bits))
    product : Out(signed(act_bits + weight_bits))
        Equal to ``hw.spec.multipliers.product`` for every pair of operands.
    """

    def __init__(self, name: str, *, weight_bits: int = 8, act_bits: int = 8):
        self.name = name
        super().__init__({"act": In(signed(act_bits)), "weight": In(signed(weight_bits)),
                          "product": Out(signed(act_bits + weight_bits))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.product.eq(multiply(m, self.name, self.act, self.weight))
        return m


class Products(wiring.Component):
    """:func:`products` alone, for conformance tests and to see what a kind takes of a device.

    Members
    -------
    acts : In(lanes x signed(act_bits))
    weights : In(ways x lanes x signed(weight_bits))
    products : Out(ways x lanes x signed(act_bits + weight_bits))
        Lane 0 of way 0 is lowest in each.
    """

    def __init__(self, kind: str, *, weight_bits: int, act_bits: int, lanes: int):
        self.kind, self.lanes = kind, lanes
        ways = MULTIPLIERS[kind].ways

        def rows(bits: int) -> data.ArrayLayout:
            return data.ArrayLayout(data.ArrayLayout(signed(bits), lanes), ways)
        super().__init__({"acts": In(data.ArrayLayout(signed(act_bits), lanes)), "weights": In(rows(weight_bits)),
                          "products": Out(rows(act_bits + weight_bits))})

    def elaborate(self, platform):
        m = Module()
        weights = [[row[lane] for lane in range(self.lanes)] for row in self.weights]
        answers = products(m, self.kind, [self.acts[lane] for lane in range(self.lanes)], weights)
        for way, row in enumerate(answers):
            m.d.comb += [self.products[way][lane].eq(answer) for lane, answer in enumerate(row)]
        return m
